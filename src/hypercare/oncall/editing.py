"""Schedules made, changed, restored and deleted while hypercare runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypercare.config.schedule_doc import ScheduleError, dump_json, read_schedule
from hypercare.kernel import CommandError
from hypercare.model.events import ScheduleChanged
from hypercare.oncall import store
from hypercare.oncall.commands import DeleteSchedule, RestoreSchedule, SaveSchedule
from hypercare.oncall.plan import SCHEDULE
from hypercare.oncall.stored import DELETED, RESTORED, SAVED, StoredSchedule, add_version, load_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.oncall.plan import Plan


class Editing:
    """Carries out the commands.

    Args:
        told: the plan as configured, with the people.
        config: the running configuration; none: not configured yet.
        refresh: takes the schedules from the rows, after the commit.

    """

    def __init__(
        self, told: Callable[[], Plan], config: Callable[[], Config | None], refresh: Callable[[Context], None]
    ) -> None:
        self._told = told
        self._config = config
        self._refresh = refresh

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(SaveSchedule, self._save)
        kernel.on_message(RestoreSchedule, self._restore)
        kernel.on_message(DeleteSchedule, self._delete)

    def _save(self, ctx: Context, command: SaveSchedule) -> StoredSchedule:
        content = self._checked(command.name, command.content)
        current = self._newest(ctx, command.name)
        there = 0 if current is None or current.deleted else current.version
        if command.base is not None and command.base != there:
            raise CommandError(_meanwhile(command, current), 409)
        if current is not None and there and current.content == content:
            return current
        return self._add(ctx, command.name, content, SAVED, command.by, command.comment)

    def _restore(self, ctx: Context, command: RestoreSchedule) -> StoredSchedule:
        versions = load_versions(ctx.db, command.name)
        found = next((v for v in versions if v.version == command.version), None)
        if found is None:
            raise CommandError(f"the schedule {command.name!r} has no version {command.version}", 404)
        if found is versions[0] and not found.deleted:
            raise CommandError(f"version {found.version} is the newest already", 409)
        comment = command.comment or f"version {found.version} again"
        content = self._checked(command.name, found.content)
        return self._add(ctx, command.name, content, RESTORED, command.by, comment)

    def _delete(self, ctx: Context, command: DeleteSchedule) -> StoredSchedule:
        self._not_of_the_file(command.name)
        current = self._newest(ctx, command.name)
        if current is None or current.deleted:
            raise CommandError(f"there is no schedule {command.name!r} that was made here", 404)
        places = uses(ctx.db, self._config(), command.name)
        if places:
            raise CommandError(f"the schedule {command.name!r} is in use: {'; '.join(places)}", 409)
        return self._add(ctx, command.name, current.content, DELETED, command.by, command.comment)

    def _checked(self, name: str, content: str) -> str:
        self._not_of_the_file(name)
        try:
            schedule = read_schedule(json.loads(content), [person.name for person in self._told().people])
        except (ScheduleError, ValueError) as error:
            raise CommandError(str(error), 400) from error
        if schedule.name != name:
            raise CommandError(f"it is called {schedule.name!r}, not {name!r}", 400)
        return dump_json(schedule)

    def _not_of_the_file(self, name: str) -> None:
        config = self._config()
        place = next((p for p in (config.schedules_written if config else ()) if p.name == name), None)
        if place is not None:
            where = f"{place.file}, line {place.line}"
            raise CommandError(
                f"the schedule {name!r} is written in {where}, and is changed there; copy it under another name", 409
            )

    def _newest(self, ctx: Context, name: str) -> StoredSchedule | None:
        return next(iter(load_versions(ctx.db, name)), None)

    def _add(self, ctx: Context, name: str, content: str, how: str, by: str, comment: str) -> StoredSchedule:
        newest = self._newest(ctx, name)
        number = 1 if newest is None else newest.version + 1
        stored = StoredSchedule(name, number, content, how, comment, by, ctx.now)
        add_version(ctx.db, stored)
        self._refresh(ctx)
        ctx.publish(ScheduleChanged(name, by))
        return stored


def _meanwhile(command: SaveSchedule, current: StoredSchedule | None) -> str:
    if current is None:
        return f"there is no schedule {command.name!r} any more"
    if current.deleted:
        return f"{current.saved_by} has deleted the schedule {command.name!r} meanwhile (version {current.version})"
    if not command.base:
        return f"there is a schedule {command.name!r} already (version {current.version} by {current.saved_by})"
    return (
        f"{current.saved_by} has saved version {current.version} of {command.name!r} meanwhile; "
        f"yours was made from version {command.base}"
    )


def uses(db: Connection, config: Config | None, name: str) -> tuple[str, ...]:
    """Every place that refers to a schedule: of the configuration, and of escalations under way."""
    places = [str(place) for place in (config.schedules_named if config else ()) if place.name == name]
    return (*places, *_under_way(store.load_escalations(db, limit=100_000), name))


def _under_way(escalations: Sequence[store.Escalation], name: str) -> tuple[str, ...]:
    return tuple(
        f"the escalation {e.policy.name} of incident {e.incident_id}, under way"
        for e in escalations
        if any(f"{SCHEDULE}{name}" in step.notify for step in e.policy.steps)
    )
