"""The answers of Prometheus' ``/api/v1/query``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.model.labels import EMPTY, Labels
from hypercare.model.samples import SampleMatrix
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY, Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.rules.answers import Elements

_UNFIT: Final = "the source's answer is not one of Prometheus' query API"
_REFUSED: Final = frozenset((401, 403))
_LATER: Final = frozenset((408, 429))
_SERVER_ERROR: Final = 500
_SHOWN: Final = 200


def read_answer(got: HttpResponse | PortError) -> Answer:
    """What a reply says; whatever is wrong with it becomes the answer's error."""
    if isinstance(got, PortError):
        return Answer(error=f"{AWAY}: {got.message}")
    try:
        body = json.loads(got.body)
    except ValueError:
        body = None
    if got.status in _REFUSED:
        return Answer(error=f"the source refuses our credentials: HTTP {got.status}")
    if not isinstance(body, dict) or body.get("status") not in {"success", "error"}:
        return Answer(error=_not_json(got))
    if body["status"] == "error":
        text = f"{body.get('errorType', '?')}: {body.get('error', '?')}"
        later = got.status >= _SERVER_ERROR or got.status in _LATER
        return Answer(error=f"{AWAY}: HTTP {got.status}: {text}" if later else f"the source refuses the query: {text}")
    if body.get("isPartial"):
        return Answer(error=f"{AWAY} in part: its answer covers only some of its storage nodes")
    try:
        return _data(body["data"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return Answer(error=f"{_UNFIT}: {error!r}")


def _not_json(got: HttpResponse) -> str:
    text = " ".join(got.body[:_SHOWN].decode(errors="replace").split())
    reason = _UNFIT if got.status < _SERVER_ERROR and got.status not in _LATER else AWAY
    return f"{reason}: HTTP {got.status}: {text or 'no text'}"


def _data(data: dict[str, Any]) -> Answer:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return Answer(elements=((EMPTY,), [float(result[1])]))
    if kind == "vector":
        return Answer(elements=_elements(result))
    if kind == "matrix":
        return Answer(matrices=tuple(_matrices(result)))
    return Answer(error="rule result is not a vector or scalar")


def _elements(result: list[dict[str, Any]]) -> Elements:
    floats = [each for each in result if "value" in each]
    return tuple(Labels.of(each["metric"]) for each in floats), [float(each["value"][1]) for each in floats]


def _matrices(result: list[dict[str, Any]]) -> Iterable[SampleMatrix]:
    for each in result:
        points = each.get("values", ())
        if points:
            times = np.array([round(float(at) * 1000) for at, _ in points], dtype=np.int64)
            values = np.array([float(value) for _, value in points]).reshape(-1, 1)
            yield SampleMatrix((Labels.of(each["metric"]),), times, values, dense=True)
