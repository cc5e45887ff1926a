"""The part of Prometheus' HTTP API that Grafana, promtool and people's scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.model.time import DAY, format_duration, format_rfc3339
from hypercare.promql import parse
from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.dispatch import Endpoint
from hypercare.web.api.encode import instant_json, range_json
from hypercare.web.api.prometheus_views import (
    RulesWanted,
    alerts_data,
    metadata_data,
    rules_data,
    targets_data,
    targets_metadata_data,
    tsdb_data,
)

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.web.api.dispatch import Answer, Asked
    from hypercare.web.api.parameters import Parameters

_FOREVER = 100 * 365 * DAY
_MOST_STEPS = 11_000


def prometheus_endpoints() -> tuple[Endpoint, ...]:
    """All paths of Prometheus that we answer."""
    asked = "limit timeout stats lookback_delta"
    return (
        _at("/query", _query, f"query time {asked}", post=True, is_query=True),
        _at("/query_range", _query_range, f"query start end step {asked}", post=True, is_query=True),
        _at("/format_query", _format_query, "query", post=True),
        _at("/series", _series, "match[] start end limit", post=True),
        _at("/labels", _labels, "match[] start end limit", post=True),
        _at("/label/{name}/values", _label_values, "match[] start end limit"),
        _at("/metadata", _metadata, "metric limit limit_per_metric"),
        _at("/rules", _rules, "type rule_name[] rule_group[] file[] exclude_alerts"),
        _at("/alerts", _alerts),
        _at("/targets", _targets, "state scrapePool"),
        _at("/targets/metadata", _targets_metadata, "match_target metric limit"),
        _at("/alertmanagers", _alertmanagers),
        _at("/query_exemplars", _exemplars, "query start end", post=True),
        _at("/status/buildinfo", _buildinfo),
        _at("/status/runtimeinfo", _runtimeinfo),
        _at("/status/config", _config),
        _at("/status/flags", _flags),
        _at("/status/tsdb", _tsdb),
        _at("/status/walreplay", _replay),
    )


def _at(path: str, answer: Answer, parameters: str = "", *, post: bool = False, is_query: bool = False) -> Endpoint:
    methods = ("GET", "POST") if post else ("GET",)
    return Endpoint(f"/api/v1{path}", answer, parameters, methods, is_query)


def _query(asked: Asked) -> bytes:
    """Evaluate an expression at one instant."""
    app, p = asked.app, asked.parameters
    at, limit = p.instant("time", p.now), p.number("limit")
    _timeout(p)
    result = app.engine.instant(app.tsdb.snapshot(), p.text("query"), at)
    cut = _cut(len(result.labels), limit)
    return success(instant_json(result, limit), (*result.warnings, *cut), result.infos)


def _timeout(p: Parameters) -> None:
    """Check the parameter: queries are bounded by their samples, not by time."""
    if p.text("timeout"):
        p.duration("timeout")


def _cut(found: int, limit: int) -> tuple[str, ...]:
    return ("results truncated due to limit",) if limit and found > limit else ()


def _query_range(asked: Asked) -> bytes:
    """Evaluate an expression over a span of time."""
    app, p = asked.app, asked.parameters
    start, end, step = p.instant("start"), p.instant("end"), p.duration("step")
    if end < start:
        raise ApiError("bad_data", 'invalid parameter "end": end timestamp must not be before start time')
    if step <= 0:
        raise ApiError(
            "bad_data",
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer",
        )
    _timeout(p)
    if (end - start) // step > _MOST_STEPS:
        message = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
        raise ApiError("bad_data", f"{message} (?step=XX)")
    result = app.engine.range(app.tsdb.snapshot(), p.text("query"), start, end, step)
    limit = p.number("limit")
    return success(range_json(result, limit), (*result.warnings, *_cut(len(result.labels), limit)), result.infos)


def _format_query(asked: Asked) -> bytes:
    """Print an expression in the canonical form."""
    p = asked.parameters
    return success(str(parse(p.text("query"))))


def _replay(_asked: Asked) -> bytes:
    """How far reading the log at start is: done, as the web server starts after it."""
    return success({"min": 0, "max": 0, "current": 0})


def _span(p: Parameters) -> tuple[Ms, Ms]:
    return p.instant("start", -_FOREVER), p.instant("end", p.now + _FOREVER)


def _limited(values: list[Any], p: Parameters) -> bytes:
    limit = p.number("limit")
    return success(values[:limit] if limit else values, _cut(len(values), limit))


def _series(asked: Asked) -> bytes:
    """The series that fit the selectors."""
    app, p = asked.app, asked.parameters
    matchers = p.matchers()
    if not matchers:
        raise ApiError("bad_data", "no match[] parameter provided")
    found = app.tsdb.snapshot().series(matchers, *_span(p))
    return _limited([labels.as_dict() for labels in found], p)


def _labels(asked: Asked) -> bytes:
    """All label names."""
    app, p = asked.app, asked.parameters
    return _limited(list(app.tsdb.snapshot().label_names(p.matchers(), *_span(p))), p)


def _label_values(asked: Asked) -> bytes:
    """All values of one label."""
    app, p = asked.app, asked.parameters
    return _limited(list(app.tsdb.snapshot().label_values(asked.path, p.matchers(), *_span(p))), p)


def _metadata(asked: Asked) -> bytes:
    """Type, help and unit of metrics, as their targets tell."""
    app, p = asked.app, asked.parameters
    return success(metadata_data(app, p.text("metric"), p.number("limit"), p.number("limit_per_metric")))


def _targets_metadata(asked: Asked) -> bytes:
    """Type, help and unit by target."""
    app, p = asked.app, asked.parameters
    matchers = p.matchers("match_target")
    return success(targets_metadata_data(app, matchers, p.text("metric"), p.number("limit")))


def _rules(asked: Asked) -> bytes:
    """Rule groups and the state of every rule."""
    app, p = asked.app, asked.parameters
    kind = p.text("type").lower()
    if kind not in {"", "alert", "record"}:
        raise ApiError("bad_data", f'invalid parameter "type": not supported value "{kind}"')
    groups, files = frozenset(p.all("rule_group[]")), frozenset(p.all("file[]"))
    names, alerts = frozenset(p.all("rule_name[]")), not p.truth("exclude_alerts")
    return success(rules_data(app, RulesWanted(kind, names, groups, files, alerts=alerts)))


def _alerts(asked: Asked) -> bytes:
    """Pending and firing alerts of the rules."""
    app = asked.app
    return success(alerts_data(app))


def _targets(asked: Asked) -> bytes:
    """What is scraped, and how it goes."""
    app, p = asked.app, asked.parameters
    return success(targets_data(app, p.text("state", "any").lower(), p.text("scrapePool")))


def _alertmanagers(_asked: Asked) -> bytes:
    """Alertmanagers we send to: none, routing is in the house."""
    return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})


def _exemplars(asked: Asked) -> bytes:
    """Exemplars are not stored."""
    p = asked.parameters
    parse(p.text("query"))
    return success([])


def _buildinfo(asked: Asked) -> bytes:
    """Version, in the keys that Grafana looks at; the language level is that of Prometheus 2.42."""
    app = asked.app
    info = {"version": "2.42.0", "revision": f"hypercare-{app.version}", "branch": "", "buildUser": "", "buildDate": ""}
    return success({**info, "goVersion": "", "application": "hypercare"})


def _runtimeinfo(asked: Asked) -> bytes:
    """State of this process."""
    app = asked.app
    started = format_rfc3339(app.started_at)
    retention = format_duration(app.retention)
    info = {"startTime": started, "CWD": "", "reloadConfigSuccess": app.last_reload_ok, "storageRetention": retention}
    return success({**info, "lastConfigTime": format_rfc3339(app.last_reload_at), "corruptionCount": 0})


def _config(asked: Asked) -> bytes:
    """The running configuration, without secrets."""
    app = asked.app
    return success({"yaml": app.config.as_yaml()})


def _flags(_asked: Asked) -> bytes:
    """Command-line flags; ours are settings of hypercare.yml."""
    return success({})


def _tsdb(asked: Asked) -> bytes:
    """Numbers of the store."""
    app = asked.app
    return success(tsdb_data(app))
