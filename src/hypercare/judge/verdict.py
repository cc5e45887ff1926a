"""The verdict: what all criteria together say. What is unknown is never taken for good."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class State(enum.StrEnum):
    """What became of a criterion."""

    PASS = "pass"  # noqa: S105 - the outcome of a check
    CONCERN = "concern"
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAITING = "waiting"


class Verdict(enum.StrEnum):
    """What a watch concludes."""

    SUCCESS = "SUCCESS"
    CONCERNS = "CONCERNS"
    FAILURE = "FAILURE"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion's outcome.

    Attributes:
        name: of the criterion.
        state: what became of it. WAITING: somebody has to answer and has not.
        reason: the evidence in a sentence.
        required: whether an unknown or waiting answer keeps the watch from succeeding.

    """

    name: str
    state: State
    reason: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A verdict and why.

    Attributes:
        verdict: the word.
        because: the outcomes that decided it; with SUCCESS all of them.

    """

    verdict: Verdict
    because: tuple[Outcome, ...]


def conclude(outcomes: Sequence[Outcome]) -> Conclusion:
    """The verdict that these outcomes give.

    One failed criterion is a FAILURE; else a required one that is unknown or unanswered leaves it INCONCLUSIVE; else
    one concern gives CONCERNS; else SUCCESS. No criteria at all are INCONCLUSIVE.
    """
    order = (
        (Verdict.FAILURE, tuple(o for o in outcomes if o.state is State.FAIL)),
        (Verdict.INCONCLUSIVE, tuple(o for o in outcomes if o.required and o.state in {State.UNKNOWN, State.WAITING})),
        (Verdict.CONCERNS, tuple(o for o in outcomes if o.state is State.CONCERN)),
    )
    for verdict, because in order:
        if because:
            return Conclusion(verdict, because)
    if not any(outcome.state is State.PASS for outcome in outcomes):
        return Conclusion(Verdict.INCONCLUSIVE, tuple(outcomes))
    return Conclusion(Verdict.SUCCESS, tuple(outcomes))
