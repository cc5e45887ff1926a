from __future__ import annotations

import threading

import pytest

from hypercare.collectors.exposition import Series, parse
from hypercare.collectors.own import OwnMetrics, content_type
from hypercare.ports import Reading


def shown(own, now=1_000):
    return {str(e.labels): e.value for e in parse(own.render(now), openmetrics=False) if isinstance(e, Series)}


def test_counters_gauges_and_histograms():
    own = OwnMetrics()
    own.describe("c_total", "counter", "Counts.")
    own.describe("g", "gauge", "Level.")
    own.describe("h_seconds", "histogram", "Spread.", (0.1, 1.0))
    assert shown(own)["c_total"] == 0
    own.add("c_total", kind='a"b')
    own.add("c_total", 2, kind='a"b')
    own.set("g", 5)
    own.set("g", 4)
    for value in (0.05, 0.1, 0.5, 7):
        own.observe("h_seconds", value, path="/")
    found = shown(own)
    assert found['c_total{kind="a\\"b"}'] == 3
    assert "c_total" not in found
    assert found["g"] == 4
    assert [found[f'h_seconds_bucket{{le="{le}", path="/"}}'] for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert (found['h_seconds_sum{path="/"}'], found['h_seconds_count{path="/"}']) == (7.65, 4)


def test_help_and_type_are_told():
    own = OwnMetrics()
    own.describe("c_total", "counter", "Counts\nthings.")
    assert b"# HELP c_total Counts\\nthings.\n# TYPE c_total counter\n" in own.render(0)


OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


def test_openmetrics_by_all_its_rules():
    own = OwnMetrics(started_at=5_000)
    own.describe("c_total", "counter", 'Counts "things".')
    own.describe("odd", "counter", "A counter of an old name.")
    own.describe("h_seconds", "histogram", "Spread.", (0.1, 1.0))
    own.add("c_total", 2, kind='a"b')
    for path in "ab":
        own.observe("h_seconds", 0.5, path=path)
    own.read_from(lambda: [Reading("r", "untyped", "", (((), 3.0),))])
    body = own.render(65_000, OPENMETRICS)
    entries = list(parse(body, openmetrics=True, strict=True))
    found = {str(e.labels): e.value for e in entries if isinstance(e, Series)}
    assert found == shown(own, 65_000)
    assert b'# HELP c Counts \\"things\\".\n# TYPE c counter\n' in body
    assert content_type(OPENMETRICS).startswith("application/openmetrics-text")


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [("", False), ("*/*", False), ("text/plain", False), ("application/openmetrics-text", True), (OPENMETRICS, True),
     ("application/openmetrics-text;q=0.2, text/plain", False), ("application/openmetrics-text;q=x", False),
     ("application/openmetrics-text;q=0", False)],
)  # fmt: skip
def test_which_format_is_asked_for(accept, openmetrics):
    own = OwnMetrics()
    assert own.render(0, accept).endswith(b"# EOF\n") is openmetrics
    assert ("openmetrics" in content_type(accept)) is openmetrics


def test_uptime_and_readers():
    own = OwnMetrics(started_at=5_000)
    own.read_from(lambda: [Reading("r", "gauge", "", (((), 3.0),))])
    found = shown(own, 65_000)
    assert (found["hypercare_uptime_seconds"], found["r"]) == (60, 3)


def test_a_label_that_counts_things_does_not_fill_the_memory():
    own = OwnMetrics()
    own.describe("c_total", "counter", "Counts.")
    for i in range(5_000):
        own.add("c_total", id=str(i))
    assert sum(name.startswith("c_total") for name in shown(own)) == 2_000


def test_an_unknown_kind_or_name_is_an_error():
    own = OwnMetrics()
    with pytest.raises(ValueError, match="summary"):
        own.describe("s", "summary", "")
    with pytest.raises(KeyError):
        own.add("never_described_total")


def test_threads_lose_no_counts():
    own = OwnMetrics()
    own.describe("c_total", "counter", "Counts.")
    threads = [threading.Thread(target=lambda: [own.add("c_total") for _ in range(2_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(own)["c_total"] == 16_000
