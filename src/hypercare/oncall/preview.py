"""What an override or a swap would change, before anybody makes it: who is on call then, and what is covered."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.kernel import CommandError
from hypercare.oncall.commands import AddOverride
from hypercare.oncall.coverage import coverage
from hypercare.oncall.plan import Override, Swap
from hypercare.oncall.render import render
from hypercare.oncall.rotation import on_call

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.commands import AddSwap
    from hypercare.oncall.coverage import Gap, Overlap
    from hypercare.oncall.plan import Plan
    from hypercare.oncall.render import Duty


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """Both ways within the span of the change.

    Attributes:
        opens: gaps that there would be and that there are not now.
        closes: gaps that there are and would not be any more.
        doubles: who would hold two schedules at once and does not now.

    """

    schedule: str
    before: tuple[Duty, ...]
    after: tuple[Duty, ...]
    opens: tuple[Gap, ...]
    closes: tuple[Gap, ...]
    doubles: tuple[Overlap, ...]

    @property
    def changes(self) -> bool:
        """Whether anybody else would be on call at any time."""
        return [(d.person, d.start, d.end) for d in self.before] != [(d.person, d.start, d.end) for d in self.after]


def preview(plan: Plan, command: AddOverride | AddSwap) -> Preview:
    """Look ahead.

    Raises:
        CommandError: there is no such schedule or person, or the change does not end after it begins.

    """
    schedule = plan.schedule(command.schedule)
    people = (command.person,) if isinstance(command, AddOverride) else (command.one, command.other)
    if schedule is None:
        raise CommandError(f"there is no schedule {command.schedule!r}", 404)
    for name in people:
        if plan.person(name) is None:
            raise CommandError(f"{name!r} is not among the people", 400)
    start, end = command.start, command.end
    if start >= end:
        raise CommandError("a change ends after it begins, and within a year", 400)
    if len(people) == 1:
        changed = dataclasses.replace(schedule, overrides=(*schedule.overrides, Override(people[0], start, end)))
    else:
        changed = dataclasses.replace(schedule, swaps=(*schedule.swaps, Swap(people[0], people[1], start, end)))
    others = tuple(changed if s.name == schedule.name else s for s in plan.schedules)
    now, then = coverage(plan, start, end), coverage(dataclasses.replace(plan, schedules=others), start, end)
    return Preview(
        schedule.name,
        render(schedule, start, end),
        render(changed, start, end),
        tuple(gap for gap in then.gaps if gap not in now.gaps),
        tuple(gap for gap in now.gaps if gap not in then.gaps),
        tuple(overlap for overlap in then.overlaps if overlap not in now.overlaps),
    )


def rest_of_shift(plan: Plan, schedule: str, now: Ms) -> tuple[str, Ms]:
    """Who is on call now, and until when: what somebody takes over who takes over now.

    Raises:
        CommandError: there is no such schedule, or nobody is on call in it.

    """
    found = plan.schedule(schedule)
    if found is None:
        raise CommandError(f"there is no schedule {schedule!r}", 404)
    shift = on_call(found, now)
    if shift is None:
        raise CommandError(f"nobody is on call in {schedule} now: write an override with its times", 409)
    return shift.person, shift.end
