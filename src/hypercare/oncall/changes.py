"""Overrides and swaps that people make: rows, laid over what the configuration says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, update

from hypercare.kernel import CommandError
from hypercare.model.events import ScheduleChanged
from hypercare.model.time import YEAR
from hypercare.oncall.commands import AddOverride, AddSwap, ImportShifts, RemoveChange
from hypercare.oncall.plan import Override, Swap
from hypercare.oncall.tables import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Row

    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan, Schedule

OVERRIDE: Final = "override"
SWAP: Final = "swap"
_EVENTS_AT_ONCE: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One override or swap.

    Attributes:
        kind: ``override`` or ``swap``.
        other: of a swap the second person, else empty.
        uid: of the calendar's event that it comes from, else empty.
        removed_at: when it was taken out; none: it counts.

    """

    id: str
    kind: str
    schedule: str
    person: str
    other: str
    start_at: Ms
    end_at: Ms
    uid: str
    comment: str
    created_by: str
    created_at: Ms
    removed_by: str
    removed_at: Ms | None


def load_changes(
    db: Connection, *, schedule: str = "", since: Ms | None = None, removed: bool = False
) -> tuple[Change, ...]:
    """Changes in the order in which they were made.

    Args:
        db: to read from.
        schedule: of this one only; empty: of all.
        since: leave out what ended before; none: all.
        removed: with those that were taken out.

    """
    query = select(changes).order_by(changes.c.seq)
    if schedule:
        query = query.where(changes.c.schedule == schedule)
    if since is not None:
        query = query.where(changes.c.end_at > since)
    if not removed:
        query = query.where(changes.c.removed_at.is_(None))
    return tuple(_change(row) for row in db.execute(query))


def _change(row: Row[Any]) -> Change:
    return Change(*(getattr(row, field.name) for field in dataclasses.fields(Change)))


def with_changes(plan: Plan, made: Iterable[Change]) -> Plan:
    """The plan with changes laid over; those of a schedule that is gone have no effect."""
    by_schedule: dict[str, list[Change]] = {}
    for change in made:
        by_schedule.setdefault(change.schedule, []).append(change)
    if not by_schedule:
        return plan
    return dataclasses.replace(plan, schedules=tuple(_over(s, by_schedule.get(s.name, ())) for s in plan.schedules))


def _over(schedule: Schedule, made: Iterable[Change]) -> Schedule:
    made = tuple(made)
    overrides = tuple(Override(c.person, c.start_at, c.end_at) for c in made if c.kind == OVERRIDE)
    swaps = tuple(Swap(c.person, c.other, c.start_at, c.end_at) for c in made if c.kind == SWAP)
    if not (overrides or swaps):
        return schedule
    return dataclasses.replace(schedule, overrides=(*schedule.overrides, *overrides), swaps=(*schedule.swaps, *swaps))


class Changes:
    """Carries out the commands.

    Args:
        told: the plan as configured.
        replace: takes the plan with all changes, after the commit.

    """

    def __init__(self, told: Callable[[], Plan], replace: Callable[[Plan], None]) -> None:
        self._told = told
        self._replace = replace

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(AddOverride, self._override)
        kernel.on_message(AddSwap, self._swap)
        kernel.on_message(RemoveChange, self._remove)
        kernel.on_message(ImportShifts, self._import)

    def _override(self, ctx: Context, command: AddOverride) -> Change:
        self._check(command.schedule, (command.person,), command.start, command.end)
        span = {"start_at": command.start, "end_at": command.end}
        row = self._add(
            ctx, OVERRIDE, command.schedule, command.by, person=command.person, comment=command.comment, **span
        )
        return self._done(ctx, command.schedule, command.by, row)

    def _swap(self, ctx: Context, command: AddSwap) -> Change:
        if command.one == command.other:
            raise CommandError("a swap is between two people", 400)
        self._check(command.schedule, (command.one, command.other), command.start, command.end)
        row = self._add(
            ctx, SWAP, command.schedule, command.by, person=command.one, other=command.other, comment=command.comment,
            start_at=command.start, end_at=command.end,
        )  # fmt: skip
        return self._done(ctx, command.schedule, command.by, row)

    def _remove(self, ctx: Context, command: RemoveChange) -> Change:
        row = ctx.db.execute(select(changes).where(changes.c.id == command.id)).first()
        if row is None:
            raise CommandError(f"there is no change {command.id}", 404)
        if row.removed_at is not None:
            raise CommandError(f"{command.id} was taken out already by {row.removed_by}", 409)
        where = changes.c.id == command.id
        ctx.db.execute(update(changes).where(where).values(removed_by=command.by, removed_at=ctx.now))
        return self._done(ctx, row.schedule, command.by, command.id)

    def _import(self, ctx: Context, command: ImportShifts) -> tuple[Change, ...]:
        if len(command.events) > _EVENTS_AT_ONCE:
            raise CommandError(f"more than {_EVENTS_AT_ONCE} events at once", 413)
        for event in command.events:
            self._check(command.schedule, (event.person,), event.start, event.end)
        known = {c.uid: c.id for c in load_changes(ctx.db, schedule=command.schedule) if c.uid}
        made: list[str] = []
        for event in command.events:
            if event.uid in known:
                where = changes.c.id == known[event.uid]
                ctx.db.execute(update(changes).where(where).values(removed_by=command.by, removed_at=ctx.now))
            made.append(
                self._add(
                    ctx, OVERRIDE, command.schedule, command.by, person=event.person, uid=event.uid,
                    start_at=event.start, end_at=event.end,
                )
            )  # fmt: skip
        if made:
            self._done(ctx, command.schedule, command.by, made[-1])
        wanted = set(made)
        return tuple(c for c in load_changes(ctx.db, schedule=command.schedule) if c.id in wanted)

    def _check(self, schedule: str, people: tuple[str, ...], start: Ms, end: Ms) -> None:
        plan = self._told()
        if plan.schedule(schedule) is None:
            names = ", ".join(s.name for s in plan.schedules) or "none"
            raise CommandError(f"there is no schedule {schedule!r}; there are: {names}", 404)
        for name in people:
            if plan.person(name) is None:
                raise CommandError(f"{name!r} is not among the people", 400)
        if not start < end <= start + YEAR:
            raise CommandError("a change ends after it begins, and within a year", 400)

    def _add(self, ctx: Context, kind: str, schedule: str, by: str, **values: Any) -> str:
        last = ctx.db.execute(select(func.max(changes.c.seq))).scalar()
        id_ = ctx.new_id()
        row = {"other": "", "uid": "", "comment": "", "removed_by": "", "removed_at": None, **values}
        ctx.db.execute(
            insert(changes).values(
                id=id_, seq=(last or 0) + 1, kind=kind, schedule=schedule, created_by=by, created_at=ctx.now, **row
            )
        )
        return id_

    def _done(self, ctx: Context, schedule: str, by: str, id_: str) -> Change:
        plan = with_changes(self._told(), load_changes(ctx.db))
        ctx.after_commit(lambda: self._replace(plan))
        ctx.publish(ScheduleChanged(schedule, by))
        return _change(ctx.db.execute(select(changes).where(changes.c.id == id_)).one())
