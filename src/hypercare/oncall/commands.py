"""What people change of schedules; give them to ``Kernel.call``. All times are ms since the epoch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class AddOverride:
    """``person`` is on call for ``start <= t < end``; answers with the ``Change``."""

    schedule: str
    person: str
    start: Ms
    end: Ms
    by: str
    comment: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AddSwap:
    """Two people take each other's turns for ``start <= t < end``; answers with the ``Change``."""

    schedule: str
    one: str
    other: str
    start: Ms
    end: Ms
    by: str
    comment: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveChange:
    """Take out an override or a swap; answers with the ``Change`` as it is then."""

    id: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """One event of a calendar: ``person`` is on call for ``start <= t < end``."""

    uid: str
    person: str
    start: Ms
    end: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class ImportShifts:
    """Put the events of a calendar into a schedule as overrides; answers with the ``Change``s.

    An event whose UID the schedule has from an earlier import takes that one's place.
    """

    schedule: str
    events: tuple[Imported, ...]
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class SaveSchedule:
    """Keep a schedule as its next version; answers with the ``StoredSchedule``.

    Attributes:
        content: JSON with the keys of hypercare.yml (``config.schedule_doc``); it names the schedule.
        base: the version that was looked at when it was written, 0: there was none; None: whatever there is.
        name: of the schedule; equal to that in the content.

    """

    name: str
    content: str
    by: str
    base: int | None = None
    comment: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreSchedule:
    """Let an earlier version, also of a deleted schedule, be the newest; answers with the ``StoredSchedule``."""

    name: str
    version: int
    by: str
    comment: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class DeleteSchedule:
    """Let a schedule be no more; its versions stay and can be restored. Answers with the ``StoredSchedule``."""

    name: str
    by: str
    comment: str = ""
