"""What of a service is worth drawing: its objectives, the checks of its deployments, its rules."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Final

from hypercare.config.objectives import objectives_of
from hypercare.deploys.checks import rows_of
from hypercare.incidents.graphs import asked_for, comparisons, graph_from, graph_of
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR, MINUTE, SECOND, format_duration
from hypercare.model.units import Unit
from hypercare.promql import PromqlError, parse
from hypercare.promql.measures import unit_of
from hypercare.reports.service_parts import ChartSpec
from hypercare.reports.service_rules import recorded_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.app import App
    from hypercare.config.deployments import Check, Thresholds
    from hypercare.config.services import Service
    from hypercare.deploys.store import Watch
    from hypercare.incidents.evidence import Graph
    from hypercare.model.time import Ms
    from hypercare.rules import RuleStatus

SPANS: Final[tuple[Ms, ...]] = (5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR)
"""How far back is drawn, as far as there are samples."""
_POINTS: Final = 180
_MOST: Final = 12
_TRIED: Final = 40
_SAMPLES: Final = 2_000_000
_WAIT: Final = 5.0
"""Seconds that somebody who opens a page waits for another server's samples."""
_PLACE: Final = re.compile(r"\$\w+")
_WINDOW: Final = 5 * MINUTE


def charts_of(app: App, service: Service, watch: Watch | None, rules: tuple[RuleStatus, ...]) -> tuple[ChartSpec, ...]:
    """Requests, errors and latency first, as the objectives name them; then checks, rules, recorded series.

    Args:
        app: with its configuration and rules.
        service: whose.
        watch: its newest deployment, whose plan's checks are drawn; none: those of the plan that it would have.
        rules: of the service.

    """
    found: dict[str, ChartSpec] = {}
    for spec in (*_objectives(service), *_checks(app, service, watch), *_alerts(rules), *_recorded(app, service)):
        try:
            key = str(parse(spec.expr))
        except PromqlError:
            continue
        found.setdefault(key, spec)
    return tuple(found.values())[:_TRIED]


def _objectives(service: Service) -> Iterator[ChartSpec]:
    slo = service.slo
    if slo is None:
        return
    window = f"{_WINDOW // MINUTE}m"
    if slo.total:
        expr = slo.total.replace("$window", window)
        yield ChartSpec("requests", "objective", expr, unit_of(expr).word)
    for each in objectives_of(service):
        said = f"objective {each.percent:g} %"
        if each.name != "latency":
            yield ChartSpec(f"{each.name}: share that is bad", said, each.bad_over(_WINDOW), "ratio", ">", each.budget)
            continue
        expr = f"max(probe_duration_seconds{{service={json.dumps(service.name, ensure_ascii=False)}}})"
        if slo.latency_metric:
            name, brace, matchers = slo.latency_metric.partition("{")
            buckets = f"sum by (le) (rate({name}_bucket{brace}{matchers}[{window}]))"
            expr = f"histogram_quantile({each.percent / 100:g}, {buckets})"
        said = f"{said} within {format_duration(slo.latency)}"
        yield ChartSpec("latency", said, expr, "s", ">", slo.latency / SECOND)


def _checks(app: App, service: Service, watch: Watch | None) -> Iterator[ChartSpec]:
    if watch is not None:
        for row in rows_of(watch):
            # Patterns look for new kinds: their curve says little.
            if row.service == service.name and not row.check.pattern:
                source = f"check of deployment #{watch.number}"
                yield _check(row.check, row.bounds, row.check.name, row.expr, source, row.unit)
        return
    plan = app.config.hypercare.deployments.plan("", service.name)
    for check in plan.all_checks() if plan is not None else ():
        named = check.services or tuple(check.per) or plan.services or (service.name,) if plan is not None else ()
        expr = check.expr.replace("$service", service.name)
        if service.name in named and not check.pattern and not _PLACE.search(expr):
            bounds = check.bounds(service.name)
            unit = Unit("ratio") if check.ratio else Unit(check.unit)
            yield _check(check, bounds, check.name, expr, f"check of plan {plan.name if plan else ''}", unit)


def _check(check: Check, bounds: Thresholds, title: str, expr: str, source: str, unit: Unit) -> ChartSpec:
    op = "<" if check.direction == "low" else ">"
    limit = bounds.critical if bounds.critical is not None else bounds.warning
    word = unit.word or unit_of(expr).word
    return ChartSpec(title, source, expr, word, "" if limit is None else op, limit, check.by)


def _alerts(rules: tuple[RuleStatus, ...]) -> Iterator[ChartSpec]:
    for rule in rules:
        try:
            parts = comparisons(parse(rule.query)) if rule.type == "alerting" else []
        except PromqlError:
            continue
        # Those of error budgets are drawn with their objectives.
        if "slo" in rule.labels:
            continue
        for part, op, threshold in parts:
            text = str(part)
            yield ChartSpec(rule.name, "alerting rule", text, unit_of(part).word, op, threshold)
    for rule in rules:
        if rule.type == "recording" and "slo" not in rule.labels:
            yield ChartSpec(rule.name, "recording rule", rule.query, unit_of(rule.query).word)


def _recorded(app: App, service: Service) -> Iterator[ChartSpec]:
    own = json.dumps(service.name, ensure_ascii=False)
    for label in dict.fromkeys(m.name for matchers in service.selectors for m in matchers):
        for rule in recorded_by(app.rules.snapshot, label):
            if "slo" not in rule.labels and not service.match:
                expr = f"{rule.name}{{{label}={own}}}"
                yield ChartSpec(rule.name, "recording rule", expr, unit_of(expr).word)


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """The curves of a service over the last ``span`` ms, each as ``web.charts`` draws it.

    Attributes:
        span: ms.
        curves: what has samples.
        missing: why another server that has the samples gave none; empty where it answered.

    """

    span: Ms
    curves: tuple[tuple[ChartSpec, dict[str, Any]], ...]
    missing: str = ""


def drawn(app: App, specs: tuple[ChartSpec, ...], service: str, now: Ms) -> Drawn:
    """What has samples, over the last three hours; over less where there are none that are older."""
    found, missing = _drawn(app, specs, service, now, SPANS[-1])
    firsts = [_first(data) for _, data in found]
    age = now - min(firsts) if firsts else SPANS[-1]
    span = next((span for span in SPANS if span >= age), SPANS[-1])
    if span != SPANS[-1]:
        found, missing = _drawn(app, specs, service, now, span)
    return Drawn(span, tuple(found), missing)


def _first(data: dict[str, Any]) -> Ms:
    """When the first sample of a graph was."""
    places = [next((i for i, v in enumerate(one["values"]) if v is not None), None) for one in data["series"]]
    start: Ms = data["start"] + data["step"] * min(place for place in places if place is not None)
    return start


def _drawn(
    app: App, specs: tuple[ChartSpec, ...], service: str, now: Ms, length: Ms
) -> tuple[list[tuple[ChartSpec, dict[str, Any]]], str]:
    step = max(SECOND, length // _POINTS)
    # The newest samples count, and may be all there are.
    end = now // SECOND * SECOND
    near, span = Labels.of(service=service), (end - length, end, step)
    engine, source = app.engine.within(max_samples=_SAMPLES), app.tsdb.snapshot()
    asked = [asked_for(spec.expr, span) for spec in specs] if app.backend.settings is not None else []
    told = app.backend.look(asked, _WAIT) if asked else {}
    found: list[tuple[ChartSpec, dict[str, Any]]] = []
    for place, spec in enumerate(specs):
        if len(found) >= _MOST:
            break
        curves = None
        if asked:
            curves = _curves(spec, service, graph_from(told[asked[place]], asked[place], near, spec.op, spec.threshold))
        # What is collected here need not be written there.
        curves = curves or _curves(
            spec, service, graph_of(engine, source, spec.expr, near, span, spec.op, spec.threshold)
        )
        if curves:
            found.append((spec, curves))
    return found, next((answer.error for answer in told.values() if answer.away), "")


def _curves(spec: ChartSpec, service: str, graph: Graph) -> dict[str, Any] | None:
    """What ``web.charts`` draws of a graph; none where it has no samples."""
    series = [
        {"labels": labels.as_dict(), "values": list(values)}
        for labels, values in graph.series
        if (not spec.by or labels.get(spec.by) == service) and any(v is not None for v in values)
    ]
    if not series:
        return None
    return {"expr": spec.expr, "op": spec.op, "threshold": spec.threshold, "start": graph.start, "step": graph.step,
            "series": series, "more": 0 if spec.by else graph.more}  # fmt: skip
