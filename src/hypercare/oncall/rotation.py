"""Who is on call: pure functions of a schedule and an instant."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hypercare.model.time import WEEK, YEAR, to_datetime
from hypercare.oncall.render import Duty, render
from hypercare.oncall.turns import LARGEST_CHANGE, begin, hand_off

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Schedule

# An override may be written for ever; dates end with the year 9999.
_LONGEST: Final = 50 * YEAR


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call for ``start <= t < end``."""

    person: str
    start: Ms
    end: Ms


def on_call(schedule: Schedule, at: Ms) -> Shift | None:
    """The shift that runs at an instant; none before the schedule's start and where nobody is in it."""
    if not schedule.plain:
        return _widened(schedule, at)
    overrides = schedule.overrides
    ruling = max((i for i, o in enumerate(overrides) if o.start <= at < o.end), default=None)
    if ruling is None:
        shift = _turn(schedule, at)
        if shift is None:
            return None
        above = overrides
    else:
        chosen = overrides[ruling]
        shift = Shift(chosen.person, chosen.start, chosen.end)
        above = overrides[ruling + 1 :]
    # What lies above does not cover `at`: it can only cut off from either side.
    live = [o for o in above if o.start < o.end]
    start = max([shift.start, *(o.end for o in live if o.end <= at)])
    end = min([shift.end, *(o.start for o in live if o.start > at)])
    return Shift(shift.person, start, end)


def shifts(schedule: Schedule, start: Ms, end: Ms) -> tuple[Shift, ...]:
    """The shifts that touch ``start <= t < end``, in order, each in its full length."""
    if not schedule.plain:
        whole = [Shift(d.person, d.start, d.end) for d in render(schedule, start, end)]
        for end_of in (0, -1) if whole else ():
            whole[end_of] = _widened(schedule, whole[end_of].start) or whole[end_of]
        return tuple(whole)
    found: list[Shift] = []
    at: Ms | None = start
    while at is not None and at < end:
        shift = on_call(schedule, at)
        if shift is None:
            at = _next_start(schedule, at)
        else:
            found.append(shift)
            at = shift.end
    return tuple(found)


def whole_duties(schedule: Schedule, start: Ms, end: Ms) -> tuple[Duty, ...]:
    """As ``render``, but the first and the last duty in their full length."""
    found = list(render(schedule, start, end))
    for place in (0, -1) if found else ():
        shift = on_call(schedule, found[place].start)
        if shift is not None:
            found[place] = dataclasses.replace(found[place], start=shift.start, end=shift.end)
    return tuple(found)


def _widened(schedule: Schedule, at: Ms) -> Shift | None:
    """The whole shift that runs at an instant, as rendered from a span wide enough to hold it."""
    reach = max([WEEK, *(layer.every for layer in schedule.stack)]) + 2 * LARGEST_CHANGE
    while True:
        start, end = at - reach, at + reach
        duty = next((d for d in render(schedule, start, end) if d.start <= at < d.end), None)
        if duty is None:
            return None
        if (duty.start > start and duty.end < end) or reach > _LONGEST:
            return Shift(duty.person, duty.start, duty.end)
        reach *= 4


def _next_start(schedule: Schedule, at: Ms) -> Ms | None:
    """The first instant after ``at`` at which somebody may come on call."""
    starts = [o.start for o in schedule.overrides if o.start > at]
    first = begin(schedule, ZoneInfo(schedule.timezone))
    if schedule.people and first > at:
        starts.append(first)
    return min(starts, default=None)


def _turn(schedule: Schedule, at: Ms) -> Shift | None:
    """The turn of the rotation, without overrides.

    Hand-offs lie on the local clock. Where it jumps forward, a hand-off in the hour that is left out is at the offset
    before the jump (02:30 becomes 03:30); where it goes back, one in the hour that comes twice is at the first. With
    turns shorter than a jump several hand-offs may fall behind each other: the turn that counts is the last one that
    has begun.
    """
    if not schedule.people:
        return None
    zone = ZoneInfo(schedule.timezone)
    local = to_datetime(at).astimezone(zone).replace(tzinfo=None)
    near = (local - schedule.start) // dt.timedelta(milliseconds=schedule.every)
    reach = LARGEST_CHANGE // schedule.every + 2
    begun = {k: hand_off(schedule, k, zone) for k in range(max(0, near - reach), near + reach + 1)}
    first = begin(schedule, zone)
    if at < first:
        return None
    # The first turn may begin at another time of day than the others (or before its place in the grid).
    running = max((k for k, when in begun.items() if when <= at), default=0)
    person = schedule.people[running % len(schedule.people)]
    start = first if running == 0 else max(first, begun[running])
    return Shift(person, start, min(when for k, when in begun.items() if k > running))
