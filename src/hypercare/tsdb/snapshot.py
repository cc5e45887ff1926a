"""What readers hold: the state of every group at one moment. Nothing in it changes any more."""

from __future__ import annotations

from bisect import bisect_right
from itertools import compress, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.bundle import Bundle
from hypercare.model.histograms import HistogramSeries
from hypercare.model.samples import ABSENT, SampleMatrix, is_absent
from hypercare.tsdb.bindings import Bindings
from hypercare.tsdb.cuts import cut_rows
from hypercare.tsdb.fields import owner_of, plans_of
from hypercare.tsdb.index import Match
from hypercare.tsdb.kept import Kept, KeptStrip, Origin
from hypercare.tsdb.raw import RawRows, holes_of
from hypercare.tsdb.rows import EVER
from hypercare.tsdb.segment import Segment
from hypercare.tsdb.stats import Stats, count_series
from hypercare.tsdb.strips import Piece, Strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.block import Block
    from hypercare.tsdb.cuts import State
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.index import Index
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.segment import DecodedCache

_NO_ROWS: Final = np.empty(0, dtype=np.int64)


class _Part(NamedTuple):
    """Rows ``start`` to ``end`` of one piece of a group."""

    rows: RawRows | Segment
    layout: Layout
    times: Ints
    start: int
    end: int


class Totals(NamedTuple):
    """Counters of the store at the moment of the snapshot."""

    samples_appended: int
    out_of_order: int
    bytes_on_disk: int


class Size(NamedTuple):
    """What can be told of a store without looking at its series.

    Attributes:
        head_series: series of the rows in memory.
        samples_appended: since the store was opened.
        out_of_order: samples refused since then.

    """

    head_series: int
    samples_appended: int
    out_of_order: int


class Snapshot:
    """An immutable view of a store; every method may be called from any thread."""

    __slots__ = (
        "_blocks",
        "_cache",
        "_index",
        "_sealed_until",
        "_states",
        "_totals",
        "_version",
        "bindings",
    )

    def __init__(
        self,
        index: Index,
        states: dict[int, State],
        blocks: tuple[Block, ...],
        sealed_until: Ms,
        totals: Totals,
        *,
        cache: DecodedCache,
        version: int = 0,
        before: Bindings | None = None,
    ) -> None:
        """Put a view together.

        Args:
            index: all series.
            states: of the groups in memory.
            blocks: oldest first.
            sealed_until: end of the span of the newest block, ms.
            totals: counters.
            cache: what was decompressed for earlier readers.
            version: of the list of blocks, another one for every list.
            before: what was bound for readers of the snapshot before.

        """
        self._index = index
        self._states = states
        self._blocks = blocks
        self._sealed_until = sealed_until
        self._totals = totals
        self._cache = cache
        self._version = version
        # For the next snapshot to look at, too.
        self.bindings = Bindings(states, before)

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[HistogramSeries]:
        """Native histograms of the matching series with ``start < t <= end``; empty at once where none is stored."""
        if not self._index.histograms:
            return []
        out: list[HistogramSeries] = []
        for match in self._index.find(matchers).matches:
            fields = match.fields(starts=False)
            if fields is None:
                continue
            starts = self._starts(match, start, end)
            for found in self._gather(fields, start, end):
                harmed = self._harmed(fields, start, end)
                for plan in plans_of(found.labels):
                    rows = plan.rows(found.values) if plan.has_histogram else _NO_ROWS
                    if harmed and plan.labels in harmed:
                        rows = rows[~np.isin(found.times[rows], harmed[plan.labels])]
                    if len(rows):
                        times = found.times[rows]
                        began = _starts_of(starts, [plan.labels], times)
                        column = None if began is None else began[:, 0]
                        out.append(HistogramSeries(plan.labels, times, plan.build(found.values, rows), column))
        return out

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """All samples of the matching series with ``start < t <= end``, one matrix a group.

        The values may be views of the store's memory: do not write to them.
        """
        span = (start, end)
        in_memory = start >= self._sealed_until - 1 or not self._blocks
        found = self._index.find(matchers)
        if self._index.starts:
            return [matrix for match in found.matches for matrix in self._with_starts(match, start, end)]
        if found.company is not None:
            sheaf = self.bindings.sheaf(found.company, span, in_memory=in_memory)
            plan = None if sheaf is None else found.plan(sheaf.layouts)
            if sheaf is not None and plan is not None:
                return sheaf.matrices(plan)
        out: list[SampleMatrix] = []
        for match in found.matches:
            state = self._states.get(match.gid)
            if state is None:
                if not in_memory:
                    out += self._gather(match, start, end)
                continue
            raw, _, layout, _, cuts = state
            cut = cuts.get(span) or cut_rows(state, span)
            if not cut.whole and (cut.sealed or not in_memory):
                out += self._gather(match, start, end)
            elif cut.values is not None:
                slots, labels = match.plans.get(layout) or match.plan(layout)
                if labels:
                    dense = cut.clear or raw.dense(slots, cut.first)
                    if dense and len(found.matches) == 1:
                        plan = found.plan((layout,))
                        if plan is not None:
                            part = (raw, cut.first, cut.first + len(cut.times))
                            return Bundle(plan.labels, (part,), plan.slots, cut.memo, plan.places)
                    out.append(SampleMatrix(labels, cut.times, cut.values[:, slots], dense))
        return out

    def _parts(self, gid: int, start: Ms, end: Ms) -> Iterator[_Part]:
        """The pieces of a group that reach into a span, oldest first."""
        state = self._states.get(gid)
        sealed: list[Segment] = []
        if start < self._sealed_until:
            for block in self._blocks:
                if block.first <= end and block.last > start:
                    sealed.extend(block.segments(gid))
        if state is not None:
            sealed.extend(state[3])
        for segment in sealed:
            if segment.first <= end and segment.last > start:
                times = segment.times()
                first, behind = np.searchsorted(times, (start, end), side="right").tolist()
                if first < behind:
                    yield _Part(segment, segment.layout, times, first, behind)
        if state is not None:
            raw, count, layout, _, _ = state
            first = bisect_right(raw.clock, start, 0, count)
            behind = bisect_right(raw.clock, end, first, count)
            if first < behind:
                yield _Part(raw, layout, raw.times, first, behind)

    def strips(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[Strip | KeptStrip] | None:
        """What ``select`` finds, to be read in portions; none where it has to be read at once."""
        if self._index.starts:
            return None
        bounds = np.array((start, end), dtype=np.int64)
        found: list[Strip | KeptStrip] = []
        fresh: list[tuple[int, Match, Origin]] = []
        for match in self._index.find(matchers).matches:
            state = self._states.get(match.gid)
            origin = Origin.of(self._version, state)
            kept: Kept | None = self._cache.get((match.uid,))
            if kept is not None and kept.covers(origin, start, end):
                known = kept.strip(state, bounds)
                if known is not None:
                    found.append(known)
                continue
            parts = self._parts_of(match, start, end)
            if any(a.times[a.end - 1] >= b.times[b.start] for a, b in pairwise(parts)):
                return None
            if parts:
                fresh.append((len(found), match, origin))
                found.append(_strip(match, parts))
        # Only where all of it leaves room for others.
        if sum(each.size for each in found if isinstance(each, Strip)) <= self._cache.limit * 3 // 4:
            for at, match, origin in fresh:
                found[at] = self._keep(match, origin, start, end) or found[at]
        return found

    def _parts_of(self, match: Match, start: Ms, end: Ms) -> list[_Part]:
        """The pieces of a group that hold any of some series."""
        return [part for part in self._parts(match.gid, start, end) if match.plan_of(part.layout)[1]]

    def _keep(self, match: Match, origin: Origin, start: Ms, end: Ms) -> KeptStrip | None:
        """Have the rows of a span, and those that follow them, kept."""
        state = self._states.get(match.gid)
        parts = self._parts_of(match, start, end)
        last = parts[-1]
        until: Ms | None = None
        if state is not None and isinstance(last.rows, RawRows):
            parts[-1] = last._replace(end=state[1])
        else:
            parts[-1] = last._replace(end=len(last.times))
            newer = self._parts_of(match, start, EVER)[-1].rows is not last.rows
            if newer or (state is not None and not state[1]):
                until = int(last.times[-1])
        labels, pieces, whole = _bound(match, parts)
        dense = whole and all(_dense(p, match.plan_of(p.layout)[0]) for p in parts if isinstance(p.rows, Segment))
        plain = len({part.layout for part in parts}) == 1
        kept = Kept(labels, pieces, origin, (start, until), dense=dense, plain=plain)
        self._cache.put((match.uid,), kept, kept.size)
        return kept.strip(state, np.array((start, end), dtype=np.int64))

    def _gather(self, match: Match, start: Ms, end: Ms) -> list[SampleMatrix]:
        """Put the pieces of one group together; no matrix where there are none."""
        parts = self._parts_of(match, start, end)
        if not parts:
            return []
        layouts = tuple(dict.fromkeys(part.layout for part in reversed(parts)))
        if len(layouts) == 1:
            slots, labels = match.plan_of(layouts[0])
            blocks = [_read(part, slots) for part in parts]
            values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            dense = all(_dense(part, slots) for part in parts)
        else:
            merge = match.merge(layouts)
            labels = merge.labels
            values = np.empty((sum(part.end - part.start for part in parts), len(labels)))
            dense, at = True, 0
            for part in parts:
                source, target, whole = merge.moves[part.layout]
                rows = values[at : at + part.end - part.start]
                if not whole:
                    rows[:] = ABSENT
                rows[:, target] = _read(part, source)
                dense = dense and whole and _dense(part, source)
                at += part.end - part.start
        spans = [part.times[part.start : part.end] for part in parts]
        times = spans[0] if len(spans) == 1 else np.concatenate(spans)
        if any(a[-1] >= b[0] for a, b in pairwise(spans)):
            times, values = _interleave(times, values)
            dense = not holes_of(values).any()
        return [SampleMatrix(labels, times, values, dense)]

    def _harmed(self, fields: Match, start: Ms, end: Ms) -> dict[Labels, Ints]:
        """Times at which a field of a series cannot be read: the others alone would make another histogram."""
        found: dict[Labels, list[Ints]] = {}
        if not any(block.failures for block in self._blocks):
            return {}
        for part in self._parts(fields.gid, start, end):
            slots, labels = fields.plans.get(part.layout) or fields.plan(part.layout)
            unread = None if isinstance(part.rows, RawRows) else part.rows.unread(slots)
            if unread is not None:
                for owner in dict.fromkeys(owner_of(labels[at])[0] for at in np.flatnonzero(unread).tolist()):
                    found.setdefault(owner, []).append(part.times[part.start : part.end])
        return {owner: np.concatenate(times) for owner, times in found.items()}

    def _with_starts(self, match: Match, start: Ms, end: Ms) -> list[SampleMatrix]:
        """The samples of one group with their start timestamps, where any is known."""
        starts = self._starts(match, start, end)
        found = self._gather(match, start, end)
        return [each._replace(starts=_starts_of(starts, each.labels, each.times)) for each in found]

    def _starts(self, match: Match, start: Ms, end: Ms) -> SampleMatrix | None:
        fields = match.fields(starts=True)
        found = [] if fields is None else self._gather(fields, start, end)
        return found[0] if found else None

    def columns(self, group: Group, columns: Ints, start: Ms, end: Ms) -> tuple[Ints, Floats]:
        """Times and cells of some columns of a group, in their order, in a span."""
        found = self._gather(Match(group, columns, {}), start, end)
        if not found:
            return np.empty(0, dtype=np.int64), np.empty((0, len(columns)))
        places = {labels: at for at, labels in enumerate(found[0].labels)}
        order = [places.get(group.series[number], -1) for number in columns.tolist()]
        values = np.full((len(found[0].times), len(order)), ABSENT)
        here = [at for at, place in enumerate(order) if place >= 0]
        values[:, here] = found[0].values[:, [order[at] for at in here]]
        return found[0].times, values

    def series(self, selectors: Iterable[tuple[Matcher, ...]], start: Ms, end: Ms) -> list[Labels]:
        """Label sets of the series that any selector matches and that have samples in the span, sorted."""
        return sorted(self._stored(selectors, start, end), key=lambda labels: labels.pairs)

    def _stored(self, selectors: Iterable[tuple[Matcher, ...]], start: Ms, end: Ms) -> dict[Labels, None]:
        """The same in no order that means anything."""
        found: dict[Labels, None] = {}
        for matchers in selectors:
            for match in self._index.find(matchers).matches:
                found.update(dict.fromkeys(self._present(match, start, end)))
                fields = match.fields(starts=False) if self._index.histograms else None
                if fields is not None:
                    found.update((owner_of(field)[0], None) for field in self._present(fields, start, end))
        return found

    def _present(self, match: Match, start: Ms, end: Ms) -> Iterator[Labels]:
        """Label sets of the columns of a group that have samples in a span."""
        for part in self._parts(match.gid, start, end):
            yield from self._present_in(part, *match.plan_of(part.layout))

    @staticmethod
    def _present_in(part: _Part, slots: slice | Ints, labels: tuple[Labels, ...]) -> Iterable[Labels]:
        """Of label sets of columns of a part those that have samples in it."""
        if not labels or _all_present(part, slots):
            return labels
        if isinstance(part.rows, RawRows):
            present = np.any(~is_absent(_read(part, slots)), axis=0)
        else:
            present = ~part.rows.gone[slots]
        return compress(labels, present.tolist())

    def label_names(self, selectors: Sequence[tuple[Matcher, ...]], start: Ms, end: Ms) -> list[str]:
        """Names of the labels of those series (of all series where there is no selector), sorted."""
        return sorted({name for labels in self._stored(selectors or [()], start, end) for name, _ in labels.pairs})

    def label_values(self, name: str, selectors: Sequence[tuple[Matcher, ...]], start: Ms, end: Ms) -> list[str]:
        """Values that a label has on those series (on all series where there is no selector), sorted."""
        values: set[str] = set()
        for matchers in selectors or [()]:
            for match in self._index.find(matchers).matches:
                fields = match.fields(starts=False) if self._index.histograms else None
                if fields is not None:
                    owners = (owner_of(field)[0] for field in self._present(fields, start, end))
                    values.update(labels.get(name) for labels in owners)
                for part in self._parts(match.gid, start, end):
                    slots, series = match.plan_of(part.layout)
                    if series and _all_present(part, slots):
                        values |= match.values_of(name, series)
                    else:
                        values.update(labels.get(name) for labels in self._present_in(part, slots, series))
        return sorted(values - {""})

    @property
    def size(self) -> Size:
        """How much there is; cheap, unlike ``stats``."""
        series = sum(state[2].series for state in self._states.values())
        return Size(series, self._totals.samples_appended, self._totals.out_of_order)

    def stats(self, limit: int = 10) -> Stats:
        """What the store holds, with tables of what costs most.

        Args:
            limit: rows of each table.
        """
        totals = self._totals
        firsts = [(parts[0].first if parts else raw.clock[0]) for raw, _, _, parts, _ in self._states.values()]
        firsts = [first for first in firsts if first < EVER]
        lasts = [
            raw.clock[n - 1] if n else parts[-1].last for raw, n, _, parts, _ in self._states.values() if n or parts
        ]
        head: list[Labels] = []
        for group in self._index.groups():
            state = self._states.get(group.gid)
            if state is not None:
                series, owners = group.series, group.owners
                numbers = dict.fromkeys(owners.get(number, number) for number in state[2].ids.tolist())
                head.extend(series[number] for number in numbers if number in series)
        return Stats(
            head_series=len(head),
            head_groups=len(self._states),
            head_min_time=min(firsts, default=None),
            head_max_time=max(lasts, default=None),
            min_time=min([*firsts, *(block.first for block in self._blocks)], default=None),
            max_time=max([*lasts, *(block.last for block in self._blocks)], default=None),
            blocks=len(self._blocks),
            total_series=self._index.series,
            samples_appended=totals.samples_appended,
            out_of_order=totals.out_of_order,
            bytes_on_disk=totals.bytes_on_disk,
            bytes_in_memory=sum(_bytes(state[0], state[3]) for state in self._states.values()),
            cardinality=count_series(head, limit),
        )


def _bound(match: Match, parts: list[_Part]) -> tuple[tuple[Labels, ...], list[Piece], bool]:
    """The series of the parts of one group, the parts themselves, and whether each has all of the series."""
    layouts = tuple(dict.fromkeys(part.layout for part in reversed(parts)))
    labels = match.plan_of(layouts[0])[1] if len(layouts) == 1 else match.merge(layouts).labels
    sources = {layout: match.sources(layouts, layout) for layout in layouts}
    pieces = [Piece(part.rows, part.times, part.start, part.end, sources[part.layout][0]) for part in parts]
    return labels, pieces, all(whole for _, whole in sources.values())


def _strip(match: Match, parts: list[_Part]) -> Strip:
    """The parts of one group, in the order of time, to be read in portions."""
    labels, pieces, whole = _bound(match, parts)
    return Strip(labels, pieces, dense=whole and all(_dense(part, match.plan_of(part.layout)[0]) for part in parts))


def _all_present(part: _Part, slots: slice | Ints) -> bool:
    """Whether it is plain to see that all columns have samples."""
    return part.rows.dense(slots, part.start) if isinstance(part.rows, RawRows) else not part.rows.dead


def _read(part: _Part, slots: slice | Ints) -> Floats:
    if isinstance(part.rows, RawRows):
        return part.rows.values[part.start : part.end, slots]
    return part.rows.columns(slots)[part.start : part.end]


def _dense(part: _Part, slots: slice | Ints) -> bool:
    if isinstance(part.rows, RawRows):
        return part.rows.dense(slots, part.start)
    return part.rows.dense(slots)


def _interleave(times: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Rows in the order of time; of rows with the same time the cells of the first that has one."""
    joint, place = np.unique(times, return_inverse=True)
    out = np.full((len(joint), values.shape[1]), ABSENT)
    # Rows of one time are few and far between: layer by layer each row goes to a place of its own.
    order = np.argsort(place, kind="stable")
    sorted_place = place[order]
    layer = np.arange(len(order)) - np.searchsorted(sorted_place, sorted_place)
    for number in range(int(layer.max()) + 1):
        rows = order[layer == number]
        there = out[place[rows]]
        out[place[rows]] = np.where(is_absent(there), values[rows], there)
    return joint, out


def _starts_of(starts: SampleMatrix | None, labels: Sequence[Labels], times: Ints) -> Ints | None:
    """Start timestamps for samples, from a matrix of the fields that hold them."""
    if starts is None:
        return None
    out = np.zeros((len(times), len(labels)), dtype=np.int64)
    places = {owner_of(field)[0]: at for at, field in enumerate(starts.labels)}
    rows = np.minimum(np.searchsorted(starts.times, times), len(starts.times) - 1)
    hit = starts.times[rows] == times
    for at, label in enumerate(labels):
        place = places.get(label)
        if place is not None:
            column = np.ascontiguousarray(starts.values[:, place])
            known = ~is_absent(column)
            out[hit, at] = np.where(known, column, 0.0)[rows[hit]].astype(np.int64)
    return out if out.any() else None


def _bytes(raw: RawRows, parts: tuple[Segment, ...]) -> int:
    return int(raw.values.nbytes) + sum(part.source.size for part in parts)
