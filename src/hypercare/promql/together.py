"""Functions over ranges of the same rows, computed for several selectors at once.

The rules of a group, or the checks of a watch, ask tick after tick for the rates of the same few metrics of the same
targets. Each of these is small, so that what it costs is the number of operations on arrays and not their size. What
was asked of the same rows at the last two ticks is therefore computed in one go when the first of it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from hypercare.model.bundle import Bundle, Places, places_of
from hypercare.promql.values import every
from hypercare.promql.windows import Joint

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.bundle import Slots
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.promql.functions.registry import Function, RangeArgs

Result: TypeAlias = "tuple[Floats, Bools | None]"
_LabelSets: TypeAlias = "tuple[tuple[Labels, ...], ...]"

_APART: Final = frozenset({"rate", "increase", "delta", "irate", "idelta", "changes", "resets"})
"""Functions whose value of a series is the same bit for bit whatever other series are computed with it."""
_CELLS: Final = 1 << 15
"""Samples of what is computed at once: of more, the size costs more than the number of operations."""
_HABITS: Final = 64


class _Asked(NamedTuple):
    """Some series of rows: how many columns these have is known to the places."""

    labels: _LabelSets
    slots: tuple[Slots, ...]
    places: Places


class _Union(NamedTuple):
    """The series of several selectors side by side.

    Attributes:
        members: the selectors, by the identity of their labels, which are held; and where their series stand.

    """

    members: dict[int, tuple[_Asked, Ints]]
    labels: _LabelSets
    slots: tuple[Ints, ...]
    places: Places


class _Habit:
    """What is asked of the rows of the same groups, tick after tick."""

    __slots__ = ("answers", "asked", "before", "memo", "union")

    def __init__(self) -> None:
        self.memo: dict[str, Any] | None = None
        self.asked: dict[int, _Asked] = {}
        self.before: dict[int, _Asked] = {}
        self.union: _Union | None = None
        self.answers: dict[int, Result] | None = None

    def begin(self, memo: dict[str, Any]) -> None:
        """Look at rows anew: ``memo`` is what readers remember of them."""
        asked, before = self.asked, self.before
        if asked.keys() == before.keys() and (self.union is None or self.union.members.keys() != asked.keys()):
            self.union = _united(list(asked.values())) if len(asked) > 1 else None
        self.memo, self.before, self.asked, self.answers = memo, asked, {}, None


class Together:
    """Remembers what was asked for; belongs to whoever asks the same again and again, and to one thread."""

    __slots__ = ("_habits",)

    def __init__(self) -> None:
        self._habits: dict[tuple[object, ...], _Habit] = {}

    def value(
        self, function: Function, bundle: Bundle, span: tuple[Ms, Ms], arguments: Callable[[], RangeArgs]
    ) -> Result | None:
        """The value of a function over a range; none where it is to be computed alone.

        Args:
            function: which one.
            bundle: of what.
            span: how long the range is, and how long before the instant of the evaluation it ends; ms.
            arguments: makes the further arguments of the function.

        """
        layouts = bundle.memo.get("layouts")
        if layouts is None or function.name not in _APART:
            return None
        key = (function.name, span, layouts)
        habit = self._habits.get(key)
        if habit is None:
            if len(self._habits) >= _HABITS:
                self._habits.clear()
            habit = self._habits[key] = _Habit()
        if habit.memo is not bundle.memo:
            habit.begin(bundle.memo)
        number = id(bundle.labels)
        habit.asked[number] = _Asked(bundle.labels, tuple(bundle.slots), bundle.places)
        union = habit.union
        if union is None or number not in union.members:
            return None
        if habit.answers is None:
            habit.answers = _computed(function, union, bundle, arguments())
        return habit.answers.get(number)


def _united(asked: list[_Asked]) -> _Union:
    """Put series of the same groups side by side, group after group."""
    groups = range(len(asked[0].slots))
    columns = [[_columns(one.slots[group], len(one.labels[group])) for one in asked] for group in groups]
    widths = np.array([[len(part) for part in each] for each in columns], dtype=np.int64)
    starts = (np.cumsum(widths) - widths.ravel()).reshape(widths.shape)
    members: dict[int, tuple[_Asked, Ints]] = {}
    for number, one in enumerate(asked):
        pairs = zip(starts[:, number].tolist(), widths[:, number].tolist(), strict=True)
        places = np.concatenate([np.arange(start, start + width) for start, width in pairs])
        members[id(one.labels)] = (one, places)
    labels = tuple([tuple([each for one in asked for each in one.labels[group]]) for group in groups])
    owners = np.repeat(np.arange(len(labels)), widths.sum(axis=1))
    slots = tuple([np.concatenate(each) for each in columns])
    newest = asked[0].places.newest
    if newest is None:
        return _Union(members, labels, slots, Places(int(widths.sum()), owners, None, {}))
    return _Union(members, labels, slots, places_of(labels, newest[0], slots))


def _columns(slots: Slots, width: int) -> Ints:
    return np.arange(slots.start, slots.start + width) if isinstance(slots, slice) else slots


def _computed(function: Function, union: _Union, bundle: Bundle, args: RangeArgs) -> dict[int, Result]:
    """The values for all members; nothing where they are too many to gain by it."""
    whole = Bundle(union.labels, bundle.parts, union.slots, bundle.memo, union.places)
    if function.over_range is None or whole.cells > _CELLS:
        return {}
    values, present = function.over_range(Joint(whole), args)
    if values.shape != (1, union.places.total):
        return {}
    found: dict[int, Result] = {}
    for number, (_, places) in union.members.items():
        there = None
        if present is not None:
            there = np.broadcast_to(present, values.shape).take(places, axis=1)
            there = None if every(there) else there
        found[number] = values.take(places, axis=1), there
    return found
