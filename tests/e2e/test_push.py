"""Pushes by Prometheus' own Python client, over a crash."""

from __future__ import annotations

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)

pytestmark = [pytest.mark.peer, pytest.mark.e2e]


def test_a_job_pushes_with_the_usual_client(serve, wait):
    server = serve().start()
    registry = CollectorRegistry()
    Gauge("backup_last_success_seconds", "When it went well.", registry=registry).set(42)
    Counter("backup_rows", "Rows.", ["table"], registry=registry).labels("a").inc(3)
    Histogram("backup_seconds", "How long.", buckets=(1, 10), registry=registry).observe(2)
    key = {"instance": "db/1", "zone": ""}
    push_to_gateway(server.url, "nightly backup", registry, grouping_key=key)
    found = wait(lambda: server.query("backup_last_success_seconds"), 90, "what was pushed")
    assert found[0]["metric"] == {
        "__name__": "backup_last_success_seconds",
        "instance": "db/1",
        "job": "nightly backup",
    }
    assert server.query('backup_seconds_bucket{le="10.0"}')[0]["value"][1] == "1"
    server.kill()
    server.start()
    wait(lambda: server.query("time() - timestamp(backup_rows_total == 3) < 2"), 90, "it after a crash")
    more = CollectorRegistry()
    Gauge("backup_last_success_seconds", "When it went well.", registry=more).set(43)
    pushadd_to_gateway(server.url, "nightly backup", more, grouping_key=key)
    wait(lambda: server.query("backup_last_success_seconds == 43"), 90, "the new value")
    assert server.query("backup_rows_total")
    delete_from_gateway(server.url, "nightly backup", grouping_key=key)
    wait(lambda: not server.query('{__name__=~"backup.*|push_time_seconds"}'), 90, "the end of its series")
