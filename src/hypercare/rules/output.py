"""What a group writes to the store: one row a tick, with staleness markers for series that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Ints
    from hypercare.model.time import Ms
    from hypercare.rules.answers import Value
    from hypercare.rules.data import RuleData


class Output:
    """Collects the results of a group's rules and appends them.

    Attributes:
        refused: samples that the store did not take (two rules yield one series, or time went back).

    """

    __slots__ = ("_columns", "_group", "_histograms", "_keys", "_known", "_stale", "_tsdb", "_values", "refused")

    def __init__(self, tsdb: RuleData, key: str) -> None:
        self._tsdb = tsdb
        self._group = tsdb.group(key)
        self._values: dict[int, float] = {}
        self._histograms: dict[int, Histogram] = {}
        self._stale: dict[int, None] = {}
        # Columns of series that a rule yields again and again, by the identity of their tuple, which is held.
        self._known: dict[int, tuple[Sequence[Labels], int, tuple[int, ...]]] = {}
        self._keys: tuple[int, ...] = ()
        self._columns: Ints = np.empty(0, dtype=np.int64)
        self.refused = 0

    @property
    def last(self) -> Ms | None:
        """Time of the newest row, or none."""
        return self._group.last

    def add(self, series: Sequence[Labels], values: Sequence[Value], before: Sequence[Labels]) -> None:
        """Take a rule's series.

        Args:
            series: with their names.
            values: theirs.
            before: what the rule wrote last; those that are not in ``series`` have ended.

        """
        if before is series and self._add_again(series, values):
            return
        self._known.pop(id(before), None)
        column = self._group.column
        for labels, value in zip(series, values, strict=True):
            number = column(labels)
            if number in self._values or number in self._histograms:
                self.refused += 1
            elif isinstance(value, Histogram):
                self._histograms[number] = value
            else:
                self._values[number] = float(value)
        if before and before != series:
            alive = frozenset(series)
            self.end(labels for labels in before if labels not in alive)

    def _add_again(self, series: Sequence[Labels], values: Sequence[Value]) -> bool:
        """Take floats of the same series as at the last tick; whether that is what they are."""
        known = self._known.get(id(series))
        if known is None or known[0] is not series or known[1] != self._group.generation:
            columns = tuple(map(self._group.column, series))
            # Two series of one column cannot be taken in this way.
            columns = columns if len(set(columns)) == len(columns) else ()
            known = self._known[id(series)] = (series, self._group.generation, columns)
        columns = known[2]
        if len(values) != len(columns) or self._histograms or Histogram in set(map(type, values)):
            return False
        if self._values and not self._values.keys().isdisjoint(columns):
            return False
        self._values.update(zip(columns, values, strict=True))  # type: ignore[arg-type]  # no histograms, as just seen
        return True

    def end(self, series: Iterable[Labels]) -> None:
        """Mark series as ended."""
        self._stale.update((self._group.column(labels), None) for labels in series)

    def flush(self, at: Ms) -> bool:
        """Append what was collected; whether there was anything."""
        if not self._values and not self._stale and not self._histograms:
            return False
        histograms, self._histograms = self._histograms, {}
        stale = [number for number in self._stale if number not in self._values and number not in histograms]
        keys = tuple(self._values)
        if keys != self._keys:
            # The store is fastest when it gets the very same array of columns again.
            self._keys, self._columns = keys, np.array(keys, dtype=np.int64)
        values = np.fromiter(self._values.values(), dtype=np.float64, count=len(keys))
        self._values, self._stale = {}, {}
        if not keys and not stale and not histograms:
            return False
        result = self._tsdb.append(
            self._group, at, self._columns, values, stale=stale, histograms=tuple(histograms.items())
        )
        self.refused += result.out_of_order + result.conflicts
        return True

    def close(self, at: Ms, series: Iterable[Labels]) -> None:
        """End series now, or right behind the newest row."""
        self.end(series)
        last = self._group.last
        self.flush(at if last is None else max(at, last + 1))
