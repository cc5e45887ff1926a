"""The PromQL compliance queries, answered by us and by a real Prometheus 2.42 on the same samples in the same run."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from demo_data import STEP, demo
from prometheus_kit import Asking, Prometheus, fill, series_of

_FOLDER = (
    Path(os.environ.get("HYPERCARE_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))
    / "promql_compliance"
)
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not _FOLDER.exists(), reason=f"no compliance queries in {_FOLDER}; set HYPERCARE_CONFORMANCE"),
]
MINUTE = 60_000
_ANY_NAME = "any UTF-8 text is a label name since 3.0"
CHANGED = {
    'label_replace(demo_num_cpus, "~invalid", "", "src", "(.*)")': _ANY_NAME,
    'label_join(demo_num_cpus, "~invalid", "-", "instance")': _ANY_NAME,
}
"""Queries whose answer is another one since Prometheus 2.42, each with what changed."""


@pytest.fixture
def both(serve, port, tmp_path):
    """The two, and the end of the range to ask for."""
    # Samples and steps never fall on one instant: whether a range includes its left end changed with Prometheus 3.
    now = int(time.time()) * 1000 // STEP * STEP + 1_234
    buckets = next(
        m["buckets"] for m in json.loads((_FOLDER / "demo_metrics.json").read_text())["metrics"] if "buckets" in m
    )
    data = demo(now - 95 * MINUTE, now, buckets)
    fill(tmp_path, data)
    theirs = Prometheus(tmp_path / "peer", port())
    try:
        theirs.write(list(series_of(data)))
        yield Asking(serve(files={"rules.yml": "groups: []\n"}).start().url), theirs, now - 12 * MINUTE + 2_000
    finally:
        theirs.stop()


def _close(ours, theirs):
    a, b = float(ours), float(theirs)
    return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-5)


def _by_labels(data):
    return {json.dumps(each["metric"], sort_keys=True): each["values"] for each in data["result"]}


def difference(case, ours, theirs):
    """What is not the same, in words; empty where all is."""
    (status, mine), (other, yours) = ours, theirs
    if case["should_fail"] or other != 200:
        return (
            ""
            if status == other
            else f"status {status}, Prometheus {other}: {mine.get('error')} / {yours.get('error')}"
        )
    if status != 200:
        return f"refused: {mine['error']}"
    left, right = _by_labels(mine["data"]), _by_labels(yours["data"])
    if left.keys() != right.keys():
        return f"series {sorted(left.keys() ^ right.keys())[:3]}"
    for labels, values in right.items():
        if [t for t, _ in values] != [t for t, _ in left[labels]]:
            return f"{labels}: other steps"
        for (at, a), (_, b) in zip(left[labels], values, strict=True):
            if not _close(a, b):
                return f"{labels} at {at}: {a}, Prometheus {b}"
    return ""


def test_the_answers_are_those_of_prometheus(both):
    ours, theirs, end = both
    cases = json.loads((_FOLDER / "queries_expanded.json").read_text())["cases"]
    assert len(cases) > 500
    found = {}
    for case in cases:
        asked = {"query": case["query"], "start": (end - 10 * MINUTE) / 1000, "end": end / 1000, "step": "10"}
        told = difference(case, ours.get("query_range", **asked), theirs.get("query_range", **asked))
        if told:
            found[case["query"]] = told
    unexpected = {query: told for query, told in found.items() if query not in CHANGED}
    assert not unexpected, "\n".join(f"{query}: {told}" for query, told in unexpected.items())
    assert set(CHANGED) == set(found), "these are the same by now"
