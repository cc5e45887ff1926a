"""Which series match: postings by metric name, and answers remembered for each list of matchers.

An answer stays valid until a series with the same metric name appears anywhere; then only what is new is looked
at. The label tuples handed out are the same objects for as long as the series they list are the same.
"""

from __future__ import annotations

import itertools
import threading
from operator import is_
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from hypercare.model.bundle import Places, places_of
from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import MatchOp
from hypercare.tsdb.fields import START
from hypercare.tsdb.layout import Layout, Slots, as_slots
from hypercare.tsdb.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Ints
    from hypercare.tsdb.group import Group

_MEMO_LIMIT: Final = 4096
_COMPANIES: Final = 256
_MANY: Final = 4
"""Groups from which on it pays to look at them together."""
_PLAN_LIMIT: Final = 32
_uids = itertools.count()

LabelSets: TypeAlias = "tuple[Labels, ...]"


class Merge:
    """How parts of several layouts come together in one matrix.

    Attributes:
        labels: of the joint columns.
        moves: for each layout: its columns, and where they go; and whether they fill the whole matrix.

    """

    __slots__ = ("labels", "moves")

    def __init__(self, labels: LabelSets, moves: dict[Layout, tuple[Slots, Slots, bool]]) -> None:
        self.labels = labels
        self.moves = moves


class Match:
    """The series of one group that fit a list of matchers. Immutable but for what it remembers.

    Attributes:
        uid: a number that no other one ever has.

    """

    __slots__ = ("_fields", "_interned", "_merges", "_series", "_values", "gid", "group", "ids", "plans", "uid")

    def __init__(self, group: Group, ids: Ints, interned: dict[bytes, LabelSets]) -> None:
        self.uid = next(_uids)
        self.group = group
        self.gid = group.gid
        self.ids = ids
        self._series = group.series
        self.plans: dict[Layout, tuple[Slots, LabelSets]] = {}
        self._merges: dict[tuple[Layout, ...], Merge] = {}
        self._interned = interned
        self._fields: dict[bool, tuple[tuple[int, int], Match | None]] = {}
        # The tuples are held, so that no identity is used again.
        self._values: dict[tuple[str, int], tuple[LabelSets, frozenset[str]]] = {}

    def fields(self, *, starts: bool) -> Match | None:
        """The start timestamps, or the fields of histograms, of these series; none where there are none."""
        group = self.group
        version = (group.generation, len(group.owners))
        known = self._fields.get(starts)
        if known is not None and known[0] == version:
            return known[1]
        numbers: list[int] = []
        for owner in self.ids.tolist():
            roles = group.fields.get(owner)
            if roles:
                numbers += [number for role, number in tuple(roles.items()) if (role == START) is starts]
        found = Match(group, np.array(numbers, dtype=np.int64), {}) if numbers else None
        self._fields[starts] = (version, found)
        return found

    def grown(self, ids: Ints) -> Match:
        """A successor with more series, which hands out the same label tuples for the same series."""
        return Match(self.group, np.concatenate([self.ids, ids]), self._interned)

    def reborn(self, group: Group) -> Match:
        """An empty successor after numbers were given up."""
        return Match(group, np.empty(0, dtype=np.int64), self._interned)

    def values_of(self, name: str, labels: LabelSets) -> frozenset[str]:
        """The values of a label on label sets of one of its plans."""
        key = (name, id(labels))
        found = self._values.get(key)
        if found is None:
            if len(self._values) >= _PLAN_LIMIT:
                self._values = {}
            found = self._values[key] = (labels, frozenset([each.get(name) for each in labels]))
        return found[1]

    def plan_of(self, layout: Layout) -> tuple[Slots, LabelSets]:
        """``plan``, remembered."""
        return self.plans.get(layout) or self.plan(layout)

    def plan(self, layout: Layout) -> tuple[Slots, LabelSets]:
        """Columns of the layout that match, and their label sets."""
        positions = layout.slots_of(self.ids)
        found = (as_slots(positions), self._labels(layout.ids[positions]))
        if len(self.plans) >= _PLAN_LIMIT:
            self.plans = {}
        self.plans[layout] = found
        return found

    def merge(self, layouts: tuple[Layout, ...]) -> Merge:
        """A plan for several layouts, the one that orders the columns first."""
        found = self._merges.get(layouts)
        if found is not None:
            return found
        order: dict[int, int] = {}
        for layout in layouts:
            for number in layout.ids[layout.slots_of(self.ids)].tolist():
                order.setdefault(number, len(order))
        moves: dict[Layout, tuple[Slots, Slots, bool]] = {}
        for layout in layouts:
            source = layout.slots_of(self.ids)
            target = np.array([order[n] for n in layout.ids[source].tolist()], dtype=np.int64)
            # A slice keeps the order; numbers that are not ascending must be spelt out.
            ascending = len(target) < 2 or bool((np.diff(target) > 0).all())
            moves[layout] = (as_slots(source), as_slots(target) if ascending else target, len(source) == len(order))
        found = Merge(self._labels(np.array(list(order), dtype=np.int64)), moves)
        if len(self._merges) >= _PLAN_LIMIT:
            self._merges = {}
        self._merges[layouts] = found
        return found

    def sources(self, layouts: tuple[Layout, ...], layout: Layout) -> tuple[Ints, bool]:
        """Of the joint columns of some layouts: where they are in one of them, -1: not there; and whether all are."""
        if len(layouts) == 1:
            slots = self.plan_of(layout)[0]
            return (np.arange(slots.start, slots.stop) if isinstance(slots, slice) else slots), True
        merge = self.merge(layouts)
        source, target, whole = merge.moves[layout]
        joint = np.full(len(merge.labels), -1, dtype=np.int64)
        joint[target] = np.arange(source.start, source.stop) if isinstance(source, slice) else source
        return joint, whole

    def _labels(self, ids: Ints) -> LabelSets:
        series = self._series
        key = ids.tobytes()
        found = self._interned.get(key)
        if found is None:
            if len(self._interned) >= 4 * _PLAN_LIMIT:
                self._interned.clear()
            found = self._interned.setdefault(key, tuple(series[number] for number in ids.tolist()))
        return found


class JointPlan(NamedTuple):
    """Columns and label sets for the layouts of many groups, in their order, and how these lie."""

    layouts: tuple[Layout | None, ...]
    slots: tuple[Slots, ...]
    labels: tuple[LabelSets, ...]
    places: Places


_NOWHERE: Final = Places(0, None, None, {})


class Company:
    """Groups that are looked at together; equal ones are one object, so that its identity is enough as a key."""

    __slots__ = ("gids",)

    def __init__(self, gids: tuple[int, ...]) -> None:
        self.gids = gids


class Found:
    """The series that fit a list of matchers, by group. Immutable but for what it remembers."""

    __slots__ = ("_plan", "company", "matches")

    def __init__(self, matches: tuple[Match, ...], company: Company | None = None) -> None:
        self.matches = matches
        # None where they are too few for it to pay.
        self.company = company
        self._plan = JointPlan((), (), (), _NOWHERE)

    def plan(self, layouts: tuple[Layout | None, ...]) -> JointPlan | None:
        """A plan for a layout a group (none: nothing wanted of it); none where one of them has no such series."""
        plan = self._plan
        if plan.layouts != layouts:
            plan = self._plan = self._joint(layouts, plan.labels)
        return plan if plan.labels else None

    def _joint(self, layouts: tuple[Layout | None, ...], before: tuple[LabelSets, ...]) -> JointPlan:
        pairs = zip(self.matches, layouts, strict=True)
        plans = [match.plans.get(each) or match.plan(each) for match, each in pairs if each is not None]
        slots, labels = tuple([slots for slots, _ in plans]), tuple([labels for _, labels in plans])
        if not all(labels):
            return JointPlan(layouts, (), (), _NOWHERE)
        if len(labels) == len(before) and all(map(is_, labels, before)):
            # Readers know the series by this very tuple.
            labels = before
        widths = [each.width for each in layouts if each is not None]
        return JointPlan(layouts, slots, labels, places_of(labels, widths, slots))


class _Entry:
    """A remembered answer."""

    __slots__ = ("by_gid", "epoch", "found", "name", "seen", "tests", "version")

    def __init__(self, matchers: tuple[Matcher, ...]) -> None:
        exact = [m for m in matchers if m.name == METRIC_NAME and m.op is MatchOp.EQUAL and m.value]
        self.name: str | None = exact[0].value if exact else None
        self.tests = tuple(m for m in matchers if m not in exact[:1])
        self.version = -1
        self.epoch = -1
        # How many series there were when the answer was found.
        self.seen = 0
        self.by_gid: dict[int, Match] = {}
        self.found = Found(())


class Index:
    """All series of a store by metric name."""

    def __init__(self) -> None:
        self._table = Table()
        self._groups: dict[int, Group] = {}
        # Under None: of all names together.
        self._versions: dict[str | None, int] = {None: 0}
        self._epoch = 0
        self._memo: dict[tuple[Matcher, ...], _Entry] = {}
        # The tuples are held, so that no identity is used again.
        self._by_identity: dict[int, tuple[tuple[Matcher, ...], _Entry]] = {}
        self._companies: dict[tuple[int, ...], Company] = {}
        self._lock = threading.Lock()
        # One object for each pair of label name and value.
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._removed = 0
        self.series = 0
        # Whether there ever was a start timestamp, a histogram: where not, no reader looks for them.
        self.starts = False
        self.histograms = False

    def add_field(self, group: Group, owner: int, role: str) -> None:
        """Hear that something is kept of a series beside its floats."""
        del group, owner
        if role == START:
            self.starts = True
        else:
            self.histograms = True

    def add(self, group: Group, number: int, labels: Labels) -> None:
        """Take a new series in."""
        name = labels.name
        with self._lock:
            labels.share(self._pairs)
            self._groups[group.gid] = group
            self._table.add(group.gid, number, labels)
            self._versions[name] = self._versions.get(name, 0) + 1
            self._versions[None] += 1
            self.series += 1

    def remove(self, group: Group, numbers: Iterable[int], names: Iterable[str]) -> None:
        """Forget series, given with the metric names that they had."""
        gone = frozenset(numbers)
        with self._lock:
            self._table.remove(group.gid, gone)
            for name in dict.fromkeys(names):
                self._versions[name] = self._versions.get(name, 0) + 1
            if self._table.dead > len(self._table) // 2:
                self._table = self._table.compact()
            self._versions[None] += 1
            self._epoch += 1
            self.series -= len(gone)
            self._removed += len(gone)
            if self._removed > self.series + 10_000:
                # Pairs of series that are gone go too; those that are still in use are met again.
                self._pairs, self._removed = {}, 0
            if all(number in gone or number in group.owners for number in group.series):
                del self._groups[group.gid]

    def groups(self) -> list[Group]:
        """All groups that have series, oldest first."""
        with self._lock:
            return list(self._groups.values())

    def find(self, matchers: tuple[Matcher, ...]) -> Found:
        """The matching series by group, in the order in which the groups appeared."""
        # Expressions bring the same tuple again and again: its identity is found sooner than its value.
        known = self._by_identity.get(id(matchers))
        if known is not None and known[0] is matchers:
            entry = known[1]
            if entry.version == self._versions.get(entry.name, 0):
                return entry.found
        with self._lock:
            entry = self._update(matchers)
            if len(self._by_identity) >= _MEMO_LIMIT:
                self._by_identity.clear()
            self._by_identity[id(matchers)] = (matchers, entry)
            return entry.found

    def _update(self, matchers: tuple[Matcher, ...]) -> _Entry:
        entry = self._memo.get(matchers)
        if entry is not None and entry.version == self._versions.get(entry.name, 0):
            return entry
        if entry is None:
            if len(self._memo) >= _MEMO_LIMIT:
                for old in list(self._memo)[: _MEMO_LIMIT // 2]:
                    del self._memo[old]
            entry = _Entry(matchers)
            self._memo[matchers] = entry
        if entry.epoch != self._epoch:
            entry.epoch = self._epoch
            entry.seen = 0
            groups = self._groups
            entry.by_gid = {gid: m.reborn(groups[gid]) for gid, m in entry.by_gid.items() if gid in groups}
        for gid, numbers in self._table.find(entry.name, entry.tests, entry.seen):
            match = entry.by_gid.get(gid) or Match(self._groups[gid], np.empty(0, dtype=np.int64), {})
            entry.by_gid[gid] = match.grown(numbers)
        entry.seen = len(self._table)
        found = [(gid, match) for gid, match in entry.by_gid.items() if len(match.ids)]
        matches = tuple([match for _, match in sorted(found, key=lambda item: item[0])])
        entry.found = Found(matches, self._company(tuple([match.gid for match in matches])))
        entry.version = self._versions.get(entry.name, 0)
        return entry

    def _company(self, gids: tuple[int, ...]) -> Company | None:
        if len(gids) < _MANY:
            return None
        if len(self._companies) >= _COMPANIES and gids not in self._companies:
            self._companies.clear()
        return self._companies.setdefault(gids, Company(gids))
