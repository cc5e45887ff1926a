"""All series as a table: a column of numbers for each label that was ever asked for, one number for each value.

A matcher is tried once on each value, not on each series, and where its pattern is a plain word, a choice of words or
a word with ``.*`` around it, without the regular expression; what remains is comparing numbers in arrays.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import MatchOp, compile_anchored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Bools, Ints

_PLAIN: Final = r"[^.^$*+?()\[\]{}|\\]"
_CHOICE: Final = re.compile(rf"\(?(?:\?:)?({_PLAIN}*(?:\|{_PLAIN}*)*)\)?", re.DOTALL)
_AROUND: Final = re.compile(rf"(\.[*+])?({_PLAIN}*)(\.[*+])?", re.DOTALL)
_VERDICTS: Final = 512
"""Matchers of which the verdicts are remembered, for each label."""


class Numbers:
    """A growing array of int64."""

    __slots__ = ("_data", "count")

    def __init__(self) -> None:
        self._data = np.empty(64, dtype=np.int64)
        self.count = 0

    def extend(self, values: Sequence[int] | Ints) -> None:
        """Put values behind the others."""
        end = self.count + len(values)
        if end > len(self._data):
            larger = np.empty(max(end, 2 * len(self._data)), dtype=np.int64)
            larger[: self.count] = self._data[: self.count]
            self._data = larger
        self._data[self.count : end] = values
        self.count = end

    @property
    def array(self) -> Ints:
        """The values so far."""
        return self._data[: self.count]


class Column:
    """One label: the number of its value for each series, 0 where the series lacks it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids = Numbers()
        self._values: list[str] = [""]
        self._id_of: dict[str, int] = {"": 0}
        self._verdicts: dict[tuple[MatchOp, str], Bools] = {}

    def array(self, series: Sequence[Labels | None]) -> Ints:
        """The numbers of all series."""
        if self._ids.count < len(series):
            self._ids.extend(list(self._numbers(series[self._ids.count :])))
        return self._ids.array

    def _numbers(self, series: Sequence[Labels | None]) -> Iterator[int]:
        wanted, id_of, values = self._name, self._id_of, self._values
        for labels in series:
            number = 0
            for name, value in () if labels is None else labels.pairs:
                if name == wanted:
                    found = id_of.get(value)
                    if found is None:
                        found = id_of[value] = len(values)
                        values.append(value)
                    number = found
                    break
            yield number

    def id_of(self, value: str) -> int:
        """The number of a value; -1 where no series has it."""
        return self._id_of.get(value, -1)

    def verdicts(self, matcher: Matcher) -> Bools:
        """Whether a matcher fits each value, by the number of the value."""
        key = (matcher.op, matcher.value)
        known = self._verdicts.get(key)
        done = 0 if known is None else len(known)
        if known is None or done < len(self._values):
            fits = _test_of(matcher)
            fresh = np.fromiter(map(fits, self._values[done:]), dtype=np.bool_, count=len(self._values) - done)
            known = fresh if known is None else np.concatenate([known, fresh])
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            self._verdicts[key] = known
        return known


class Table:
    """The series of a store, each with a place; places are given up all at once by :meth:`compact`."""

    def __init__(self) -> None:
        self._labels: list[Labels | None] = []
        self._gids: list[int] = []
        self._numbers: list[int] = []
        self._gid_array = Numbers()
        self._number_array = Numbers()
        self._names: dict[str, array[int]] = {}
        self._columns: dict[str, Column] = {}
        self.dead = 0

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, gid: int, number: int, labels: Labels) -> None:
        """Take a series in."""
        place = len(self._labels)
        self._labels.append(labels)
        self._gids.append(gid)
        self._numbers.append(number)
        name = labels.name
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = array("q")
        found.append(place)

    def _settle(self) -> None:
        """Put what came since into the arrays."""
        if self._gids:
            self._gid_array.extend(self._gids)
            self._number_array.extend(self._numbers)
            self._gids, self._numbers = [], []

    def remove(self, gid: int, numbers: Iterable[int]) -> None:
        """Forget series of a group."""
        self._settle()
        places = np.flatnonzero(self._gid_array.array == gid)
        gone = places[np.isin(self._number_array.array[places], np.fromiter(numbers, dtype=np.int64))]
        for place in gone.tolist():
            self._labels[place] = None
        self._gid_array.array[gone] = -1
        self.dead += len(gone)

    def compact(self) -> Table:
        """A table without what was removed; places in it are others."""
        self._settle()
        other = Table()
        gids, numbers = self._gid_array.array.tolist(), self._number_array.array.tolist()
        for gid, number, labels in zip(gids, numbers, self._labels, strict=True):
            if labels is not None:
                other.add(gid, number, labels)
        return other

    def find(self, name: str | None, tests: Sequence[Matcher], since: int) -> Iterator[tuple[int, Ints]]:
        """The series from a place on that fit, as group numbers with the series' numbers there.

        Args:
            name: only series with this metric name.
            tests: matchers, without the one on the name.
            since: only series that were taken in after so many others.
        """
        self._settle()
        places = self._candidates(name, tests, since)
        gids = self._gid_array.array
        places = places[gids[places] >= 0]
        for matcher in sorted(tests, key=_cost):
            if not len(places):
                return
            places = places[self._fits(matcher, places)]
        if not len(places):
            return
        order = np.argsort(gids[places], kind="stable")
        places = places[order]
        groups, begins = np.unique(gids[places], return_index=True)
        numbers = np.split(self._number_array.array[places], begins[1:])
        yield from zip(groups.tolist(), numbers, strict=True)

    def _candidates(self, name: str | None, tests: Sequence[Matcher], since: int) -> Ints:
        if name is not None:
            found = self._names.get(name)
            return _copy(found[bisect_left(found, since) :] if found is not None else array("q"))
        names = next((test for test in tests if test.name == METRIC_NAME), None)
        if names is None:
            return np.arange(since, len(self._labels), dtype=np.int64)
        fits = _test_of(names)
        chosen = [_copy(found) for each, found in self._names.items() if fits(each)]
        if not chosen:
            return np.empty(0, dtype=np.int64)
        every: Ints = np.sort(np.concatenate(chosen))
        return every[np.searchsorted(every, since) :]

    def _fits(self, matcher: Matcher, places: Ints) -> Bools:
        if matcher.name == METRIC_NAME and matcher.op in {MatchOp.REGEX, MatchOp.NOT_REGEX} and len(places) < 64:
            fits = _test_of(matcher)
            return np.fromiter((fits(self._name_at(p)) for p in places.tolist()), dtype=np.bool_, count=len(places))
        column = self._columns.get(matcher.name)
        if column is None:
            column = self._columns[matcher.name] = Column(matcher.name)
        ids = column.array(self._labels)[places]
        if matcher.op is MatchOp.EQUAL:
            equal: Bools = ids == column.id_of(matcher.value)
            return equal
        if matcher.op is MatchOp.NOT_EQUAL:
            differs: Bools = ids != column.id_of(matcher.value)
            return differs
        verdicts: Bools = column.verdicts(matcher)[ids]
        return verdicts

    def _name_at(self, place: int) -> str:
        labels = self._labels[place]
        return "" if labels is None else labels.name


def _copy(places: array[int]) -> Ints:
    """The same numbers for numpy; the array itself could not grow while numpy looks at it."""
    return np.frombuffer(places.tobytes(), dtype=np.int64)


def _cost(matcher: Matcher) -> int:
    """Matchers that leave few series come first."""
    return (MatchOp.EQUAL, MatchOp.REGEX, MatchOp.NOT_REGEX, MatchOp.NOT_EQUAL).index(matcher.op)


def _test_of(matcher: Matcher) -> Callable[[str], bool]:
    """A function that tells whether a matcher fits a value."""
    if matcher.op is MatchOp.EQUAL:
        return matcher.value.__eq__
    if matcher.op is MatchOp.NOT_EQUAL:
        return matcher.value.__ne__
    fits = _pattern_test(matcher.value)
    if matcher.op is MatchOp.REGEX:
        return fits
    return lambda value: not fits(value)


def _pattern_test(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether an anchored RE2 pattern fits a value; plain where the pattern is."""
    choice = _CHOICE.fullmatch(pattern)
    if choice is not None and pattern.startswith("(") == pattern.endswith(")") and "?:" not in choice[1]:
        return frozenset(choice[1].split("|")).__contains__
    around = _AROUND.fullmatch(pattern)
    if around is not None:
        return _around_test(around[1], around[2], around[3])
    search = compile_anchored(pattern).search
    return lambda value: search(value) is not None


def _around_test(before: str | None, word: str, behind: str | None) -> Callable[[str], bool]:
    """A test for a word with anything (``.*``), or at least one character (``.+``), before or behind it."""
    least = (before == ".+") + (behind == ".+")
    if not word:
        return (lambda value: len(value) >= least) if least else (lambda _value: True)
    if before is None:
        length = len(word) + least
        return lambda value: value.startswith(word) and len(value) >= length
    if behind is None:
        length = len(word) + least
        return lambda value: value.endswith(word) and len(value) >= length
    first = 1 if before == ".+" else 0
    last = 1 if behind == ".+" else 0
    return lambda value: value.find(word, first, len(value) - last if last else None) >= 0
