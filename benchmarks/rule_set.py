"""Rules as platforms keep them, over the series of ``dataset``: recordings of rates, ratios and latencies, and alerts.

Groups of twenty: each begins with recordings and goes on with alerts on these, on raw series, and on the same rates.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOWS = ("5m", "10m", "30m", "1h")
_GROUP = 20


def rules(count: int) -> list[dict[str, Any]]:
    """So many rules in groups, as a rule file has them."""
    groups: list[dict[str, Any]] = []
    made = 0
    while made < count:
        number = len(groups)
        own = list(_group(number))[: min(_GROUP, count - made)]
        groups.append({"name": f"service-{number}", "rules": own})
        made += len(own)
    return groups


def rule_file(count: int, interval: int) -> str:
    """The rule file (JSON is YAML), evaluated every so many seconds."""
    return json.dumps({"groups": [{**group, "interval": f"{interval}s"} for group in rules(count)]}, indent=1)


def _record(name: str, expr: str) -> dict[str, Any]:
    return {"record": name, "expr": expr}


def _alert(name: str, expr: str, hold: str = "5m", severity: str = "warning") -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": hold,
        "labels": {"severity": severity, "team": "platform"},
        "annotations": {
            "summary": f"{name} on {{{{ $labels.job }}}}",
            "description": "The value is {{ $value | humanize }}.",
        },
    }


def _group(n: int) -> Iterator[dict[str, Any]]:
    job, window = f"job-{n % 5}", _WINDOWS[n % len(_WINDOWS)]
    all_requests, errors = f'http_requests_total{{job="{job}"}}', f'http_requests_total{{job="{job}",code=~"5.."}}'
    buckets = f'request_duration_seconds_bucket{{job="{job}"}}'
    depth = f'queue_depth{{job="{job}"}}'
    s = f"s{n}"
    yield _record(f"{s}:requests:rate{window}", f"sum by (job, handler) (rate({all_requests}[{window}]))")
    yield _record(f"{s}:errors:rate{window}", f"sum by (job, handler) (rate({errors}[{window}]))")
    yield _record(
        f"{s}:error_ratio:rate{window}",
        f"sum by (job) (rate({errors}[{window}])) / sum by (job) (rate({all_requests}[{window}]))",
    )
    yield _record(
        f"{s}:latency:p95", f"histogram_quantile(0.95, sum by (job, handler, le) (rate({buckets}[{window}])))"
    )
    yield _record(f"{s}:latency:p50", f"histogram_quantile(0.5, sum by (job, le) (rate({buckets}[{window}])))")
    yield _record(f"{s}:queue:avg", f"avg by (job, instance) ({depth})")
    yield _record(f"{s}:queue:max10m", f"max by (job) (max_over_time({depth}[10m]))")
    yield _alert(f"ErrorRatio{n}", f"{s}:error_ratio:rate{window} > 0.9", severity="critical")
    yield _alert(
        f"ErrorsOfHandler{n}",
        f"sum by (job, handler) (rate({errors}[5m])) / sum by (job, handler) (rate({all_requests}[5m])) > 0.9",
    )
    yield _alert(f"LatencyHigh{n}", f"histogram_quantile(0.99, sum by (job, le) (rate({buckets}[5m]))) > 1000")
    yield _alert(
        f"BudgetBurns{n}",
        f"sum by (job) (rate({errors}[1h])) / sum by (job) (rate({all_requests}[1h])) > 0.9 and "
        f"sum by (job) (rate({errors}[5m])) / sum by (job) (rate({all_requests}[5m])) > 0.9",
        "2m",
        "critical",
    )
    yield _alert(f"QueueLong{n}", f"{depth} > 85", "10m")
    yield _alert(f"QueueGrows{n}", f"predict_linear({depth}[15m], 3600) > 500", "15m")
    yield _alert(f"QueueStuck{n}", f"changes({depth}[10m]) == 0", "10m")
    yield _alert(f"TrafficGone{n}", f"absent({all_requests})", "1m", "critical")
    yield _alert(
        f"TrafficDrops{n}",
        f"sum by (job) (rate({all_requests}[5m])) < 0.2 * sum by (job) (rate({all_requests}[5m] offset 30m))",
    )
    yield _alert(f"Restarted{n}", f"sum by (job, instance) (resets({all_requests}[10m])) > 1", "0s")
    yield _alert(f"InstanceIdle{n}", f"sum by (job, instance) (increase({all_requests}[10m])) < 1")
    yield _alert(f"QueueUneven{n}", f"max by (job) ({depth}) - min by (job) ({depth}) > 500")
    yield _alert(f"TooManyInstances{n}", f"count by (job) (count by (job, instance) ({depth})) > 1000", "1h")
