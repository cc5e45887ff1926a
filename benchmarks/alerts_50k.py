"""50,000 active alerts in 500 groups: how late is a flush while all of them are sent again and again?"""

from __future__ import annotations

import dataclasses
import http.client
import json
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.alerts_in import BATCH, GROUPS, HYPERCARE
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, address, progress, wait_for
from benchmarks.receiver import Receiver
from hypercare.model.time import SECOND, format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT, INTERVAL = 15, 15
ALERTMANAGER = f"""
route: {{{{receiver: hook, group_by: [group], group_wait: {WAIT}s, group_interval: {INTERVAL}s, repeat_interval: 4h}}}}
receivers: [{{{{name: hook, webhook_configs: [{{{{url: "{{url}}", max_alerts: 5}}}}]}}}}]
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Delays:
    """How late the notifications were, in seconds, and the keys under which they came.

    Attributes:
        first: of each group, after ``group_wait`` since its first alert was sent.
        later: of each group, after ``group_interval`` since its first notification.

    """

    first: list[float]
    later: list[float]
    keys: list[str]


def run(scale: Scale) -> list[Figure]:
    """Ours and, in the same run, an Alertmanager with the same configuration and alerts, one after the other."""
    count = scale(50_000, 2_000)
    ours = _measure(lambda lab: lab.hypercare(), count)
    theirs = _measure(lambda lab: lab.alertmanager(), count)
    how = f"{count} alerts in {GROUPS} groups, a webhook for each; lateness against group_wait and group_interval"
    first, later = (max(theirs.first), max(theirs.later)) if theirs else (None, None)
    median = statistics.median(theirs.first) if theirs else None
    assert ours is not None
    return [
        Figure("flush after group_wait, worst lateness", max(ours.first), "s", first, 1, how),
        Figure("flush after group_wait, median lateness", statistics.median(ours.first), "s", median, None, how),
        Figure("flush after group_interval, median lateness", statistics.median(ours.later), "s", None, None, how),
        Figure("flush after group_interval, worst lateness", max(ours.later), "s", later, 1, how),
        Figure("notifications that came twice", len(ours.keys) - len(set(ours.keys)), "", None, 0, how),
    ]


def _measure(start: Callable[[Lab], Server | None], count: int) -> Delays | None:
    """All alerts once, then again, with one more alert in every group, which its next flush is to tell.

    None where the server is not installed.
    """
    receiver = Receiver()
    try:
        with Lab() as lab:
            lab.write({"hypercare.yml": HYPERCARE, "alertmanager.yml": ALERTMANAGER.format(url=receiver.url)})
            server = start(lab)
            if server is None:
                return None
            server.ready()
            now = int(time.time() * SECOND)
            began = _send(server, range(count), now)
            wait_for(lambda: len(receiver.arrived) >= GROUPS, 120, "the first notification of every group")
            progress("all groups are told; now one more alert in each, and all again")
            _send(server, range(count, count + GROUPS), now)
            _send(server, range(count), now)
            wait_for(lambda: len(receiver.arrived) >= 2 * GROUPS, 120, "the second notification of every group")
            arrived = [(at, key, body["groupLabels"]["group"]) for at, key, body in receiver.arrived]
    finally:
        receiver.close()
    first = {group: at for at, _, group in arrived[:GROUPS]}
    later = [
        (at - first[group] + INTERVAL / 2) % INTERVAL - INTERVAL / 2 for at, _, group in arrived[GROUPS : 2 * GROUPS]
    ]
    return Delays([first[group] - at - WAIT for group, at in began.items()], later, [key for _, key, _ in arrived])


def _send(server: Server, numbers: range, now: int) -> dict[str, float]:
    """Send in batches; when the first alert of each group was sent."""
    connection = http.client.HTTPConnection(address(server), timeout=120)
    began: dict[str, float] = {}
    for start in range(numbers.start, numbers.stop, BATCH):
        batch = range(start, min(start + BATCH, numbers.stop))
        body = json.dumps([_alert(i, now) for i in batch])
        at = time.time()
        connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            msg = f"{answer.status}: {text[:200]!r}"
            raise AssertionError(msg)
        for i in batch:
            began.setdefault(str(i % GROUPS), at)
    connection.close()
    return began


def _alert(i: int, now: int) -> dict[str, object]:
    return {
        "labels": {"alertname": "Load", "severity": "warning", "group": str(i % GROUPS), "instance": f"host-{i}"},
        "annotations": {"summary": f"host-{i} is under load"},
        "startsAt": format_rfc3339(now),
        "endsAt": format_rfc3339(now + 3600 * SECOND),
        "generatorURL": "http://prometheus.example/graph",
    }
