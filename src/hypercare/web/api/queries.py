"""Expressions: evaluated at an instant or over a span, printed, parsed; and the exemplars beside their series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.promql import parse
from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.encode import instant_json, range_json
from hypercare.web.api.query_stats import counted, statistics
from hypercare.web.api.syntax_json import syntax_json

if TYPE_CHECKING:
    from hypercare.promql import Engine
    from hypercare.web.api.endpoint import Asked

_MOST_STEPS: Final = 11_000
_CUT: Final = ("results truncated due to limit",)


def cut_note(found: int, limit: int) -> tuple[str, ...]:
    """The warning beside an answer that was cut."""
    return _CUT if limit and found > limit else ()


def _engine(asked: Asked) -> Engine:
    """The engine, within what this request allows."""
    limits: dict[str, Any] = {"stopped": asked.stop.is_set}
    if asked.parameters.text("lookback_delta"):
        limits["lookback"] = asked.parameters.duration("lookback_delta")
        if limits["lookback"] <= 0:
            raise ApiError("bad_data", "error parsing lookback delta duration: it must be positive")
    return asked.app.engine.within(**limits)


def query(asked: Asked) -> bytes:
    """Evaluate an expression at one instant."""
    app, p = asked.app, asked.parameters
    at, limit, text = p.instant("time", p.now), p.number("limit"), p.text("query")
    engine, source, began = _engine(asked), app.tsdb.snapshot(), app.ports.clock.now()
    result = engine.instant(source, text, at)
    data = instant_json(result, limit)
    if p.text("stats"):
        counts = counted(engine, source, text, at, at, 1)
        data = _with(data, statistics(p, counts, at, 1, app.ports.clock.now() - began))
    found = len(result.labels) + len(result.histograms) if result.type == "vector" else len(result.series)
    return success(data, (*result.warnings, *cut_note(found, limit)), result.infos)


def query_range(asked: Asked) -> bytes:
    """Evaluate an expression over a span of time."""
    app, p = asked.app, asked.parameters
    start, end, step = p.instant("start"), p.instant("end"), p.duration("step")
    limit, text = p.number("limit"), p.text("query")
    if end < start:
        raise ApiError("bad_data", 'invalid parameter "end": end timestamp must not be before start time')
    if step <= 0:
        raise ApiError(
            "bad_data",
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer",
        )
    if (end - start) // step > _MOST_STEPS:
        message = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
        raise ApiError("bad_data", f"{message} (?step=XX)")
    engine, source, began = _engine(asked), app.tsdb.snapshot(), app.ports.clock.now()
    result = engine.range(source, text, start, end, step)
    data = range_json(result, limit)
    if p.text("stats"):
        counts = counted(engine, source, text, start, end, step)
        data = _with(data, statistics(p, counts, start, step, app.ports.clock.now() - began))
    found = len(result.labels)
    if result.histograms:
        found = len({*result.labels, *(each.labels for each in result.histograms)})
    return success(data, (*result.warnings, *cut_note(found, limit)), result.infos)


def _with(data: list[bytes], stats: bytes) -> list[bytes]:
    """``data`` with one more key."""
    return [*data[:-1], data[-1][:-1], b',"stats":', stats, b"}"]


def format_query(asked: Asked) -> bytes:
    """Print an expression in the canonical form."""
    return success(str(parse(asked.parameters.text("query"))))


def parse_query(asked: Asked) -> bytes:
    """Tell the syntax tree of an expression."""
    return success(syntax_json(parse(asked.parameters.text("query"))))


def exemplars(asked: Asked) -> bytes:
    """Exemplars are not stored: what is asked is checked, and none are found."""
    p = asked.parameters
    if p.instant("end", p.now) < p.instant("start", 0):
        raise ApiError("bad_data", "end timestamp must not be before start timestamp")
    parse(p.text("query"))
    return success([])
