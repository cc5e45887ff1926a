"""Series of many groups in one answer: each group's matrix, or all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

import numpy as np

from hypercare.model.samples import SampleMatrix

if TYPE_CHECKING:
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints

Slots: TypeAlias = "slice | Ints"
_NEWEST: Final = 32_768
"""Columns of the newest rows that are put side by side for all metrics of a tick; of more the wanted ones are taken."""


class Bundle(Sequence[SampleMatrix]):
    """Matrices without a stale or absent cell, as ``SampleSource.select`` gives them; each is made only if asked for.

    Attributes:
        labels: of each matrix; the very same tuple as long as the series are the same.
        times: of each matrix.
        memo: what was computed of the times and rows of these groups, for all their metrics; keys are the reader's.

    """

    __slots__ = ("_matrices", "_newest", "_rows", "_slots", "labels", "memo", "times")

    def __init__(
        self,
        labels: tuple[tuple[Labels, ...], ...],
        times: Sequence[Ints],
        rows: Sequence[Floats],
        slots: Sequence[Slots],
        memo: dict[str, Any],
        newest: tuple[Sequence[int], Ints] | None = None,
    ) -> None:
        """Put one together.

        Args:
            labels: of each matrix.
            times: of each matrix.
            rows: of each group, all columns.
            slots: the wanted columns of each group.
            memo: of the groups in this span.
            newest: how many columns of each group count, and where the wanted ones stand when these are put side by
                side; none: they are taken one by one.

        """
        self.labels = labels
        self.times = times
        self.memo = memo
        self._rows = rows
        self._slots = slots
        self._newest = newest
        self._matrices: list[SampleMatrix] | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each matrix."""
        found: tuple[int, ...] | None = self.memo.get("lengths")
        if found is None:
            found = self.memo["lengths"] = tuple(map(len, self.times))
        return found

    @property
    def cells(self) -> int:
        """Samples in all of it."""
        return sum(map(mul, self.lengths, map(len, self.labels)))

    def newest(self) -> Floats:
        """The newest value of each series, ``[S]``."""
        if self._newest is None:
            return np.concatenate([rows[-1, slots] for rows, slots in zip(self._rows, self._slots, strict=True)])
        widths, places = self._newest
        joined: Floats | None = self.memo.get("newest")
        if joined is None:
            pairs = zip(self._rows, widths, strict=True)
            joined = self.memo["newest"] = np.concatenate([rows[-1, :width] for rows, width in pairs])
        found: Floats = joined[places]
        return found

    def stacked(self) -> Floats:
        """All values side by side, ``[most rows, S]``; where a group lacks some, its first one stands for them."""
        pairs = zip(self._rows, self._slots, strict=True)
        parts = [rows[:, slots] for rows, slots in pairs]
        lengths = self.lengths
        depth = max(lengths)
        if min(lengths) == depth:
            return np.concatenate(parts, axis=1)
        out = np.empty((depth, sum(map(len, self.labels))))
        at = 0
        for part, length, labels in zip(parts, lengths, self.labels, strict=True):
            behind = at + len(labels)
            out[depth - length :, at:behind] = part
            out[: depth - length, at:behind] = part[0]
            at = behind
        return out

    def matrices(self) -> list[SampleMatrix]:
        """One by one."""
        found = self._matrices
        if found is None:
            values = [rows[:, slots] for rows, slots in zip(self._rows, self._slots, strict=True)]
            parts = zip(self.labels, self.times, values, strict=True)
            found = self._matrices = [SampleMatrix(*part, dense=True) for part in parts]
        return found

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> SampleMatrix: ...
    @overload
    def __getitem__(self, index: slice) -> list[SampleMatrix]: ...
    def __getitem__(self, index: int | slice) -> SampleMatrix | list[SampleMatrix]:
        return self.matrices()[index]


def places_of(widths: Sequence[int], slots: Sequence[Slots]) -> tuple[Sequence[int], Ints] | None:
    """Where columns of groups stand when the rows of all groups are put side by side; none where that is too much."""
    if sum(widths) > _NEWEST:
        return None
    ends = np.cumsum([0, *widths]).tolist()
    parts = [np.arange(width)[wanted] + at for width, wanted, at in zip(widths, slots, ends, strict=False)]
    return widths, np.concatenate(parts)
