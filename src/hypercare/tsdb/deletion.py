"""Deletion of samples in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.samples import ABSENT, is_absent
from hypercare.tsdb.segment import seal

if TYPE_CHECKING:
    from hypercare.model.samples import Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head
    from hypercare.tsdb.segment import Segment


def with_fields(group: Group, series: Ints) -> Ints:
    """Columns of series and of all that is kept of them."""
    fields = [number for owner in series.tolist() for number in group.fields.get(owner, {}).values()]
    return np.concatenate([series, np.array(fields, dtype=np.int64)]) if fields else series


def delete_cells(head: Head, group: Group, columns: Ints, start: Ms, end: Ms) -> None:
    """Delete the cells of some columns from one time up to another, both included."""
    raw = group.raw
    if raw is None:
        return
    parts = [_without(head, part, columns, start, end) for part in group.parts]
    group.parts = tuple(part for part in parts if part is not None)
    first = bisect_left(raw.clock, start, 0, raw.count)
    behind = bisect_right(raw.clock, end, first, raw.count)
    slots = raw.layout.slots_of(columns)
    if first < behind and len(slots):
        # Readers may hold these rows.
        raw = raw.copy(raw.capacity)
        raw.values[first:behind, slots] = ABSENT
        head.note_holes(raw, slots)
        group.set_raw(raw)
        group.raw_epoch = head.epoch
    head.publish(group, raw)


def _without(head: Head, part: Segment, columns: Ints, start: Ms, end: Ms) -> Segment | None:
    """A segment without some cells; none where nothing is left."""
    slots = part.layout.slots_of(columns)
    if not len(slots) or part.first > end or part.last < start:
        return part
    times = part.times()
    first, behind = np.searchsorted(times, (start, end + 1)).tolist()
    if first == behind:
        return part
    values = np.array(part.matrix())
    values[first:behind, slots] = ABSENT
    if is_absent(values).all():
        return None
    return seal(part.layout, times, values, head.cache, late=part.late)
