"""Prometheus' compliance cases for alert generators, under the virtual clock."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hypercare.model.labels import Labels
from hypercare.model.time import SECOND

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
DIR = ROOT / "promql_compliance" / "alert_generator"

LATE = 30
"""A state may come up to one group interval after its nominal time, seconds."""


def cases() -> list[Any]:
    if not (DIR / "cases.json").exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"no conformance data in {DIR}"))]
    return [pytest.param(c, id=c["id"]) for c in json.loads((DIR / "cases.json").read_text())["cases"]]


def feed(h, case, t0) -> None:
    for series in case["series"]:
        group = h.tsdb.group(json.dumps(series["labels"]))
        column = group.column(Labels.of(series["labels"]))
        for i, value in enumerate(series["values"]):
            at = t0 + i * 15 * SECOND
            h.world.at(at, lambda g=group, c=column, a=at, v=value: h.tsdb.append(g, a, [c], [float(v)]))


@pytest.mark.parametrize("case", cases())
def test_case(case, house, t0) -> None:
    rules = yaml.safe_load((DIR / "rules.yaml").read_text())
    group = next(g for g in rules["groups"] if g["name"] == case["group"])
    group["interval"] = "30s"
    h = house(start=t0)
    feed(h, case, t0)
    h.run({"groups": [group]})
    seen = []
    for second in range(0, case["test_duration_s"] + 60, 30):
        h.until(second * SECOND)
        alerts = (a for g in h.rules.snapshot.groups for r in g.rules for a in r.alerts)
        seen.append((second, {a.labels: (str(a.state), f"{a.value:g}", a.annotations) for a in alerts}))
    lines = [line for line in case["timeline"] if "labels" in line]
    assert {labels for _, now in seen for labels in now} == {Labels.of(line["labels"]) for line in lines}
    for labels in {json.dumps(line["labels"], sort_keys=True): line["labels"] for line in lines}.values():
        check_states(labels, [line for line in lines if line["labels"] == labels], seen)
    check_news(lines, h.news)


def expected(lines, second):
    """The state that the timeline says, with value and annotations; none: inactive."""
    for line in lines:
        first = line["firing_s"] if line["pending_s"] is None else line["pending_s"]
        end = line["inactive_s"] if line.get("inactive_s") else line["resolved_s"]
        if first <= second < end:
            firing = line["firing_s"] is not None and second >= line["firing_s"]
            values = [v for v in line.get("values", [line]) if v.get("from_s", 0) <= second][-1]
            return "firing" if firing else "pending", values["value"], Labels.of(values["annotations"])
    return None


def check_states(labels, lines, seen) -> None:
    """Each evaluation shows what the timeline says for now, or said up to one interval ago."""
    for second, now in seen:
        allowed = [expected(lines, at) for at in range(second, max(second - LATE, -1), -15)]
        assert now.get(Labels.of(labels)) in allowed, (second, labels)


def check_news(lines, news) -> None:
    """Every firing and every end is published once, in time, and nothing else begins or ends."""
    told = [(alert, at // SECOND) for at, alerts in news for alert in alerts]
    for ends, key in ((False, "firing_s"), (True, "resolved_s")):
        starts = {}
        for alert, at in told:
            if (alert.ends_at is not None) is ends:
                starts.setdefault((alert.labels, alert.starts_at), at)
        got = sorted((str(labels), at) for (labels, _), at in starts.items())
        wanted = sorted((str(Labels.of(e["labels"])), e[key]) for e in lines if e["firing_s"] is not None)
        assert [labels for labels, _ in got] == [labels for labels, _ in wanted]
        assert all(0 <= at - nominal <= LATE for (_, at), (_, nominal) in zip(got, wanted, strict=True)), (got, wanted)
