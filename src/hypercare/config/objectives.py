"""What a service's ``slo`` means: objectives with their error ratios, and the rules that watch their error budgets.

The alerts are the multiwindow, multi-burn-rate alerts of the Google SRE workbook, chapter 5: a budget is spent too fast
when a long window says so and a short one says that it still goes on. A window that is less than half full of
measurements says nothing, so that a young platform is not called to account for its first minutes.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from hypercare.config.rule_files import Rule, RuleFile, RuleGroup
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.config.services import Service
    from hypercare.model.time import Ms

ERRORS: Final = "slo:error_ratio:rate"
"""Recorded per window: the share of events, of probes, or of answers that were bad."""
LEFT: Final = "slo:error_budget_left:ratio"
"""Recorded: what is left of the budget of the objective's window; 1: all of it, below 0: overspent."""
PLACE: Final = "(generated from slo)"
_EVERY: Final = MINUTE
_SHORT: Final = (5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR)
_LONG: Final = (DAY, 3 * DAY)
_PAGES: Final = ((HOUR, 5 * MINUTE, 14.4), (6 * HOUR, 30 * MINUTE, 6.0))
_TICKETS: Final = ((DAY, 2 * HOUR, 3.0), (3 * DAY, 6 * HOUR, 1.0))


@dataclasses.dataclass(frozen=True, slots=True)
class Objective:
    """One promise of a service.

    Attributes:
        name: availability, errors or latency.
        percent: of events that have to be good.
        bad: PromQL with ``$window``: the share of bad events, 0 to 1.
        window: over which the budget is counted, ms.

    """

    service: str
    name: str
    percent: float
    bad: str
    window: Ms

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return round(1 - self.percent / 100, 12)

    def bad_over(self, window: Ms) -> str:
        """The share of bad events over a window."""
        return self.bad.replace("$window", format_duration(window))


def objectives_of(service: Service) -> tuple[Objective, ...]:
    """What a service promises; nothing without ``slo``."""
    slo = service.slo
    if slo is None:
        return ()
    probes = f"{{service={json.dumps(service.name, ensure_ascii=False)}}}"
    requests = f"(sum({slo.errors}) or vector(0)) / (sum({slo.total}) > 0)" if slo.total else ""
    found: list[tuple[str, float, str]] = []
    if slo.availability is not None:
        found.append(
            ("availability", slo.availability, requests or f"1 - avg(avg_over_time(probe_success{probes}[$window]))")
        )
    if slo.error_rate is not None:
        found.append(("errors", 100 - slo.error_rate, requests))
    if slo.latency:
        bound = slo.latency / SECOND
        slow = f"avg(avg_over_time((probe_duration_seconds{probes} > bool {bound:g})[$window:]))"
        if slo.latency_metric:
            fast = f"sum(rate({slo.latency_buckets(bound)}[$window]))"
            slow = f"1 - {fast} / (sum(rate({slo.latency_count()}[$window])) > 0)"
        found.append(("latency", slo.latency_percentile, slow))
    return tuple(
        Objective(service.name, name, percent, bad, slo.window) for name, percent, bad in found if percent < 100
    )


def rules_of(services: Iterable[Service]) -> tuple[RuleFile, ...]:
    """The rules of all objectives, as a rule file of their own; none where nobody promises anything."""
    groups = [group for service in services for each in objectives_of(service) for group in _groups(service, each)]
    return (RuleFile(path=PLACE, groups=tuple(groups)),) if groups else ()


def _groups(service: Service, objective: Objective) -> tuple[RuleGroup, RuleGroup]:
    labels = {"service": service.name, "slo": objective.name}
    usual = f"avg_over_time({_recorded(objective, 5 * MINUTE)}[{format_duration(objective.window)}])"
    left = f"1 - {usual} / {objective.budget:g}"
    short = [_record(objective, window) for window in _SHORT]
    short.append(Rule(record=LEFT, expr=left))
    short += [_alert(service, objective, "critical", _PAGES), _alert(service, objective, "warning", _TICKETS)]
    name = f"slo {service.name} {objective.name}"
    return (
        RuleGroup(name=name, interval=_EVERY, rules=tuple(short), labels=labels),
        RuleGroup(
            name=f"{name}, days", interval=10 * MINUTE, rules=tuple(_record(objective, w) for w in _LONG), labels=labels
        ),
    )


def _record(objective: Objective, window: Ms) -> Rule:
    return Rule(record=f"{ERRORS}{format_duration(window)}", expr=objective.bad_over(window))


def _recorded(objective: Objective, window: Ms) -> str:
    service, name = (json.dumps(text, ensure_ascii=False) for text in (objective.service, objective.name))
    return f"{ERRORS}{format_duration(window)}{{service={service},slo={name}}}"


def _alert(service: Service, objective: Objective, severity: str, paces: tuple[tuple[Ms, Ms, float], ...]) -> Rule:
    parts = []
    measured = _recorded(objective, 5 * MINUTE)
    for long, short, factor in paces:
        bound = f"{min(factor * objective.budget, 0.99):g}"
        enough = f"count_over_time({measured}[{format_duration(long)}]) >= {long // _EVERY // 2}"
        over = f"{_recorded(objective, long)} > {bound} and {_recorded(objective, short)} > {bound}"
        parts.append(f"({over} and {enough})")
    fast = "minutes or hours" if severity == "critical" else "days"
    summary = f"{service.name} spends its error budget ({objective.name} {objective.percent:g} %) within {fast}"
    annotations = {"summary": summary, "description": "{{ $value | humanizePercentage }} were bad in the long window."}
    if service.runbook:
        annotations["runbook_url"] = service.runbook
    return Rule(
        alert="ErrorBudgetBurn", expr=" or ".join(parts), labels={"severity": severity}, annotations=annotations
    )
