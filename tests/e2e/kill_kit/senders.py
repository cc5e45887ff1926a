"""Senders that go on whatever happens: each repeats a request until it is taken, as real ones do."""

from __future__ import annotations

import http.client
import importlib.util
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cramjam
from kill_kit.known import histogram, known

if TYPE_CHECKING:
    from collections.abc import Callable

_spec = importlib.util.spec_from_file_location(
    "messages_of_kills", Path(__file__).parents[2] / "ingest/messages_kit.py"
)
assert _spec is not None
assert _spec.loader is not None
messages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(messages)

SERIES, LATE, LIFETIME = 15, 7_000, 5_000
OWNERS = {"v1": 100, "v2": 101, "otlp": 102}
REMOTE = {
    "v1": {"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    "v2": {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
           "X-Prometheus-Remote-Write-Version": "2.0.0"},
}  # fmt: skip


class Sender(threading.Thread):
    """Sends a request every few ms.

    Attributes:
        acknowledged: times whose request was taken, and when the answer came (s).
        sent: times of all requests.
        refusals: answers that were neither a success nor a wish to try later.

    """

    def __init__(
        self, name: str, port: int, make: Callable[[int], tuple[str, str, dict[str, str], bytes]], pause: float = 0.08
    ) -> None:
        """``make`` gives the request of a time in ms: method, path, headers, body."""
        super().__init__(name=name, daemon=True)
        self.acknowledged: dict[int, float] = {}
        self.sent: dict[int, None] = {}
        self.refusals: list[str] = []
        self._port = port
        self._make = make
        self._pause = pause
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()
        self.join(10)

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        at = 0
        while not self._over.wait(self._pause):
            if not at:
                at = int(time.time() * 1000)
                self.sent[at] = None
            method, path, headers, body = self._make(at)
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException):
                connection = None
                continue
            if answer.status in {200, 202, 204} and "rejected" not in text:
                self.acknowledged[at] = time.time()
                at = 0
            elif answer.status not in {429, 503}:
                self.refusals.append(f"{answer.status}: {text[:300]}")
                at = 0


def remote_write(version: str, at: int) -> tuple[str, str, dict[str, str], bytes]:
    """Series of one time, now and then one that comes late, and series that are there to be deleted."""
    owner = OWNERS[version]
    series = [
        ({"__name__": "sent_value", "sender": version, "column": str(i)}, [(at, known(at, owner, i))])
        for i in range(SERIES)
    ]
    if at % 4 == 0:
        late = at - LATE
        series.append(({"__name__": "sent_late", "sender": version}, [(late, known(late, owner, 2))]))
    if version == "v1":
        series.append(({"__name__": "sent_doomed", "epoch": str(at // LIFETIME)}, [(at, known(at, owner, 1))]))
    make = messages.request_v1 if version == "v1" else messages.request_v2
    return "POST", "/api/v1/write", REMOTE[version], bytes(cramjam.snappy.compress_raw(make(series)))


def otlp(at: int) -> tuple[str, str, dict[str, str], bytes]:
    """A counter with its start, a gauge and an exponential histogram."""
    owner, nanoseconds = OWNERS["otlp"], str(at * 1_000_000)
    began = str((at - at % 60_000) * 1_000_000)
    offset, counts, total = histogram(at)
    times = {"timeUnixNano": nanoseconds, "startTimeUnixNano": began}
    metrics = [
        {"name": "otlp_requests", "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": [
            {**times, "asDouble": known(at, owner, 0)}]}},
        {"name": "otlp_level", "gauge": {"dataPoints": [{**times, "asDouble": known(at, owner, 2)}]}},
        {"name": "otlp_latency", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            {**times, "count": str(sum(counts)), "sum": total, "scale": 2, "zeroCount": "0",
             "positive": {"offset": offset, "bucketCounts": [str(n) for n in counts]}}]}},
    ]  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "kills"}}]}
    body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}
    return "POST", "/api/v1/otlp/v1/metrics", {"Content-Type": "application/json"}, json.dumps(body).encode()


def pushed(at: int) -> tuple[str, str, dict[str, str], bytes]:
    """What a job pushes: a number that grows, and its double."""
    return "PUT", "/metrics/job/kills-batch", {}, f"pushed_value {at}\npushed_twice {2 * at}\n".encode()
