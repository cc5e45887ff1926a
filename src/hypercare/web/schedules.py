"""What the API and the pages tell of schedules: those of the file and those made here, and what a draft would do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hypercare.kernel import CommandError
from hypercare.oncall.editing import uses
from hypercare.oncall.outlook import SPAN, outlook
from hypercare.oncall.stored import StoredSchedule, load_stored, load_versions

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.config.schedules import Schedule
    from hypercare.oncall.outlook import Outlook


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A schedule, whether it is in use, in another version, or deleted.

    Attributes:
        place: where hypercare.yml writes it, as ``hypercare.yml, line 12``; empty: it was made here.
        stored: the version that was made here.
        newest: the number of its newest version; 0 for one of the file.

    """

    name: str
    definition: Schedule
    place: str = ""
    stored: StoredSchedule | None = None
    newest: int = 0

    @property
    def editable(self) -> bool:
        """Whether it can be changed here."""
        return not self.place

    @property
    def deleted(self) -> bool:
        """Whether there is no such schedule any more."""
        return self.stored is not None and self.stored.deleted

    def about(self) -> dict[str, Any]:
        """All but the definition, as JSON values; instants in ms."""
        stored = self.stored
        return {
            "name": self.name, "origin": "page" if self.editable else "file", "place": self.place,
            "timezone": self.definition.timezone, "version": stored.version if stored else 0,
            "saved_by": stored.saved_by if stored else "", "saved_at": stored.saved_at if stored else 0,
            "comment": stored.comment if stored else "", "how": stored.how if stored else "",
        }  # fmt: skip


def of_the_file(app: App) -> tuple[Known, ...]:
    """The schedules of hypercare.yml, in its order."""
    places = {p.name: f"{p.file}, line {p.line}" for p in app.config.schedules_written}
    return tuple(Known(s.name, s, places.get(s.name, "hypercare.yml")) for s in app.config.hypercare.oncall.schedules)


def known(app: App, *, deleted: bool = False) -> tuple[Known, ...]:
    """All schedules: of the file, then those made here by name."""
    with app.state.read() as db:
        stored = load_stored(db, deleted=deleted)
    read = ((s, _definition(s)) for s in stored)
    return (*of_the_file(app), *(Known(s.name, d, "", s, s.version) for s, d in read if d is not None))


def find(app: App, name: str, version: int = 0) -> Known:
    """One schedule; of one made here the newest version, also where it is deleted, or that of a number.

    Raises:
        CommandError: there is none.

    """
    written = next((k for k in of_the_file(app) if k.name == name), None)
    if written is not None and not version:
        return written
    with app.state.read() as db:
        versions = load_versions(db, name)
    if not versions:
        names = ", ".join(k.name for k in known(app)) or "none"
        raise CommandError(f"there is no schedule {name!r}; there are: {names}", 404)
    chosen = next((v for v in versions if version in {0, v.version}), None)
    if chosen is None:
        raise CommandError(f"the schedule {name!r} has no version {version}", 404)
    definition = _definition(chosen)
    if definition is None:
        raise CommandError(f"version {chosen.version} of the schedule {name!r} cannot be read by this hypercare", 409)
    return Known(name, definition, "", chosen, versions[0].version)


def _definition(stored: StoredSchedule) -> Schedule | None:
    """None where another hypercare wrote it, or a time zone is gone; the log says so."""
    try:
        return stored.definition
    except ValidationError:
        return None


def versions_of(app: App, name: str) -> tuple[StoredSchedule, ...]:
    """All versions of a schedule that was made here, the newest first; none of one of the file."""
    with app.state.read() as db:
        return load_versions(db, name)


def used_at(app: App, name: str) -> tuple[str, ...]:
    """Every place that refers to a schedule."""
    with app.state.read() as db:
        return uses(db, app.config, name)


def people(app: App) -> tuple[str, ...]:
    """Whom schedules may name."""
    return tuple(person.name for person in app.config.hypercare.people)


def look_ahead(app: App, draft: Schedule) -> Outlook:
    """The coming four weeks as they would be with a draft."""
    now = app.ports.clock.now()
    with app.state.read() as db:
        then = app.oncall.drafted(db, draft)
    return outlook(app.oncall.plan, then, draft.name, now, now + SPAN)
