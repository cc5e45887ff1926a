"""Queries that would take minutes: they end in time, and hold up nobody else."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from prometheus_kit import Hypercare

from ports_kit import free_port

pytestmark = pytest.mark.e2e
# Minutes of work, in steps of a quarter of a second and more.
_ONE = "sum_over_time(vector(1)[100d:1s])"
HEAVY = " + ".join([f"({' + '.join([_ONE] * 20)})"] * 20)
CONFIG = """
prometheus: {{global: {{scrape_interval: 1s, evaluation_interval: 1s}}, rule_files: [rules.yml]}}
collect: {{host: {{enabled: false}}}}
metrics: {{query_timeout: {timeout}, query_concurrency: {at_once}}}
"""
RULES = "groups: [{name: g, rules: [{record: seen, expr: vector(1)}]}]\n"


@pytest.fixture
def start(tmp_path):
    made = []

    def build(**settings):
        files = {"hypercare.yml": CONFIG.format(**settings), "rules.yml": RULES}
        made.append(Hypercare(tmp_path, free_port(), files))
        return made[-1]

    yield build
    for server in made:
        server.stop()


def refused(server, **fields):
    """Status and body of a query by POST."""
    request = urllib.request.Request(f"{server.url}/api/v1/query", urlencode(fields).encode())
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_they_end_in_time_and_hold_up_nobody(start):
    server = start(timeout="4s", at_once=2)
    before = server.get("query", query="count_over_time(seen[1h])")[1]["data"]["result"]
    results = []

    def hostile():
        results.append(refused(server, query=HEAVY))

    threads = [threading.Thread(target=hostile) for _ in range(6)]
    for thread in threads:
        thread.start()
    beside = 0
    while any(thread.is_alive() for thread in threads):
        # Neither pages nor look-ups nor the loop wait for them.
        for path in ("/-/healthy", "/api/v1/labels", "/api/v1/rules", "/api/hypercare/v1/status", "/metrics"):
            assert server.ask("GET", path)[0] == 200
        beside += all(thread.is_alive() for thread in threads)
    assert beside, "a whole look at least had ended before the first of them"
    for status, body in results:
        assert (status, body["errorType"]) == (503, "timeout")
        assert body["error"] in {"query timed out in expression evaluation", "query timed out in query queue"}
    assert "query timed out in query queue" in [body["error"] for _, body in results]
    # The evaluations themselves have ended, too, and rules went on all the while.
    end = time.monotonic() + 60
    while server.get("query", query="1 + 1", timeout="1s")[0] != 200:
        assert time.monotonic() < end
    after = server.get("query", query="count_over_time(seen[1h])")[1]["data"]["result"]
    assert int(after[0]["value"][1]) > (int(before[0]["value"][1]) if before else 0)


def test_long_queries_are_answered_however_they_are_asked(start):
    server = start(timeout="2m", at_once=2)
    query = " + ".join(["sum_over_time(vector(1)[100d:1s])"] * 3)
    for kept in range(2):
        status, body = server.get("query", query=query)
        assert (status, body["data"]["result"][0]["value"][1]) == (200, "25920000"), kept
    assert refused(server, query=query)[0] == 200


def test_a_query_may_ask_for_less_time(start):
    server = start(timeout="2m", at_once=1)
    began = time.monotonic()
    assert refused(server, query=HEAVY, timeout="0.5")[0] == 503
    assert time.monotonic() - began < 60
    assert refused(server, query="1", timeout="1ms")[0] in {200, 503}


def test_a_client_that_hangs_up_leaves_its_place_to_others(start):
    server = start(timeout="10m", at_once=1)
    body = urlencode({"query": HEAVY})
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /api/v1/query HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        # It holds the only place, as soon as the server has read it.
        end = time.monotonic() + 60
        while refused(server, query="1", timeout="1s")[0] != 503:
            assert time.monotonic() < end
    assert refused(server, query="1", timeout="60s")[0] == 200
