"""The part of Prometheus' HTTP API that Grafana, promtool and people's scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.model.time import DAY, format_duration, format_rfc3339
from hypercare.promql import PromqlError, parse
from hypercare.web.api.answers import ApiError, failure, instant_data, range_data, success
from hypercare.web.api.elsewhere import answered_elsewhere, ask_elsewhere
from hypercare.web.api.parameters import Parameters, promql_error
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
    from collections.abc import Callable

    from starlette.responses import Response

    from hypercare.app import App
    from hypercare.model.time import Ms

    Answer = Callable[[App, Parameters, dict[str, Any]], Response]

_FOREVER = 100 * 365 * DAY
_MOST_STEPS = 11_000


def _described(path: str, names: list[str], method: str) -> dict[str, Any]:
    """Parameters for the API's description: they are read by hand, as only Prometheus' rules say how."""
    text = {"schema": {"type": "string"}}
    listed = {"schema": {"type": "array", "items": {"type": "string"}}}
    found = [{"name": n, "in": "path", "required": True, **text} for n in ("name",) if f"{{{n}}}" in path]
    if method == "POST":
        fields = {n: (listed if n.endswith("[]") else text)["schema"] for n in names}
        form = {"schema": {"type": "object", "properties": fields}}
        return {"requestBody": {"content": {"application/x-www-form-urlencoded": form}}}
    return {"parameters": found + [{"name": n, "in": "query", **(listed if n.endswith("[]") else text)} for n in names]}


def prometheus_router(app: App) -> APIRouter:
    """All paths under /api/v1 that Prometheus has and we answer."""
    router = APIRouter(prefix="/api/v1", tags=["prometheus"])

    def add(path: str, answer: Answer, parameters: str = "", *, post: bool = False) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                if answered_elsewhere(app, request.url.path):
                    return await ask_elsewhere(app, request)
                parameters = await Parameters.of(request, app.ports.clock.now())
                return await run_in_threadpool(answer, app, parameters, request.path_params)
            except PromqlError as error:
                return failure(promql_error(error))
            except ApiError as error:
                return failure(error)

        methods = ["GET", "POST"] if post else ["GET"]
        name = f"prometheus_{answer.__name__.strip('_')}"
        for method in methods:
            # One operation a method, so that every OpenAPI operation id is unique.
            router.add_api_route(
                path, endpoint, methods=[method], name=name, operation_id=f"{name}_{method.lower()}",
                summary=(answer.__doc__ or "").strip(), response_model=None,
                openapi_extra=_described(path, parameters.split(), method),
            )  # fmt: skip

    add("/query", _query, "query time limit timeout", post=True)
    add("/query_range", _query_range, "query start end step limit timeout", post=True)
    add("/format_query", _format_query, "query", post=True)
    add("/series", _series, "match[] start end limit", post=True)
    add("/labels", _labels, "match[] start end limit", post=True)
    add("/label/{name}/values", _label_values, "match[] start end limit")
    add("/metadata", _metadata, "metric limit limit_per_metric")
    add("/rules", _rules, "type rule_name[] rule_group[] file[] exclude_alerts")
    add("/alerts", _alerts)
    add("/targets", _targets, "state scrapePool")
    add("/targets/metadata", _targets_metadata, "match_target metric limit")
    add("/alertmanagers", _alertmanagers)
    add("/query_exemplars", _exemplars, "query start end", post=True)
    add("/status/buildinfo", _buildinfo)
    add("/status/runtimeinfo", _runtimeinfo)
    add("/status/config", _config)
    add("/status/flags", _flags)
    add("/status/tsdb", _tsdb)
    add("/status/walreplay", _replay)
    return router


def _query(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Evaluate an expression at one instant."""
    at, limit = p.instant("time", p.now), p.number("limit")
    _timeout(p)
    result = app.engine.instant(app.tsdb.snapshot(), p.text("query"), at)
    cut = _cut(len(result.labels), limit)
    return success(instant_data(result, limit), (*result.warnings, *cut), result.infos)


def _timeout(p: Parameters) -> None:
    """Check the parameter: queries are bounded by their samples, not by time."""
    if p.text("timeout"):
        p.duration("timeout")


def _cut(found: int, limit: int) -> tuple[str, ...]:
    return ("results truncated due to limit",) if limit and found > limit else ()


def _query_range(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Evaluate an expression over a span of time."""
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
    data, limit = range_data(result, p.number("limit")), p.number("limit")
    return success(data, (*result.warnings, *_cut(len(result.labels), limit)), result.infos)


def _format_query(_app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Print an expression in the canonical form."""
    return success(str(parse(p.text("query"))))


def _replay(_app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """How far reading the log at start is: done, as the web server starts after it."""
    return success({"min": 0, "max": 0, "current": 0})


def _span(p: Parameters) -> tuple[Ms, Ms]:
    return p.instant("start", -_FOREVER), p.instant("end", p.now + _FOREVER)


def _limited(values: list[Any], p: Parameters) -> Response:
    limit = p.number("limit")
    return success(values[:limit] if limit else values, _cut(len(values), limit))


def _series(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """The series that fit the selectors."""
    matchers = p.matchers()
    if not matchers:
        raise ApiError("bad_data", "no match[] parameter provided")
    found = app.tsdb.snapshot().series(matchers, *_span(p))
    return _limited([labels.as_dict() for labels in found], p)


def _labels(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """All label names."""
    return _limited(list(app.tsdb.snapshot().label_names(p.matchers(), *_span(p))), p)


def _label_values(app: App, p: Parameters, path: dict[str, Any]) -> Response:
    """All values of one label."""
    return _limited(list(app.tsdb.snapshot().label_values(path["name"], p.matchers(), *_span(p))), p)


def _metadata(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Type, help and unit of metrics, as their targets tell."""
    return success(metadata_data(app, p.text("metric"), p.number("limit"), p.number("limit_per_metric")))


def _targets_metadata(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Type, help and unit by target."""
    matchers = p.matchers("match_target")
    return success(targets_metadata_data(app, matchers, p.text("metric"), p.number("limit")))


def _rules(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Rule groups and the state of every rule."""
    kind = p.text("type").lower()
    if kind not in {"", "alert", "record"}:
        raise ApiError("bad_data", f'invalid parameter "type": not supported value "{kind}"')
    groups, files = frozenset(p.all("rule_group[]")), frozenset(p.all("file[]"))
    names, alerts = frozenset(p.all("rule_name[]")), not p.truth("exclude_alerts")
    return success(rules_data(app, RulesWanted(kind, names, groups, files, alerts=alerts)))


def _alerts(app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """Pending and firing alerts of the rules."""
    return success(alerts_data(app))


def _targets(app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """What is scraped, and how it goes."""
    return success(targets_data(app, p.text("state", "any").lower(), p.text("scrapePool")))


def _alertmanagers(_app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """Alertmanagers we send to: none, routing is in the house."""
    return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})


def _exemplars(_app: App, p: Parameters, _path: dict[str, Any]) -> Response:
    """Exemplars are not stored."""
    parse(p.text("query"))
    return success([])


def _buildinfo(app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """Version, in the keys that Grafana looks at; the language level is that of Prometheus 2.42."""
    info = {"version": "2.42.0", "revision": f"hypercare-{app.version}", "branch": "", "buildUser": "", "buildDate": ""}
    return success({**info, "goVersion": "", "application": "hypercare"})


def _runtimeinfo(app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """State of this process."""
    started = format_rfc3339(app.started_at)
    retention = format_duration(app.retention)
    info = {"startTime": started, "CWD": "", "reloadConfigSuccess": app.last_reload_ok, "storageRetention": retention}
    return success({**info, "lastConfigTime": format_rfc3339(app.last_reload_at), "corruptionCount": 0})


def _config(app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """The running configuration, without secrets."""
    return success({"yaml": app.config.as_yaml()})


def _flags(_app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """Command-line flags; ours are settings of hypercare.yml."""
    return success({})


def _tsdb(app: App, _p: Parameters, _path: dict[str, Any]) -> Response:
    """Numbers of the store."""
    return success(tsdb_data(app))
