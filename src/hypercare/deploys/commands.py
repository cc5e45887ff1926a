"""What people and machines can ask of deployments."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class StartWatch:
    """Command: a version went out, watch it. Answers with the ``Watch``.

    Attributes:
        plan: its name; empty: the one for the service.
        previous: the version before; empty: that of the last watch that succeeded.
        color: of the new version, where two colours serve side by side.
        at: when it went out, ms; none: now.
        replace: end a running watch of the service; else there is an error.

    """

    service: str
    version: str
    by: str
    plan: str = ""
    previous: str = ""
    color: str = ""
    other_color: str = ""
    url: str = ""
    at: Ms | None = None
    replace: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class CancelWatch:
    """Command: watch no longer; nothing is concluded."""

    ref: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SignCheckpoint:
    """Command: somebody has looked at a checkpoint; ``number`` 0: the last that was taken."""

    ref: str
    by: str
    number: int = 0
    notes: str = ""
    action: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerCriterion:
    """Command: what a person says to a criterion: pass, concern or fail."""

    ref: str
    criterion: str
    state: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AddWatchNote:
    """Command: a line for the journal of a watch."""

    ref: str
    text: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class WantWatchAction:
    """Command: a person asks for an action in the course of a watch."""

    ref: str
    action: str
    by: str
    reason: str = ""
