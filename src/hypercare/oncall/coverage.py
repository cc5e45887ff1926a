"""Proof that somebody reachable is on call in every schedule at every minute of a span, or where not and why."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.oncall.render import render
from hypercare.oncall.turns import begin, outside, union

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan, Schedule
    from hypercare.oncall.render import Duty


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Nobody who could be reached is on call for ``from_at <= t < until``; ``reason`` is a sentence for people."""

    schedule: str
    from_at: Ms
    until: Ms
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap:
    """One person is on call in two schedules at once: the second would page nobody new."""

    schedules: tuple[str, str]
    person: str
    from_at: Ms
    until: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Coverage:
    """What was found within ``from_at <= t < until``.

    Attributes:
        schedules: that were looked at.
        gaps: in the order of the schedules, then of time.
        overlaps: in the order of time.
        console_only: people on call in the span whom only the console of hypercare itself calls.

    """

    from_at: Ms
    until: Ms
    schedules: tuple[str, ...]
    gaps: tuple[Gap, ...]
    overlaps: tuple[Overlap, ...]
    console_only: tuple[str, ...]

    @property
    def covered(self) -> bool:
        """Whether every minute of every schedule is covered; without schedules nothing is."""
        return bool(self.schedules) and not self.gaps


def coverage(plan: Plan, start: Ms, end: Ms, only: str = "") -> Coverage:
    """Look over a span; ``only`` names one schedule, empty: all."""
    schedules = [s for s in plan.schedules if only in {"", s.name}]
    duties = {s.name: render(s, start, end) for s in schedules}
    gaps = [gap for s in schedules for gap in _gaps(plan, s, duties[s.name], start, end)]
    on_duty = dict.fromkeys(d.person for s in schedules for d in duties[s.name])
    weak = [name for name in on_duty if (p := plan.person(name)) and set(p.contacts) == {"console"}]
    names = tuple(s.name for s in schedules)
    return Coverage(start, end, names, tuple(gaps), tuple(_overlaps(duties)), tuple(sorted(weak)))


def _gaps(plan: Plan, schedule: Schedule, duties: tuple[Duty, ...], start: Ms, end: Ms) -> list[Gap]:
    found: list[Gap] = []
    for opens, closes in outside(union((d.start, d.end) for d in duties), start, end):
        found += _uncovered(schedule, opens, closes)
    for duty in duties:
        person = plan.person(duty.person)
        if person is None or not person.contacts:
            what = "is not among the people" if person is None else "has no contact way"
            found.append(Gap(schedule.name, duty.start, duty.end, f"{duty.person} {what}"))
    merged: list[Gap] = []
    for gap in sorted(found, key=lambda g: g.from_at):
        # A hole that several turns would have filled is one gap.
        if merged and (merged[-1].until, merged[-1].reason) == (gap.from_at, gap.reason):
            merged[-1] = dataclasses.replace(merged[-1], until=gap.until)
        else:
            merged.append(gap)
    return merged


def _uncovered(schedule: Schedule, start: Ms, end: Ms) -> Iterator[Gap]:
    """One stretch without anybody, divided by the reason."""
    first = min((begin(layer, ZoneInfo(layer.timezone)) for layer in schedule.stack), default=end)
    if start < first:
        until = min(first, end)
        yield Gap(schedule.name, start, until, "the schedule has not begun")
        start = until
    there = render(dataclasses.replace(schedule, away=()), start, end)
    for duty in there:
        yield Gap(schedule.name, duty.start, duty.end, f"{duty.person} is away and nobody stands in")
    for opens, closes in outside(union((d.start, d.end) for d in there), start, end):
        yield Gap(schedule.name, opens, closes, "no layer has anybody and there is no fallback")


def _overlaps(duties: dict[str, tuple[Duty, ...]]) -> list[Overlap]:
    found: list[Overlap] = []
    for (one, left), (other, right) in itertools.combinations(duties.items(), 2):
        i = j = 0
        while i < len(left) and j < len(right):
            start, end = max(left[i].start, right[j].start), min(left[i].end, right[j].end)
            if start < end and left[i].person == right[j].person:
                before = found[-1] if found else None
                same = before and (before.schedules, before.person, before.until) == (
                    (one, other),
                    left[i].person,
                    start,
                )
                if before and same:
                    found[-1] = dataclasses.replace(before, until=end)
                else:
                    found.append(Overlap((one, other), left[i].person, start, end))
            if left[i].end < right[j].end:
                i += 1
            else:
                j += 1
    return sorted(found, key=lambda o: (o.from_at, o.schedules))
