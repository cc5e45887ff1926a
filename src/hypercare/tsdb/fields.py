"""Native histograms and start timestamps as columns: what belongs to a series beside its floats.

A histogram is taken apart into float columns of its group (schema, sum, one for each bucket, …), so that log, head,
blocks, merging and deletion know nothing but columns, and buckets compress as well as classic ones do. Such a
column has the labels of its series and one more, whose name no other label can have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.histograms import NO_BUCKETS, Buckets, Histogram, ResetHint
from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.samples import Floats, Ints

FIELD: Final = "\x00"
"""Name of the label that makes a column a field; it sorts before every other name."""
START: Final = "start"
SCHEMA: Final = "schema"
"""Stands for the whole histogram: a row has one where this column has a value."""
FIXED: Final = (SCHEMA, "zero_threshold", "zero_count", "count", "sum", "hint")
_HINT: Final = FIXED.index("hint")
_SCHEMAS: Final = 1000
"""Beyond every schema there is, or may be."""
_CUSTOM: Final = "custom"
_HINTS: Final = (ResetHint.UNKNOWN, ResetHint.RESET, ResetHint.NOT_RESET, ResetHint.GAUGE)


def field_labels(labels: Labels, role: str) -> Labels:
    """The labels of a column that belongs to a series."""
    return Labels((*labels.pairs, (FIELD, role)))


def is_field(labels: Labels) -> bool:
    """Whether a column is no series of its own."""
    return bool(labels.pairs) and labels.pairs[0][0] == FIELD


def owner_of(labels: Labels) -> tuple[Labels, str]:
    """The series that a field belongs to, and what it says of it."""
    return Labels(labels.pairs[1:]), labels.pairs[0][1]


def roles_of(histogram: Histogram) -> list[str]:
    """The fields that a histogram fills, in the order of :func:`cells_of`."""
    roles = [*FIXED]
    roles += [f"+{index}" for index in histogram.positive.indexes.tolist()]
    roles += [f"-{index}" for index in histogram.negative.indexes.tolist()]
    if histogram.custom_values:
        roles.append(_CUSTOM + json.dumps(histogram.custom_values))
    return roles


def shape_of(histogram: Histogram) -> tuple[bytes, bytes, tuple[float, ...]]:
    """What two histograms with the same fields have in common."""
    return histogram.positive.indexes.tobytes(), histogram.negative.indexes.tobytes(), histogram.custom_values


def cells_of(histogram: Histogram) -> Floats:
    """A histogram as cells of its fields."""
    h = histogram
    head = (float(h.schema), h.zero_threshold, h.zero_count, h.count, h.sum, float(_HINTS.index(h.hint)))
    custom = (1.0,) if h.custom_values else ()
    return np.concatenate([head, h.positive.counts, h.negative.counts, custom])


class _Side(NamedTuple):
    """The buckets of one side: their columns, and the bucket each stands for."""

    columns: Ints
    indexes: Ints


class FieldPlan:
    """Which columns of a matrix are which fields of one series."""

    __slots__ = ("_customs", "_fixed", "_negative", "_positive", "labels", "start")

    def __init__(self, labels: Labels, roles: Sequence[tuple[str, int]]) -> None:
        self.labels = labels
        places = dict(roles)
        self.start = places.get(START)
        self._fixed = np.array([places.get(role, -1) for role in FIXED], dtype=np.int64)
        try:
            self._positive = _side(roles, "+")
            self._negative = _side(roles, "-")
            self._customs = [
                (column, tuple(map(float, json.loads(role.removeprefix(_CUSTOM)))))
                for role, column in roles
                if role.startswith(_CUSTOM)
            ]
        except (ValueError, TypeError, OverflowError, RecursionError):
            # Nobody here wrote such a name: what the columns mean is not known.
            self._fixed[:] = -1

    @property
    def has_histogram(self) -> bool:
        """Whether the fields are those of a histogram."""
        return bool((self._fixed >= 0).all())

    def rows(self, values: Floats) -> Ints:
        """Numbers of the rows that hold a histogram."""
        schema, hint = (np.ascontiguousarray(values[:, self._fixed[at]]) for at in (0, _HINT))
        # Numbers that no histogram has can only be damage that fits its checksum.
        sound = (np.abs(schema) < _SCHEMAS) & (hint >= 0) & (hint < len(_HINTS))
        return np.flatnonzero(~is_absent(schema) & sound)

    def build(self, values: Floats, rows: Ints) -> tuple[Histogram, ...]:
        """The histograms of some rows."""
        fixed = values[np.ix_(rows, self._fixed)].tolist()
        positive = _buckets(values, rows, self._positive)
        negative = _buckets(values, rows, self._negative)
        customs: list[tuple[float, ...]] = [()] * len(rows)
        for column, bounds in self._customs:
            for at in np.flatnonzero(~is_absent(values[rows, column])).tolist():
                customs[at] = bounds
        return tuple(
            Histogram(int(schema), threshold, zero, count, total, pos, neg, custom, _HINTS[int(hint)])
            for (schema, threshold, zero, count, total, hint), pos, neg, custom in zip(
                fixed, positive, negative, customs, strict=True
            )
        )


def _side(roles: Sequence[tuple[str, int]], sign: str) -> _Side:
    found = sorted((int(role[1:]), column) for role, column in roles if role.startswith(sign))
    return _Side(np.array([c for _, c in found], dtype=np.int64), np.array([i for i, _ in found], dtype=np.int64))


def _buckets(values: Floats, rows: Ints, side: _Side) -> list[Buckets]:
    if not len(side.columns):
        return [NO_BUCKETS] * len(rows)
    cells = values[np.ix_(rows, side.columns)]
    there = ~is_absent(cells)
    # Neighbouring rows mostly fill the same buckets: they share one array of indexes.
    known: dict[bytes, Ints] = {}
    found: list[Buckets] = []
    for row, mask in zip(cells, there, strict=True):
        key = mask.tobytes()
        indexes = known.get(key)
        if indexes is None:
            indexes = known[key] = side.indexes[mask]
        found.append(Buckets(indexes, row[mask]) if len(indexes) else NO_BUCKETS)
    return found


def plans_of(labels: Sequence[Labels]) -> list[FieldPlan]:
    """A plan for each series of which a matrix has fields; ``labels`` are those of its columns."""
    by_owner: dict[Labels, list[tuple[str, int]]] = {}
    for column, each in enumerate(labels):
        owner, role = owner_of(each)
        by_owner.setdefault(owner, []).append((role, column))
    return [FieldPlan(owner, roles) for owner, roles in by_owner.items()]
