"""Prometheus' JSON envelope and number formats."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.samples import Floats
    from hypercare.model.time import Ms
    from hypercare.promql import InstantResult, RangeResult

# Within these bounds Prometheus writes samples without an exponent.
_SMALL: Final = 1e-6
_LARGE: Final = 1e21
STATUS_OF: Final = {
    "bad_data": 400,
    "execution": 422,
    "timeout": 503,
    "not_found": 404,
    "unavailable": 503,
    "internal": 500,
}


class ApiError(Exception):
    """An error in Prometheus' form: ``errorType`` and text."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _special(value: float) -> str:
    """NaN and the infinities; empty for every other number."""
    if math.isnan(value):
        return "NaN"
    return "" if math.isfinite(value) else "+Inf" if value > 0 else "-Inf"


def plain_number(value: float) -> str:
    """All digits and never an exponent: how Prometheus writes scalars (Go's ``FormatFloat(v, 'f', -1, 64)``)."""
    if text := _special(value):
        return text
    text = repr(value)
    return f"{Decimal(text):f}" if "e" in text else text.removesuffix(".0")


def exponent_number(value: float) -> str:
    """One digit, the rest, an exponent: how Prometheus writes the values of alerts (Go's ``'e'``)."""
    if text := _special(value):
        return text
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1 if value else 0
    rest = f".{shown[1:]}" if len(shown) > 1 else ""
    return f"{'-' if sign else ''}{shown[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"


def number(value: float) -> str:
    """A sample as Prometheus writes it: the shortest text that reads back equal, with an exponent only far from 1."""
    if value == 0 or _SMALL <= abs(value) < _LARGE or not math.isfinite(value):
        return plain_number(value)
    return exponent_number(value)


def seconds(at: Ms) -> float | int:
    """An instant as unix seconds, an integer where it is one."""
    return at // 1000 if at % 1000 == 0 else at / 1000


def success(data: Any, warnings: Iterable[str] = (), infos: Iterable[str] = ()) -> Response:
    """The envelope around an answer."""
    body: dict[str, Any] = {"status": "success", "data": data}
    if notes := list(warnings):
        body["warnings"] = notes
    if notes := list(infos):
        body["infos"] = notes
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), media_type="application/json")


def failure(error: ApiError) -> Response:
    """The envelope around an error."""
    body = {"status": "error", "errorType": error.kind, "error": str(error)}
    return Response(json.dumps(body, ensure_ascii=False), STATUS_OF[error.kind], media_type="application/json")


def instant_data(result: InstantResult, limit: int = 0) -> dict[str, Any]:
    """``data`` of /api/v1/query."""
    at = seconds(result.at)
    if result.type == "scalar":
        return {"resultType": "scalar", "result": [at, plain_number(result.scalar)]}
    if result.type == "string":
        return {"resultType": "string", "result": [at, result.text]}
    if result.type == "matrix":
        return {
            "resultType": "matrix",
            "result": [_series(s.labels.as_dict(), s.times.tolist(), s.values) for s in result.series],
        }
    rows = [
        {"metric": labels.as_dict(), "value": [at, number(value)]}
        for labels, value in zip(result.labels, result.values.tolist(), strict=True)
    ]
    return {"resultType": "vector", "result": rows[:limit] if limit else rows}


def range_data(result: RangeResult, limit: int = 0) -> dict[str, Any]:
    """``data`` of /api/v1/query_range."""
    rows = []
    for i, labels in enumerate(result.labels):
        present = result.present[i]
        if present.any():
            rows.append(_series(labels.as_dict(), result.times[present].tolist(), result.values[i][present]))
    return {"resultType": "matrix", "result": rows[:limit] if limit else rows}


def _series(metric: dict[str, str], times: list[int], values: Floats) -> dict[str, Any]:
    pairs = zip(times, values.tolist(), strict=True)
    return {"metric": metric, "values": [[seconds(t), number(v)] for t, v in pairs]}
