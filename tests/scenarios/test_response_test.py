"""The response test of the GremlinsAI example: measured, in time, the same twice, and honest where somebody is late."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from hypercare.model.time import MINUTE, SECOND
from hypercare.rehearse.drill import Responder
from hypercare.rehearse.measure import Line, as_table

FILE = Path(__file__).parents[2] / "examples" / "gremlinsai" / "response_test.py"
_spec = importlib.util.spec_from_file_location("gremlins_response_test", FILE)
response = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = response
_spec.loader.exec_module(response)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_is_measured_and_in_time_and_a_late_answer_is_missed(monkeypatch):
    lines = response.measure()
    assert [line for line in lines if not line.passed] == []
    parts = {}
    for line in lines:
        parts.setdefault(line.part, []).append(line)
    assert [len(parts[name]) for name in response.SCENARIOS] == [3] * 5
    assert [line.what for line in parts["escalation"]] == ["secondary reached", "manager reached", "executive reached"]
    assert [line.achieved // MINUTE for line in parts["escalation"]] == [15, 30, 60]
    assert len(parts["afterwards"]) == 10
    assert len(parts["four weeks"]) == 3
    assert {line.achieved for name in response.SCENARIOS for line in parts[name][:1]} == {70 * SECOND}
    # Somebody who is slower than the target is shown as such: nothing is assumed.
    slow = {name: dataclasses.replace(r, acknowledges=3 * MINUTE) for name, r in response.FAST.items()}
    monkeypatch.setattr(response, "FAST", slow)
    monkeypatch.setattr(response, "SCENARIOS", {"WeaviateDown": response.SCENARIOS["WeaviateDown"]})
    monkeypatch.setattr(response, "escalation", lambda _: [])
    late = response.measure()
    assert [(line.what, line.achieved) for line in late if not line.passed] == [("acknowledged", 3 * MINUTE)]


def test_the_table():
    text = as_table([Line("a", "acknowledged", 120_000, 70_000), Line("a", "answered", 300_000, None)])
    assert text.splitlines()[1:] == [
        "a  acknowledged  2m      1m10s     in time",
        "   answered      5m      -         MISSED",
        "1 of 2 in time",
    ]
    assert Responder().acknowledges is None
