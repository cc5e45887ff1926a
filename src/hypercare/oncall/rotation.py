"""Who is on call: pure functions of a schedule and an instant."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hypercare.model.time import HOUR, from_datetime, to_datetime

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Schedule

# No zone has ever set its clocks by more than a day at once (Samoa left out one day in 2011).
_LARGEST_CHANGE: Final = 25 * HOUR


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call for ``start <= t < end``."""

    person: str
    start: Ms
    end: Ms


def on_call(schedule: Schedule, at: Ms) -> Shift | None:
    """The shift that runs at an instant; none before the schedule's start and where nobody is in it."""
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


def _next_start(schedule: Schedule, at: Ms) -> Ms | None:
    """The first instant after ``at`` at which somebody may come on call."""
    starts = [o.start for o in schedule.overrides if o.start > at]
    first = _begin(schedule, ZoneInfo(schedule.timezone))
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
    reach = _LARGEST_CHANGE // schedule.every + 2
    begun = {k: _hand_off(schedule, k, zone) for k in range(max(0, near - reach), near + reach + 1)}
    first = _begin(schedule, zone)
    if at < first:
        return None
    # The first turn may begin at another time of day than the others (or before its place in the grid).
    running = max((k for k, when in begun.items() if when <= at), default=0)
    person = schedule.people[running % len(schedule.people)]
    start = first if running == 0 else max(first, begun[running])
    return Shift(person, start, min(when for k, when in begun.items() if k > running))


def _begin(schedule: Schedule, zone: ZoneInfo) -> Ms:
    return schedule.since if schedule.since is not None else _hand_off(schedule, 0, zone)


def _hand_off(schedule: Schedule, k: int, zone: ZoneInfo) -> Ms:
    local = schedule.start + k * dt.timedelta(milliseconds=schedule.every)
    return from_datetime(local.replace(tzinfo=zone))
