"""The drill: what is late is shown as late, and every number is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypercare.model.time import MINUTE, SECOND
from hypercare.rehearse.stories import facts, scoring
from hypercare.rehearse.stories.reading import read
from hypercare.rehearse.stories.stage import Stage
from hypercare.sim.ports import VirtualFiles

EXAMPLE = Path(facts.__file__).with_name("example") / "drill.yml"


@pytest.mark.timeout(600)
def test_the_example_misses_what_only_the_third_level_answered():
    stage = Stage(read(EXAMPLE, VirtualFiles(), {}))
    stage.run()
    lines = scoring.score(stage, facts.facts_of(stage.events))
    stage.close()
    late = [(line.part, line.what) for line in lines if not line.passed]
    assert late == [("#3 Down", "acknowledged"), ("#3 Down", "answered")]
    by = {(line.part, line.what): line for line in lines}
    assert by["#1 Down", "acknowledged"].achieved // SECOND == 90
    assert by["#3 Down", "step 3 paged"].achieved // MINUTE == 15
    assert by["#3 Down", "acknowledged"].achieved // MINUTE == 17
    assert ("#1 Down", "step 2 paged") not in by
    assert len([line for line in lines if line.part == "#2 Errors"]) == 15
    found = scoring.as_json(lines)
    assert found["in_time"] == len(lines) - 2
    assert found["lines"][0]["achieved_ms"] == by["fault at 30m", "api detected"].achieved
