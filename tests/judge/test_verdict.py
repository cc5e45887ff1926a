"""Every combination of outcomes has one verdict, and what is unknown never makes a success."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.judge.verdict import Outcome, State, Verdict, conclude


def outcome(state, required=True):
    return Outcome(f"a {state}", state, "because", required)


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([State.PASS], Verdict.SUCCESS),
        ([State.PASS, State.CONCERN], Verdict.CONCERNS),
        ([State.PASS, State.UNKNOWN], Verdict.INCONCLUSIVE),
        ([State.PASS, State.WAITING], Verdict.INCONCLUSIVE),
        ([State.CONCERN, State.UNKNOWN], Verdict.INCONCLUSIVE),
        ([State.FAIL, State.UNKNOWN, State.CONCERN, State.WAITING], Verdict.FAILURE),
    ],
)
def test_table(states, verdict):
    conclusion = conclude([outcome(state) for state in states])
    assert conclusion.verdict is verdict


def test_what_is_not_required_may_stay_unknown_but_does_not_carry_a_success():
    assert conclude([outcome(State.PASS), outcome(State.UNKNOWN, required=False)]).verdict is Verdict.SUCCESS
    assert conclude([outcome(State.UNKNOWN, required=False)]).verdict is Verdict.INCONCLUSIVE


@given(st.lists(st.tuples(st.sampled_from(list(State)), st.booleans()), max_size=6))
def test_success_means_that_nothing_speaks_against_it(given_outcomes):
    outcomes = [outcome(state, required) for state, required in given_outcomes]
    conclusion = conclude(outcomes)
    if conclusion.verdict is Verdict.SUCCESS:
        assert not any(o.state in {State.FAIL, State.CONCERN} for o in outcomes)
        assert not any(o.required and o.state in {State.UNKNOWN, State.WAITING} for o in outcomes)
    for order in itertools.islice(itertools.permutations(outcomes), 10):
        assert conclude(order).verdict is conclusion.verdict
