"""The rooms' snapshots in the shapes of Prometheus' JSON."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from hypercare.model.matchers import matches_all
from hypercare.model.time import Ms, format_duration, format_rfc3339
from hypercare.promql import parse
from hypercare.web.api.numbers import exponent_number

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.model.matchers import Matcher
    from hypercare.rules import AlertElement, RuleStatus


def _time(at: Ms | None) -> str:
    return format_rfc3339(at) if at else "0001-01-01T00:00:00Z"


def _plain(value: float) -> float | int:
    """A number without a fraction is written without one."""
    return int(value) if value == int(value) else value


@functools.lru_cache(maxsize=4096)
def _canonical(query: str) -> str:
    """An expression as Prometheus prints it."""
    return str(parse(query))


def alert_json(alert: AlertElement) -> dict[str, Any]:
    """One element of an alerting rule."""
    body: dict[str, Any] = {
        "labels": alert.labels.as_dict(),
        "annotations": alert.annotations.as_dict(),
        "state": str(alert.state),
        "activeAt": _time(alert.active_at),
        "value": exponent_number(alert.value),
    }
    if alert.keep_firing_since:
        body["keepFiringSince"] = _time(alert.keep_firing_since)
    return body


@dataclasses.dataclass(frozen=True, slots=True)
class RulesWanted:
    """Which rules to tell of; empty sets and texts mean all.

    Attributes:
        kind: ``alert`` or ``record``.
        alerts: whether to list the alerts of each rule.
        matchers: conditions on the labels that the rules give, one set of which has to hold.

    """

    kind: str = ""
    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    alerts: bool = True
    matchers: tuple[tuple[Matcher, ...], ...] = ()

    def rule(self, rule: RuleStatus) -> bool:
        """Whether a rule is among them."""
        kind = {"alert": "alerting", "record": "recording"}.get(self.kind, rule.type)
        if rule.type != kind or (self.names and rule.name not in self.names):
            return False
        return not self.matchers or any(matches_all(each, rule.labels) for each in self.matchers)


def _rule_json(rule: RuleStatus, *, alerts: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": rule.name,
        "query": _canonical(rule.query),
        "labels": rule.labels.as_dict(),
        "health": rule.health,
        "evaluationTime": _plain(rule.evaluation_time),
        "lastEvaluation": _time(rule.last_evaluation),
        "type": rule.type,
    }
    if rule.last_error:
        body["lastError"] = rule.last_error
    if rule.type == "alerting":
        body |= {
            "state": str(rule.state),
            "duration": _plain(rule.duration / 1000),
            "keepFiringFor": _plain(rule.keep_firing_for / 1000),
            "annotations": rule.annotations.as_dict(),
            "alerts": [alert_json(a) for a in rule.alerts] if alerts else [],
        }
    return body


def rules_data(app: App, wanted: RulesWanted) -> list[dict[str, Any]]:
    """``groups`` of /api/v1/rules."""
    found = []
    for group in app.rules.snapshot.groups:
        if (wanted.groups and group.name not in wanted.groups) or (wanted.files and group.file not in wanted.files):
            continue
        rules = [r for r in group.rules if wanted.rule(r)]
        if not rules and (wanted.kind or wanted.names or wanted.matchers):
            continue
        found.append(
            {
                "name": group.name,
                "file": group.file,
                "rules": [_rule_json(r, alerts=wanted.alerts) for r in rules],
                "interval": _plain(group.interval / 1000),
                "limit": group.limit,
                "evaluationTime": _plain(group.evaluation_time),
                "lastEvaluation": _time(group.last_evaluation),
            }
        )
    return found


def alerts_data(app: App) -> dict[str, Any]:
    """``data`` of /api/v1/alerts."""
    rules = [rule for group in app.rules.snapshot.groups for rule in group.rules]
    return {"alerts": [alert_json(a) for rule in rules for a in rule.alerts]}


def targets_data(app: App, state: str, pool: str) -> dict[str, Any]:
    """``data`` of /api/v1/targets."""
    snapshot = app.collectors.snapshot()
    active = [
        {
            "discoveredLabels": t.discovered_labels.as_dict(),
            "labels": t.labels.as_dict(),
            "scrapePool": t.scrape_pool,
            "scrapeUrl": t.scrape_url,
            "globalUrl": t.global_url,
            "lastError": t.last_error,
            "lastScrape": _time(t.last_scrape),
            "lastScrapeDuration": _plain(t.last_scrape_duration),
            "health": t.health,
            "scrapeInterval": format_duration(t.interval),
            "scrapeTimeout": format_duration(t.timeout),
        }
        for t in snapshot.active
        if state != "dropped" and pool in {"", t.scrape_pool}
    ]
    dropped = [
        {"discoveredLabels": t.discovered_labels.as_dict(), "scrapePool": t.scrape_pool}
        for t in snapshot.dropped
        if state != "active" and pool in {"", t.scrape_pool}
    ]
    counts: dict[str, int] = {}
    for target in snapshot.dropped:
        counts[target.scrape_pool] = counts.get(target.scrape_pool, 0) + 1
    return {"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts}


def metadata_data(app: App, metric: str, limit: int | None, per_metric: int | None) -> dict[str, list[dict[str, str]]]:
    """``data`` of /api/v1/metadata: each distinct (type, help, unit) of a family."""
    found: dict[str, list[dict[str, str]]] = {}
    told = [
        (name, meta.type, meta.help, meta.unit)
        for target in app.collectors.snapshot().active
        for name, meta in target.metadata.items()
    ]
    for name, kind, text, unit in (*told, *app.ingest.metadata.values()):
        if not metric or name == metric:
            entry = {"type": kind, "help": text, "unit": unit}
            entries = found.setdefault(name, [])
            if entry not in entries and (per_metric is None or len(entries) < per_metric):
                entries.append(entry)
    return dict(list(found.items())[:limit])


def targets_metadata_data(
    app: App, matchers: list[tuple[Matcher, ...]], metric: str, limit: int | None
) -> list[dict[str, Any]]:
    """``data`` of /api/v1/targets/metadata."""
    found = [
        {
            "target": target.labels.as_dict(),
            **({} if metric else {"metric": name}),
            "type": meta.type,
            "help": meta.help,
            "unit": meta.unit,
        }
        for target in app.collectors.snapshot().active
        if not matchers or any(matches_all(m, target.labels) for m in matchers)
        for name, meta in target.metadata.items()
        if metric in {"", name}
    ]
    return found[:limit]


def tsdb_data(app: App, limit: int) -> dict[str, Any]:
    """``data`` of /api/v1/status/tsdb."""
    stats = app.tsdb.snapshot().stats(limit)
    counts = stats.cardinality
    head = {
        "numSeries": stats.head_series,
        "numLabelPairs": counts.label_pairs,
        "chunkCount": stats.head_groups,
        "minTime": stats.head_min_time or 0,
        "maxTime": stats.head_max_time or 0,
    }
    tables = {
        "seriesCountByMetricName": counts.series_by_metric,
        "labelValueCountByLabelName": counts.values_by_label,
        "memoryInBytesByLabelName": counts.bytes_by_label,
        "seriesCountByLabelValuePair": counts.series_by_pair,
    }
    named = {key: [{"name": name, "value": value} for name, value in rows] for key, rows in tables.items()}
    return {"headStats": head, **named}
