"""Rows of any age: whole ones behind the newest row, others between or before the rows that are there.

A sample that is newer than the newest of its own series is in order, whatever the other series of its group have;
any other is out of order and accepted within a window alone. What falls among the uncompressed rows is filled in;
what is older becomes a small sealed segment that overlaps others in time, and that readers merge.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.samples import ABSENT, ABSENT_BITS, is_absent
from hypercare.tsdb.fields import SCHEMA, START, is_field, owner_of
from hypercare.tsdb.raw import RawRows, holes_of
from hypercare.tsdb.segment import seal

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head
    from hypercare.tsdb.segment import Segment

NEVER: Final = -(2**62)
"""A time before every sample."""
EVER: Final = 2**62
"""A time after every sample."""
_LATE_PARTS: Final = 8
"""Overlapping segments of one span of a group that are joined."""


class Outcome(NamedTuple):
    """What became of cells.

    Attributes:
        appended: floats stored.
        histograms: stored.
        duplicates: there already with the same value.
        conflicts: refused: there already with another value.
        too_old: refused for their age.
        conflict_column: the first column that had a conflict, -1: none.
        old_column: the first column that had a sample too old, -1: none.

    """

    appended: int = 0
    histograms: int = 0
    duplicates: int = 0
    conflicts: int = 0
    too_old: int = 0
    conflict_column: int = -1
    old_column: int = -1

    def plus(self, other: Outcome) -> Outcome:
        """Both together."""
        counts = [a + b for a, b in zip(self[:5], other[:5], strict=True)]
        conflict = self.conflict_column if self.conflict_column >= 0 else other.conflict_column
        old = self.old_column if self.old_column >= 0 else other.old_column
        return Outcome(counts[0], counts[1], counts[2], counts[3], counts[4], conflict, old)


class _Roles(NamedTuple):
    """What the columns of a row are.

    Attributes:
        floats: whether each is a series.
        whole: whether each stands for a histogram.
        owner: for each, the position of the column that decides whether its sample is there.
        sets: positions of the columns of each histogram.
        starts: positions of start timestamps.

    """

    floats: Bools
    whole: Bools
    owner: Ints
    sets: list[Ints]
    starts: Ints


def count_cells(group: Group, columns: Ints, present: Bools) -> tuple[int, int]:
    """Floats and histograms among the cells that a mask names; ``present`` has the shape [rows, columns]."""
    if not group.owners:
        return int(present.sum()), 0
    roles = _roles(group, columns)
    return int(present[:, roles.floats].sum()), int(present[:, roles.whole].sum())


def _roles(group: Group, columns: Ints) -> _Roles:
    numbers = columns.tolist()
    place = {number: at for at, number in enumerate(numbers)}
    floats = np.ones(len(numbers), dtype=np.bool_)
    whole = np.zeros(len(numbers), dtype=np.bool_)
    owner = np.arange(len(numbers), dtype=np.int64)
    sets: dict[int, list[int]] = {}
    starts: list[int] = []
    for at, number in enumerate(numbers):
        series = group.owners.get(number)
        if series is None:
            continue
        floats[at] = False
        schema = group.fields[series].get(SCHEMA)
        if group.fields[series].get(START) == number:
            starts.append(at)
            owner[at] = place.get(series, place.get(-1 if schema is None else schema, at))
            continue
        if schema is None or schema not in place:
            continue
        owner[at] = place[schema]
        whole[at] = number == schema
        sets.setdefault(series, []).append(at)
    arrays = [np.array(found, dtype=np.int64) for found in sets.values()]
    return _Roles(floats, whole, owner, arrays, np.array(starts, dtype=np.int64))


def write_rows(head: Head, group: Group, times: Ints, columns: Ints, cells: Floats, *, oldest: Ms | None) -> Outcome:
    """Take rows in; ``ABSENT`` cells have no sample.

    Args:
        head: where to.
        group: whose columns these are.
        times: of the rows, ascending, none twice.
        columns: column numbers, none twice.
        cells: float64[rows, columns].
        oldest: samples that are out of order are accepted from this time on; none: not at all.
    """
    last = group.last
    split = 0 if last is None else int(np.searchsorted(times, last, side="right"))
    if head.min_valid is not None:
        split = max(split, int(np.searchsorted(times, head.min_valid)))
    outcome = Outcome()
    if split:
        outcome = _write_late(head, group, times[:split], columns, cells[:split], oldest)
    if split < len(times):
        present = ~is_absent(cells[split:])
        floats, histograms = count_cells(group, columns, present)
        head.extend(group, times[split:], columns, cells[split:], present)
        outcome = outcome.plus(Outcome(floats, histograms))
    return outcome


def _with_all_fields(group: Group, columns: Ints, cells: Floats) -> tuple[Ints, Floats]:
    """Name the columns of all buckets of the histograms, so that they are compared as wholes."""
    if not group.owners:
        return columns, cells
    known = set(columns.tolist())
    more: list[int] = []
    for series in dict.fromkeys(group.owners[n] for n in columns.tolist() if n in group.owners):
        more += [number for number in group.fields[series].values() if number not in known]
    if not more:
        return columns, cells
    wider = np.full((len(cells), len(columns) + len(more)), ABSENT)
    wider[:, : len(columns)] = cells
    return np.concatenate([columns, np.array(more, dtype=np.int64)]), wider


def _write_late(head: Head, group: Group, times: Ints, columns: Ints, cells: Floats, oldest: Ms | None) -> Outcome:
    columns, cells = _with_all_fields(group, columns, cells)
    roles = _roles(group, columns)
    held_times, held = head.reader(group, columns, int(times[0]) - 1, EVER)
    newest = np.where(is_absent(held), NEVER, held_times[:, None]).max(axis=0, initial=NEVER)[roles.owner]
    existing = np.full(cells.shape, ABSENT)
    if len(held_times):
        at = np.minimum(np.searchsorted(held_times, times), len(held_times) - 1)
        hit = held_times[at] == times
        existing[hit] = held[at[hit]]
    there = ~is_absent(existing)[:, roles.owner]
    differs = existing.view(np.int64) != cells.view(np.int64)
    for members in roles.sets:
        differs[:, members] = differs[:, members].any(axis=1)[:, None]
    differs[:, roles.starts] = differs[:, roles.owner[roles.starts]]
    allowed = times[:, None] > newest
    if head.min_valid is not None:
        allowed &= (times >= head.min_valid)[:, None]
    if oldest is not None:
        allowed |= (times >= oldest)[:, None]
    present = ~is_absent(cells)
    known = present & there & (allowed | (times[:, None] == newest))
    fresh = present & allowed & ~there
    # Anchors and schemas are counted; the other fields come and go with them.
    counted = roles.floats | roles.whole
    conflicts = (known & differs)[:, counted]
    old = (present & ~known & ~fresh)[:, counted]
    numbers = columns[counted]
    if fresh.any():
        _store(head, group, times, columns, np.where(fresh, cells, ABSENT))
    outcome = Outcome(
        int(fresh[:, roles.floats].sum()),
        int(fresh[:, roles.whole].sum()),
        int((known & ~differs)[:, counted].sum()),
        int(conflicts.sum()),
        int(old.sum()),
        _first(conflicts, numbers),
        _first(old, numbers),
    )
    head.refused += outcome.conflicts + outcome.too_old
    head.appended += outcome.appended + outcome.histograms
    return outcome


def _first(mask: Bools, numbers: Ints) -> int:
    found = np.flatnonzero(mask.any(axis=0))
    return int(numbers[found[0]]) if len(found) else -1


def _store(head: Head, group: Group, times: Ints, columns: Ints, cells: Floats) -> None:
    """Put cells of which none is there yet where they belong."""
    present = ~is_absent(cells)
    rows, used = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
    times, columns, cells = times[rows], columns[used], np.ascontiguousarray(cells[np.ix_(rows, used)])
    raw = group.raw
    edge = raw.clock[0] if raw is not None and raw.count else EVER
    split = int(np.searchsorted(times, edge))
    if split < len(times) and head.min_valid is not None and times[split] < head.min_valid:
        # Rows of a span whose block is being written stay as they are; what comes to them stands apart.
        head.seal_before(group, head.min_valid)
        split = int(np.searchsorted(times, head.min_valid))
    if split < len(times):
        head.record(group, times[split:], columns, cells[split:], late=False)
        _fill(head, group, times[split:], columns, cells[split:])
    if split:
        head.record(group, times[:split], columns, cells[:split], late=True)
        _keep_late(head, group, times[:split], columns, cells[:split])


def _fill(head: Head, group: Group, times: Ints, columns: Ints, cells: Floats) -> None:
    """Fill cells of uncompressed rows; rows that are missing are put between the others."""
    raw = head.place(group, columns)
    target = group.target
    slots = np.arange(target.start, target.stop) if isinstance(target, slice) else target
    with head.lock:
        missing = times[~np.isin(times, raw.times[: raw.count])]
        if len(missing):
            raw = _with_rows(raw, missing)
        elif group.raw_epoch != head.epoch:
            raw = raw.copy(raw.capacity)
        group.set_raw(raw)
        group.raw_epoch = head.epoch
        rows = np.searchsorted(raw.times[: raw.count], times)
        where = np.ix_(rows, slots)
        raw.values[where] = np.where(is_absent(cells), raw.values[where], cells)
        head.note_holes(raw, slots)
        head.publish(group, raw)


def _with_rows(raw: RawRows, times: Ints) -> RawRows:
    """A copy with empty rows at more times."""
    old = raw.times[: raw.count]
    joint = np.union1d(old, times)
    other = RawRows(raw.layout, max(raw.capacity, len(joint) + 1), raw.values.shape[1] - raw.layout.width)
    values = np.full((len(joint), raw.layout.width), ABSENT)
    values[np.searchsorted(joint, old)] = raw.values[: raw.count, : raw.layout.width]
    other.fill(joint, values)
    return other


def _keep_late(head: Head, group: Group, times: Ints, columns: Ints, cells: Floats) -> None:
    """Make segments that overlap others; one for each span of a block."""
    spans = times // head.align if head.align else np.zeros(len(times), dtype=np.int64)
    for span in np.unique(spans).tolist():
        here = spans == span
        pieces: list[Piece] = [(columns, times[here], cells[here])]
        old = [p for p in group.parts if p.late and p.rows <= 1024 and head.align and p.first // head.align == span]
        if len(old) >= _LATE_PARTS:
            pieces = [*((p.layout.ids, p.times(), p.matrix()) for p in old), *pieces]
        else:
            old = []
        head.late += 1
        ids, joint, values = join_pieces(pieces)
        keep = ~is_absent(values).all(axis=0)
        layout = group.layout(ids[keep])
        segment = seal(layout, joint, values[:, keep], head.cache, late=head.late)
        head.replace_parts(group, old, segment)


Piece = tuple["Ints", "Ints", "Floats"]
"""Column numbers, times, cells [times, columns]."""


def join_pieces(pieces: list[Piece]) -> Piece:
    """Pieces that may overlap as one matrix; where two have a cell, the first one's stays."""
    ids = np.array(list(dict.fromkeys(n for numbers, _, _ in pieces for n in numbers.tolist())), dtype=np.int64)
    times = np.unique(np.concatenate([t for _, t, _ in pieces]))
    place = {number: at for at, number in enumerate(ids.tolist())}
    values = np.full((len(times), len(ids)), ABSENT)
    bits = values.view(np.int64)
    for numbers, at, cells in pieces:
        where = np.ix_(np.searchsorted(times, at), np.array([place[n] for n in numbers.tolist()], dtype=np.int64))
        values[where] = np.where(bits[where] == ABSENT_BITS, cells, values[where])
    return ids, times, values


def has_holes(values: Floats) -> bool:
    """Whether any cell is stale or absent."""
    return bool(holes_of(values).any())


def overlap(parts: list[Segment]) -> bool:
    """Whether segments, given by the time of their first row, reach into each other."""
    return any(a.last >= b.first for a, b in pairwise(parts))


def owner_labels(group: Group, column: int) -> str:
    """The series of a column in words."""
    labels = group.series[column]
    return str(owner_of(labels)[0] if is_field(labels) else labels)
