"""A schedule over a span of time, exact to the millisecond: every layer claims, and the highest claim holds."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hypercare.model.time import WEEK
from hypercare.oncall.turns import begin, common, outside, turns, union, whole_days, windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Layer, Override, Schedule
    from hypercare.oncall.turns import Span

FALLBACK: Final = "fallback"
HOLIDAY: Final = "holiday"
OVERRIDE: Final = "override"
ROTATION: Final = "rotation"
# A fallback may stand for ever; so that its shifts have an end, they are counted from the schedule's beginning.
_FALLBACK_TURN: Final = 4 * WEEK


@dataclasses.dataclass(frozen=True, slots=True)
class Duty:
    """Somebody is on call for ``start <= t < end``.

    Attributes:
        source: why they: ``rotation``, the name of a layer, ``holiday``, ``override`` or ``fallback``.

    """

    person: str
    start: Ms
    end: Ms
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Claim:
    """Who would be on call if nothing of higher rank were there; ``turn`` tells those of one rank apart."""

    rank: int
    turn: int
    duty: Duty


def render(schedule: Schedule, start: Ms, end: Ms) -> tuple[Duty, ...]:
    """Who is on call within ``start <= t < end``: in order, never two at once, cut off at both ends.

    Where nobody is, there is no duty. Two that follow each other without a gap may be the same person's, where it is
    another turn or for another reason.
    """
    if start >= end:
        return ()
    claims = sorted(_claims(schedule, start, end), key=lambda claim: claim.duty.start)
    edges = sorted({edge for claim in claims for edge in (claim.duty.start, claim.duty.end)})
    found: list[Duty] = []
    heap: list[tuple[int, int, _Claim]] = []
    holding: _Claim | None = None
    taken = 0
    for at, until in itertools.pairwise(edges):
        while taken < len(claims) and claims[taken].duty.start <= at:
            heapq.heappush(heap, (-claims[taken].rank, taken, claims[taken]))
            taken += 1
        while heap and heap[0][2].duty.end <= at:
            heapq.heappop(heap)
        if not heap:
            holding = None
            continue
        claim = heap[0][2]
        if found and holding is not None and _same(holding, claim) and found[-1].end == at:
            found[-1] = dataclasses.replace(found[-1], end=until)
        else:
            found.append(dataclasses.replace(claim.duty, start=at, end=until))
        holding = claim
    return tuple(found)


def _same(one: _Claim, other: _Claim) -> bool:
    return (one.rank, one.turn, one.duty.person) == (other.rank, other.turn, other.duty.person)


def _claims(schedule: Schedule, start: Ms, end: Ms) -> Iterator[_Claim]:
    """All claims within the span; of a higher rank above a lower, of one rank never two at once."""
    people = _Presence(schedule, start, end)
    stack = schedule.stack
    if schedule.fallback and stack:
        first = min(begin(layer, ZoneInfo(layer.timezone)) for layer in stack)
        for turn in range(max(0, (start - first) // _FALLBACK_TURN), max(0, (end - first) // _FALLBACK_TURN + 1)):
            since = first + turn * _FALLBACK_TURN
            span = max(start, since), min(end, since + _FALLBACK_TURN)
            for person, opens, closes in people.present(schedule.fallback, *span):
                yield _Claim(0, turn, Duty(person, opens, closes, FALLBACK))
    for rank, layer in enumerate(stack, 1):
        for turn, opens, closes in _applies(schedule, layer, start, end):
            order = [layer.people[(turn + i) % len(layer.people)] for i in range(len(layer.people))]
            for person, since, until in people.present(order, opens, closes, swapped=True):
                yield _Claim(rank, turn, Duty(person, since, until, layer.name or ROTATION))
    rank = len(stack) + 1
    for holiday in schedule.holidays:
        if holiday.person:
            day = whole_days(holiday.first, holiday.last, schedule.timezone)
            for person, opens, closes in people.present((holiday.person,), max(start, day[0]), min(end, day[1])):
                yield _Claim(rank, 0, Duty(person, opens, closes, HOLIDAY))
            rank += 1
    for override in schedule.overrides:
        span = max(start, override.start), min(end, override.end)
        for person, opens, closes in people.present((override.person,), *span):
            yield _Claim(rank, 0, Duty(person, opens, closes, OVERRIDE))
        rank += 1


def _applies(schedule: Schedule, layer: Layer, start: Ms, end: Ms) -> Iterator[tuple[int, Ms, Ms]]:
    """The parts of a layer's turns in which it applies."""
    end = end if layer.until is None else min(end, layer.until)
    if start >= end:
        return
    spans: list[Span] = windows(layer.windows, layer.timezone, start, end) if layer.windows else [(start, end)]
    if layer.holidays != "work":
        days = union(whole_days(h.first, h.last, layer.timezone) for h in schedule.holidays)
        spans = common(spans, days if layer.holidays == "only" else outside(days, start, end))
    at = 0
    for turn, since, until in turns(layer, start, end):
        while at < len(spans) and spans[at][1] <= since:
            at += 1
        within = at
        while within < len(spans) and spans[within][0] < until:
            yield turn, max(spans[within][0], since), min(spans[within][1], until)
            within += 1


class _Presence:
    """Who is there: absences and swaps within a span."""

    def __init__(self, schedule: Schedule, start: Ms, end: Ms) -> None:
        def live(item: Override) -> bool:
            return item.start < min(item.end, end) and item.end > start

        self._away: dict[str, list[Span]] = {}
        for absence in schedule.away:
            if live(absence):
                self._away.setdefault(absence.person, []).append((absence.start, absence.end))
        self._swaps = [s for s in schedule.swaps if s.start < min(s.end, end) and s.end > start]

    def present(
        self, order: Sequence[str], start: Ms, end: Ms, *, swapped: bool = False
    ) -> Iterator[tuple[str, Ms, Ms]]:
        """The first of the order who is not away, from when to when; nothing where all are."""
        if start >= end:
            return
        swaps = self._swaps if swapped else []
        if not swaps and order[0] not in self._away:
            yield order[0], start, end
            return
        named = {*order, *(name for s in swaps for name in (s.one, s.other))}
        spans = [span for name in sorted(named) for span in self._away.get(name, ())]
        spans += [(swap.start, swap.end) for swap in swaps]
        cuts = sorted({edge for span in spans for edge in span if start < edge < end})
        for opens, closes in zip((start, *cuts), (*cuts, end), strict=True):
            for name in order:
                person = name
                for swap in swaps:
                    if swap.start <= opens < swap.end and person in {swap.one, swap.other}:
                        person = swap.other if person == swap.one else swap.one
                if not any(begin <= opens < until for begin, until in self._away.get(person, ())):
                    yield person, opens, closes
                    break
