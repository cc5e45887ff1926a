"""A round that waits for another server's answers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.rules.answers import Answer, Answers, Question
    from hypercare.rules.group import Group

MOST_TURNS: Final = 4
"""How often a round may find out that it needs to ask more: a template that queries by what a query found."""


@dataclasses.dataclass(slots=True)
class Flight:
    """One evaluation of a group on its way.

    Attributes:
        at: its scheduled instant.
        missed: evaluations left out before it.
        answers: what has come so far.
        turns: how often was asked.

    """

    group: Group
    at: Ms
    missed: int
    answers: dict[Question, Answer] = dataclasses.field(default_factory=dict)
    turns: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """Message: the answers for a round have come."""

    flight: Flight
    answers: Answers
