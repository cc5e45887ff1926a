from __future__ import annotations

import json
import math

import pytest

from hypercare.backend.reading import read_answer
from hypercare.model.labels import EMPTY, Labels
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY


def reply(body, status=200):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {}, text, 0.1, 0)


def success(kind, result, **more):
    return reply({"status": "success", "data": {"resultType": kind, "result": result}, **more})


@pytest.mark.parametrize(
    ("got", "labels", "values"),
    [
        (success("scalar", [1.5, "2"]), (EMPTY,), [2.0]),
        (success("vector", []), (), []),
        (
            success("vector", [{"metric": {"__name__": "x", "a": "b"}, "value": [1, "+Inf"]}], warnings=["w"]),
            (Labels.of(__name__="x", a="b"),),
            [math.inf],
        ),
        (success("vector", [{"metric": {}, "histogram": [1, {"count": "1"}]}]), (), []),
        (success("vector", [], isPartial=False), (), []),
    ],
)
def test_elements(got, labels, values):
    answer = read_answer(got)
    assert (answer.error, answer.elements) == ("", (labels, values))


def test_samples():
    answer = read_answer(success("matrix", [{"metric": {"a": "b"}, "values": [[1.001, "2"], [2, "NaN"]]}]))
    (matrix,) = answer.matrices
    assert matrix.labels == (Labels.of(a="b"),)
    assert matrix.times.tolist() == [1001, 2000]
    assert matrix.values[0, 0] == 2
    assert math.isnan(matrix.values[1, 0])


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (PortError("refused", "connection refused"), f"{AWAY}: connection refused"),
        (reply(b"<html>502</html>", 502), f"{AWAY}: HTTP 502: <html>502</html>"),
        (reply(b"", 504), f"{AWAY}: HTTP 504: no text"),
        (reply(b"slow down", 429), f"{AWAY}: HTTP 429: slow down"),
        (
            reply({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503),
            f"{AWAY}: HTTP 503: timeout: query timed out",
        ),
        (
            reply({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400),
            "the source refuses the query: bad_data: parse error",
        ),
        (reply(b"who are you?", 401), "the source refuses our credentials: HTTP 401"),
        (reply(b"hello"), "the source's answer is not one of Prometheus' query API: HTTP 200: hello"),
        (reply([1]), "the source's answer is not one of Prometheus' query API: HTTP 200: [1]"),
        (reply({"status": "success"}), "the source's answer is not one of Prometheus' query API: KeyError('data')"),
        (success("vector", [{"metric": {}, "value": [1, "x"]}]), "the source's answer is not one of"),
        (success("vector", [{"metric": 5, "value": [1, "2"]}]), "the source's answer is not one of"),
        (success("vector", [], isPartial=True), f"{AWAY} in part"),
        (success("string", [1, "a"]), "rule result is not a vector or scalar"),
    ],
)
def test_what_is_no_answer(got, said):
    answer = read_answer(got)
    assert answer.error.startswith(said)
    assert answer.elements == ((), [])
