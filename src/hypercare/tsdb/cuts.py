"""What readers cut out of the newest rows, remembered: all rules of a tick look at the same few spans."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hypercare.model.bundle import Bundle
from hypercare.model.samples import SampleMatrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.index import JointPlan
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.raw import RawRows
    from hypercare.tsdb.segment import Segment

Span: TypeAlias = "tuple[Ms, Ms]"
"""Behind which time, and up to which."""
State: TypeAlias = "tuple[RawRows, int, Layout, tuple[Segment, ...], dict[Span, Cut]]"
"""A group in memory: newest rows, how many of them count, their layout, the sealed rows before them, cuts.

Cuts go with the state when the next row comes.
"""
_CUTS: Final = 16
"""Spans remembered of a group that gets no more rows."""

# The constructor of a named tuple runs in Python, once for each target at every query; this does not.
_matrix: Final[Callable[[tuple[object, ...]], SampleMatrix]] = partial(tuple.__new__, SampleMatrix)


class Cut(NamedTuple):
    """The newest rows of a group within a span.

    Attributes:
        whole: whether no older row can be within the span.
        sealed: whether an older row in memory can be.
        times: of the rows.
        values: all columns; none where there is no row.
        clear: whether no cell is stale or absent.
        first: the number of the first row.
        memo: what readers remember of these rows.

    """

    whole: bool
    sealed: bool
    times: Ints
    values: Floats | None
    clear: bool
    first: int
    memo: dict[str, Any]


def cut_rows(state: State, span: Span) -> Cut:
    """Find the rows of a span; remembered with the state by whichever thread comes first."""
    start, end = span
    raw, count, layout, parts, cuts = state
    clock = raw.clock
    first = bisect_right(clock, start, 0, count)
    behind = count if end >= clock[count - 1] else bisect_right(clock, end, first, count)
    values = raw.values[first:behind] if first < behind else None
    whole = start >= clock[0]
    # What was sealed may end before the span although the rows that stayed begin within it.
    sealed = not whole and any(part.last > start for part in parts)
    memo = {"layouts": (layout,)} if raw.last_hole < first else {}
    found = _cut((whole, sealed, raw.times[first:behind], values, raw.last_hole < first, first, memo))
    if len(cuts) >= _CUTS:
        cuts.clear()
    cuts[span] = found
    return found


_cut: Final[Callable[[tuple[object, ...]], Cut]] = partial(tuple.__new__, Cut)


class Muster(NamedTuple):
    """The newest rows of many groups, whatever the span.

    Attributes:
        states: of all the groups, in order.
        full: whether each of them has rows in memory; else what follows is empty.
        rows: buffer and number of rows of each group.
        layouts: of each group.
        begin: from which time on all groups have all their rows in memory.
        shortest: the newest row of the group whose newest row is oldest.
        end: the newest row of all.
        now: what readers remember of the newest rows.

    """

    states: tuple[State | None, ...]
    full: bool
    rows: list[tuple[RawRows, int]]
    layouts: tuple[Layout, ...]
    begin: Ms
    shortest: Ms
    end: Ms
    now: dict[str, Any]

    def still_holds(self, states: Mapping[int, State], gids: tuple[int, ...]) -> bool:
        """Whether a later view of the store would come to the same."""
        return all(map(is_, map(states.get, gids), self.states))


def muster(states: Mapping[int, State], gids: tuple[int, ...]) -> Muster:
    """Look at groups."""
    found = tuple(map(states.get, gids))
    there = [state for state in found if state is not None and state[1]]
    if len(there) < len(found):
        return Muster(found, False, [], (), 0, 0, 0, {})  # noqa: FBT003 - a record
    newest = [raw.clock[count - 1] for raw, count, _, _, _ in there]
    begin = max([raw.clock[0] for raw, _, _, _, _ in there])
    rows = [(raw, count) for raw, count, _, _, _ in there]
    layouts = tuple([layout for _, _, layout, _, _ in there])
    return Muster(found, True, rows, layouts, begin, min(newest), max(newest), {})  # noqa: FBT003 - a record


class Sheaf(NamedTuple):
    """The rows of many groups within a span.

    Attributes:
        states: of all the groups.
        whole: whether no older row of any group can be within the span.
        layouts: of all the groups; none for those without a row. What follows leaves these out.
        parts: row buffer, first row and the one behind the last of each group.
        clear: whether no group has a stale or absent cell; else the buffers are to be asked.
        memo: what readers remember of these rows.

    """

    states: tuple[State | None, ...]
    whole: bool
    layouts: tuple[Layout | None, ...]
    parts: list[tuple[RawRows, int, int]]
    clear: bool
    memo: dict[str, Any]

    def matrices(self, plan: JointPlan) -> Sequence[SampleMatrix]:
        """The columns of a plan for these layouts."""
        slots = plan.slots
        if self.clear:
            return Bundle(plan.labels, self.parts, slots, self.memo, plan.places)
        dense = [raw.dense(columns, first) for (raw, first, _), columns in zip(self.parts, slots, strict=True)]
        if all(dense):
            return Bundle(plan.labels, self.parts, slots, self.memo, plan.places)
        pairs = list(zip(self.parts, slots, strict=True))
        times = [raw.times[first:behind] for (raw, first, behind), _ in pairs]
        values = [raw.values[first:behind, columns] for (raw, first, behind), columns in pairs]
        # No starts: where there are any, they are looked up apart.
        return list(map(_matrix, zip(plan.labels, times, values, dense, repeat(None), strict=False)))


def bind_rows(groups: Muster, span: Span, *, in_memory: bool) -> Sheaf | None:
    """The rows of groups within a span; none where some of them have rows elsewhere than in memory."""
    start, end = span
    if not groups.full or not groups.begin <= start < groups.shortest or end < groups.end:
        return _bind_each(groups.states, span, in_memory=in_memory)
    # All groups have rows in the span, up to their newest, and all of them in memory.
    parts = [(raw, bisect_right(raw.clock, start, 0, count), count) for raw, count in groups.rows]
    clear = all(raw.last_hole < first for raw, first, _ in parts)
    memo: dict[str, Any] = {"now": groups.now}
    if clear:
        memo["layouts"] = groups.layouts
    return Sheaf(groups.states, True, groups.layouts, parts, clear, memo)  # noqa: FBT003 - a record


def _bind_each(found: tuple[State | None, ...], span: Span, *, in_memory: bool) -> Sheaf | None:
    """The same, group by group."""
    layouts: list[Layout | None] = []
    parts: list[tuple[RawRows, int, int]] = []
    clear = whole = True
    start, end = span
    for state in found:
        if state is None:
            if not in_memory:
                return None
            layouts.append(None)
            whole = False
            continue
        # As in ``cut_rows``; what is bound here is remembered with the sheaf.
        raw, count, layout, sealed, _ = state
        clock = raw.clock
        first = bisect_right(clock, start, 0, count)
        behind = count if end >= clock[count - 1] else bisect_right(clock, end, first, count)
        if start < clock[0]:
            if not in_memory or any(part.last > start for part in sealed):
                return None
            whole = False
        if first >= behind:
            layouts.append(None)
            continue
        layouts.append(layout)
        parts.append((raw, first, behind))
        clear = clear and raw.last_hole < first
    # Readers put together what they know of equal layouts; where any cell is missing they look at each metric alone.
    memo: dict[str, Any] = {"layouts": tuple(layouts)} if clear else {}
    return Sheaf(found, whole, tuple(layouts), parts, clear, memo)
