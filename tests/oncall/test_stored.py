"""Stored schedules beside those of the file: one plan, absences included, nothing preferred silently."""

from __future__ import annotations

import dataclasses
import json

from hypercare.config import HypercareConfig
from hypercare.model.time import parse_rfc3339
from hypercare.oncall.reading import plan_of
from hypercare.oncall.rotation import on_call
from hypercare.oncall.stored import Shelf, StoredSchedule

PLAN = plan_of(
    HypercareConfig.model_validate(
        {
            "people": [{"name": "ann", "away": [{"from": "2026-03-02", "until": "2026-03-02"}]}, {"name": "ben"}],
            "oncall": {"schedules": [{"name": "s", "rotation": {"people": ["ann"], "start": "2026-01-05"}}]},
        }
    )
)
CONTENT = {"name": "t", "rotation": {"people": ["ann", "ben"], "every": "4w", "start": "2026-03-02"}}


def stored(name="t", version=1, content=None, how="saved"):
    return StoredSchedule(name, version, json.dumps(content or {**CONTENT, "name": name}), how, "", "ann", 0)


def test_absences_count_for_both_kinds():
    plan = Shelf().lay(PLAN, [stored()])
    assert [s.name for s in plan.schedules] == ["s", "t"]
    days = [on_call(plan.schedule("t"), parse_rfc3339(f"2026-03-0{n}T12:00:00Z")).person for n in (2, 3)]
    assert days == ["ben", "ann"], "whoever is away is not on call"


def test_the_newest_version_counts_and_a_reload_keeps_it():
    shelf = Shelf()
    shelf.lay(PLAN, [stored()])
    turned = {**CONTENT, "rotation": {**CONTENT["rotation"], "people": ["ben"]}}
    for plan in (PLAN, dataclasses.replace(PLAN, away=())):
        found = shelf.lay(plan, [stored(version=2, content=turned)]).schedule("t")
        assert (found.people, found.away) == (("ben",), plan.away)
    assert shelf.lay(PLAN, []) == PLAN


def test_what_the_file_has_or_nobody_can_read_is_left_out_and_logged_once(caplog):
    shelf = Shelf()
    rows = [stored("s"), stored("u", content={"name": "u", "timezone": "Mars/Base"}), stored("t")]
    for _ in range(2):
        assert [x.name for x in shelf.lay(PLAN, rows).schedules] == ["s", "t"]
    assert [("in the file" in r.message, "cannot be read" in r.message) for r in caplog.records] == [
        (True, False), (False, True)
    ]  # fmt: skip
