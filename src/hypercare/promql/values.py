"""What expressions evaluate to. Arrays are shared between results and caches: nobody writes into them.

A vector over a grid holds ``values[K, S]``: K steps, S series. Where a series has no value at a step is told by a
mask, so that the set of labels stays one object from step to step and from tick to tick: what is derived from it
(names dropped, groups, matches) is remembered with it and computed once.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from hypercare.model.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from hypercare.model.bundle import Bundle
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms

METADATA: Final = (METRIC_NAME, "__type__", "__unit__")
"""Labels that go when the metric name goes: they describe the metric, not the thing measured."""

Cells: TypeAlias = npt.NDArray[np.object_]
"""Native histograms, none where there is none."""

_T = TypeVar("_T")
_MEMO_SIZE: Final = 256


class LabelSets:
    """An immutable sequence of label sets and what was derived from it."""

    __slots__ = ("_memo", "_nameless", "_unique", "labels")

    def __init__(self, labels: tuple[Labels, ...]) -> None:
        self.labels = labels
        self._nameless: LabelSets | None = None
        self._unique: bool | None = None
        self._memo: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def memo(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """The remembered value of ``make`` for a key."""
        try:
            found: _T = self._memo[key]
        except KeyError:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            found = self._memo[key] = make()
        return found

    def nameless(self) -> LabelSets:
        """The same without names."""
        found = self._nameless
        if found is None:
            found = self._nameless = LabelSets(tuple([without_metadata(labels) for labels in self.labels]))
        return found

    def pick(self, indices: Sequence[int] | Ints) -> LabelSets:
        """Some of them, in the order given."""
        labels = self.labels
        return LabelSets(tuple([labels[int(i)] for i in indices]))

    def unique(self) -> bool:
        """Whether no two are equal."""
        found = self._unique
        if found is None:
            found = self._unique = len(set(self.labels)) == len(self.labels)
        return found


EMPTY_SETS: Final = LabelSets(())


def every(mask: Bools) -> bool:
    """Whether all cells are set; several times faster on small arrays than ``mask.all()``."""
    return bool(np.count_nonzero(mask) == mask.size)


def filled(hists: Cells) -> Bools:
    """Where there is a histogram."""
    there: Bools = hists != None  # noqa: E711  # compares the cells
    return there


_NOTHING: Final = np.array(None, dtype=np.object_)


def only_where(hists: Cells, mask: Bools) -> Cells:
    """The histograms of the cells that are set, of the same shape."""
    return np.where(mask, hists, _NOTHING)


def without_metadata(labels: Labels) -> Labels:
    """The labels without the metric name, type and unit."""
    return labels.without(METADATA) if any(name in labels for name in METADATA) else labels


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """The steps of an evaluation.

    Attributes:
        times: int64[K] in ms, evenly ``step`` apart.
        start, end, query_step: of the whole query, what ``start()``, ``end()`` and ``step()`` mean.

    """

    times: Ints
    step: Ms
    start: Ms
    end: Ms
    query_step: Ms = 0

    @classmethod
    def at(cls, when: Ms) -> Grid:
        """One step."""
        return cls(np.array([when], dtype=np.int64), 0, when, when)

    @property
    def size(self) -> int:
        """The number of steps."""
        return len(self.times)

    @property
    def first(self) -> Ms:
        """The first step."""
        return int(self.times[0])

    @property
    def last(self) -> Ms:
        """The last step."""
        return int(self.times[-1])


class Vector(NamedTuple):  # made by every node of every expression: a tuple is the cheapest record
    """An instant vector over a grid.

    Attributes:
        values: ``[K, S]``.
        present: bool ``[K, S]``, where there is a float; none: everywhere.
        unnamed: which series lose their name at the end of the query (a bool for all of them, or one each). Names
            stay visible until then, so that ``label_replace`` or ``by (__name__)`` can still use them.
        hists: ``[K, S]``, the native histograms; none: there is not one, which is the common case. No cell holds a
            histogram and a float, so that what knows nothing of histograms sees the floats and leaves the rest out.

    """

    sets: LabelSets
    values: Floats
    present: Bools | None = None
    unnamed: bool | Bools = False
    hists: Cells | None = None

    @property
    def mask(self) -> Bools:
        """``present`` as an array."""
        return np.ones(self.values.shape, dtype=np.bool_) if self.present is None else self.present

    @property
    def there(self) -> Bools:
        """Where there is a sample, float or histogram, ``[K, S]``."""
        return self.mask if self.hists is None else self.mask | filled(self.hists)

    def only_floats(self) -> Vector:
        """The same without histograms."""
        return self if self.hists is None else Vector(self.sets, self.values, self.mask, self.unnamed)

    def with_values(self, values: Floats, present: Bools | None = None, *, unnamed: bool = True) -> Vector:
        """The same series with other values and no histograms; ``present`` narrows the mask further."""
        both = self.present if present is None else present if self.present is None else self.present & present
        return Vector(self.sets, values, both, True if unnamed else self.unnamed)

    def take(self, columns: Ints) -> Vector:
        """Some series of it."""
        present = None if self.present is None else self.present[:, columns]
        unnamed = self.unnamed if isinstance(self.unnamed, bool) else self.unnamed[columns]
        hists = None if self.hists is None else self.hists[:, columns]
        return Vector(self.sets.pick(columns), self.values[:, columns], present, unnamed, hists)

    def alive(self) -> Vector:
        """Without the series that have no value at any step."""
        if self.present is None:
            return self
        columns = np.flatnonzero(self.there.any(axis=0))
        return self if len(columns) == len(self.sets) else self.take(columns)


class Scalar(NamedTuple):
    """A number a step: ``values[K]``."""

    values: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    text: str


class Block(NamedTuple):  # made for every target at every evaluation: a tuple is the cheapest record
    """Series that share their timestamps without a gap.

    Attributes:
        columns: their places among the series of the range vector.
        times: int64[T].
        values: ``[T, len(columns)]``.
        starts: start timestamps, int64, of the same shape as the values, 0 where unknown; none: none is known.

    """

    columns: Ints
    times: Ints
    values: Floats
    starts: Ints | None = None


class Mixed(NamedTuple):
    """One series of a range vector that has histograms, and maybe floats at other times.

    Attributes:
        column: its place among the series of the range vector.
        times: int64[T], ascending.
        values: float64[T]; any number where there is a histogram.
        hists: the histograms, ``[T]``, none where there is a float.
        starts: int64[T], start timestamps, 0 where unknown; none: none is known.

    """

    column: int
    times: Ints
    values: Floats
    hists: Cells
    starts: Ints | None = None


class RangeVector(NamedTuple):
    """A range vector over a grid.

    Attributes:
        blocks: every series is in at most one.
        end: the ends of the windows in ms, int64[K], or int64[1] where all steps look at the same instant.
        range: the width of the windows, ms; a window holds ``end - range < t <= end``.
        mode: ``anchored``, ``smoothed`` or empty.
        slack: how far beyond its window an extended mode may look, ms.
        whole: whether the blocks hold all series, in order.
        mixed: series with histograms; they are in no block.
        bundle: instead of blocks, where each series has one window: all of them at once.

    """

    sets: LabelSets
    blocks: tuple[Block, ...]
    end: Ints
    range: Ms
    unnamed: bool | Bools = False
    mode: str = ""
    slack: Ms = 0
    whole: bool = False
    mixed: tuple[Mixed, ...] = ()
    bundle: Bundle | None = None


Value: TypeAlias = "Vector | Scalar | Text | RangeVector"
