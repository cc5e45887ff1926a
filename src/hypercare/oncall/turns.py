"""Local wall-clock time made into instants: the turns of a rotation, the windows of a restriction, whole days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo

from hypercare.model.time import HOUR, Ms, from_datetime, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.oncall.plan import Layer, Schedule, Window

# No zone has ever set its clocks by more than a day at once (Samoa left out one day in 2011).
LARGEST_CHANGE: Final = 25 * HOUR

Span: TypeAlias = tuple[Ms, Ms]
"""``start <= t < end``."""


def begin(layer: Layer | Schedule, zone: ZoneInfo) -> Ms:
    """When the first turn begins."""
    return layer.since if layer.since is not None else hand_off(layer, 0, zone)


def hand_off(layer: Layer | Schedule, k: int, zone: ZoneInfo) -> Ms:
    """When turn ``k`` would begin."""
    return from_datetime((layer.start + k * dt.timedelta(milliseconds=layer.every)).replace(tzinfo=zone))


def local(at: Ms, zone: ZoneInfo) -> dt.datetime:
    """Wall-clock time, without its zone."""
    return to_datetime(at).astimezone(zone).replace(tzinfo=None)


def turns(layer: Layer, start: Ms, end: Ms) -> list[tuple[int, Ms, Ms]]:
    """The turns that touch a span: number, start, end; in order, without gaps from the layer's beginning on.

    Hand-offs lie on the local clock. One in the hour that a clock change leaves out is at the offset before the change
    (02:30 becomes 03:30), one in an hour that comes twice is at the first. So turns shorter than the change may begin
    behind each other: the last that has begun counts, and others have no length.
    """
    zone = ZoneInfo(layer.timezone)
    first = begin(layer, zone)
    if end <= first:
        return []
    every = dt.timedelta(milliseconds=layer.every)
    reach = LARGEST_CHANGE // layer.every + 2
    low = max(0, (local(max(start, first), zone) - layer.start) // every - reach)
    high = max(0, (local(end, zone) - layer.start) // every) + reach
    begun = [hand_off(layer, k, zone) for k in range(low, high + 2)]
    found: list[tuple[int, Ms, Ms]] = []
    until = begun[-1]
    for k in range(high, low - 1, -1):
        # The first turn may begin at another time of day than the others, or before its place in the grid.
        since = first if k == 0 else max(first, begun[k - low])
        if since < until and since < end and until > start:
            found.append((k, since, until))
        until = min(until, begun[k - low])
    return found[::-1]


def windows(of: Iterable[Window], timezone: str, start: Ms, end: Ms) -> list[Span]:
    """When windows are open within a span, as few spans as possible, in order; their edges as hand-offs."""
    zone = ZoneInfo(timezone)
    kinds = tuple(of)
    day = dt.datetime.combine(local(start, zone).date() - dt.timedelta(days=2), dt.time(0))
    last = local(end, zone)
    found: list[Span] = []
    while day <= last:
        weekday = day.weekday()
        for window in kinds:
            if weekday in window.days:
                edges = (day + dt.timedelta(minutes=minutes) for minutes in (window.start, window.end))
                opens, closes = (from_datetime(edge.replace(tzinfo=zone)) for edge in edges)
                found.append((max(opens, start), min(closes, end)))
        day += dt.timedelta(days=1)
    return union(found)


def whole_days(first: dt.date, last: dt.date, timezone: str) -> Span:
    """Local days from midnight to midnight."""
    zone = ZoneInfo(timezone)
    edges = (first, last + dt.timedelta(days=1))
    opens, closes = (from_datetime(dt.datetime.combine(day, dt.time(0), zone)) for day in edges)
    return opens, closes


def union(spans: Iterable[Span]) -> list[Span]:
    """The same instants, in order, no span touching another."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def common(one: list[Span], other: list[Span]) -> list[Span]:
    """What lies in both; each a union."""
    found: list[Span] = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def outside(spans: list[Span], start: Ms, end: Ms) -> list[Span]:
    """What of ``start <= t < end`` lies in none of a union's spans."""
    found: list[Span] = []
    at = start
    for opens, closes in spans:
        if at < min(opens, end):
            found.append((at, min(opens, end)))
        at = max(at, closes)
    if at < end:
        found.append((at, end))
    return found


def length(spans: Iterable[Span]) -> Ms:
    """Their whole length."""
    return sum(end - start for start, end in spans)
