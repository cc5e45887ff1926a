"""Asking another server: what rules wait for and what somebody who looks waits for."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from hypercare.backend.client import AT_ONCE, LOOKED_AT_ONCE, Backend
from hypercare.config.metrics import BackendConfig
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY, Question


class Server:
    """Answers when it is told to."""

    def __init__(self):
        self.asked = []

    def submit(self, request, reply):
        self.asked.append((request, reply))

    def answer(self, number=0, value="1"):
        request, reply = self.asked.pop(number)
        result = [{"metric": {"q": dict(parse_qsl(request.body.decode()))["query"]}, "value": [1, value]}]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        reply(value if isinstance(value, PortError) else HttpResponse(200, {}, json.dumps(body).encode(), 0.1, 0))


@pytest.fixture
def pair():
    server = Server()
    backend = Backend(server, None)
    given = BackendConfig(url="http://tsdb.test:9090")
    assert backend.configure(SimpleNamespace(hypercare=SimpleNamespace(metrics=SimpleNamespace(backend=given))))
    return server, backend


def looking(backend, questions, seconds):
    """Ask in a thread of its own, as a page is answered in."""
    found = []
    thread = threading.Thread(target=lambda: found.append(backend.look(questions, seconds)))
    thread.start()
    return thread, found


def until(condition):
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never was")


def test_a_span_and_an_instant(pair):
    server, backend = pair
    backend.ask([Question("up", 61_500), Question("up", 61_500, 1_500, 30_000)], lambda _: None)
    (one, _), (span, _) = server.asked
    assert one.url == "http://tsdb.test:9090/api/v1/query"
    assert dict(parse_qsl(one.body.decode()))["time"] == "61.500"
    assert span.url == "http://tsdb.test:9090/api/v1/query_range"
    fields = dict(parse_qsl(span.body.decode()))
    assert [fields[name] for name in ("start", "end", "step")] == ["1.500", "61.500", "30.000"]


def test_what_comes_in_time_is_there_and_what_does_not_says_so(pair):
    server, backend = pair
    thread, found = looking(backend, [Question("a", 1), Question("b", 1), Question("a", 1)], 0.5)
    until(lambda: len(server.asked) == 2)
    server.answer()
    thread.join()
    (answers,) = found
    assert answers[Question("a", 1)].elements[1] == [1.0]
    assert answers[Question("b", 1)].error == f"{AWAY}: no answer within 0.5 s"
    assert answers[Question("b", 1)].away
    # Too late for anybody.
    server.answer()
    assert answers[Question("b", 1)].away


def test_who_looks_makes_no_rule_wait_and_has_no_part_in_what_is_counted(pair):
    server, backend = pair
    thread, found = looking(backend, [Question(f"page{i}", 1) for i in range(20)], 60)
    until(lambda: len(server.asked) == LOOKED_AT_ONCE)
    backend.ask([Question(f"rule{i}", 1) for i in range(20)], lambda _: None)
    assert len(server.asked) == LOOKED_AT_ONCE + AT_ONCE
    while server.asked:
        server.answer(value=PortError("refused", "down") if "page" in server.asked[0][0].body.decode() else "1")
        assert len(server.asked) <= LOOKED_AT_ONCE + AT_ONCE
    thread.join()
    assert {answer.error for answer in found[0].values()} == {f"{AWAY}: down"}
    assert (backend.queries, backend.failures, backend.away) == (20, 0, "")


def test_nothing_asked_is_answered_at_once(pair):
    assert pair[1].look([], 60) == {}
