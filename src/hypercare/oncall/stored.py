"""Schedules made while hypercare runs: rows with all their versions."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from sqlalchemy import and_, func, insert, select

from hypercare.config.schedules import Schedule as Definition
from hypercare.oncall.reading import schedule_of
from hypercare.oncall.tables import schedule_versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan, Schedule

SAVED: Final = "saved"
RESTORED: Final = "restored"
DELETED: Final = "deleted"
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class StoredSchedule:
    """One version of a schedule.

    Attributes:
        version: from 1.
        content: JSON with the keys of hypercare.yml.
        how: ``saved``, ``restored`` or ``deleted``; of a deleted one the content is what it was.

    """

    name: str
    version: int
    content: str
    how: str
    comment: str
    saved_by: str
    saved_at: Ms

    @property
    def deleted(self) -> bool:
        """Whether there is no such schedule any more, as of this version."""
        return self.how == DELETED

    @property
    def definition(self) -> Definition:
        """As the configuration's model.

        Raises:
            ValidationError: an older or newer hypercare wrote it, or a time zone is gone.

        """
        return Definition.model_validate(json.loads(self.content))


def load_stored(db: Connection, *, deleted: bool = False) -> tuple[StoredSchedule, ...]:
    """The newest version of every schedule, by name; of deleted ones only where asked for."""
    t = schedule_versions
    newest = select(t.c.name, func.max(t.c.version).label("version")).group_by(t.c.name).subquery()
    query = select(t).join(newest, and_(t.c.name == newest.c.name, t.c.version == newest.c.version))
    rows = [_stored(row) for row in db.execute(query.order_by(t.c.name))]
    return tuple(row for row in rows if deleted or not row.deleted)


def load_versions(db: Connection, name: str) -> tuple[StoredSchedule, ...]:
    """All versions of a schedule, the newest first; none: it was never made here."""
    c = schedule_versions.c
    query = select(schedule_versions).where(c.name == name).order_by(c.version.desc())
    return tuple(_stored(row) for row in db.execute(query))


def add_version(db: Connection, stored: StoredSchedule) -> None:
    """Write one more version."""
    db.execute(insert(schedule_versions).values(dataclasses.asdict(stored)))


def _stored(row: Row[Any]) -> StoredSchedule:
    return StoredSchedule(*(getattr(row, field.name) for field in dataclasses.fields(StoredSchedule)))


class Shelf:
    """Lays stored schedules beside those of the file; remembers what it has read already."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, int], Schedule | None] = {}

    def lay(self, plan: Plan, stored: Iterable[StoredSchedule]) -> Plan:
        """The plan with them.

        One that cannot be read, and one whose name the file has taken, is left out and logged: pages go on. (Who loads
        a configuration looks for such names and refuses it; here a replica takes over with another file.)
        """
        written = {schedule.name for schedule in plan.schedules}
        found: list[Schedule] = []
        read: dict[tuple[str, int], Schedule | None] = {}
        for one in stored:
            key = one.name, one.version
            known = key in self._read
            if one.name in written and not known:
                _log.error("the schedule %s is in the file and was made on the page: the file's counts", one.name)
            schedule = self._read[key] if known else _parse(one)
            read[key] = schedule
            if schedule is not None and one.name not in written:
                found.append(dataclasses.replace(schedule, away=plan.away))
        self._read = read
        return dataclasses.replace(plan, schedules=(*plan.schedules, *found)) if found else plan


def _parse(stored: StoredSchedule) -> Schedule | None:
    try:
        return schedule_of(stored.definition)
    except ValidationError as error:
        _log.error("version %d of the schedule %s cannot be read: %s", stored.version, stored.name, error)
        return None
