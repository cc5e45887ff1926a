"""Series that arrive one by one get rows of their own: those that come with the same times stand together.

Series of one scrape have the same ``job`` and ``instance`` and the same times, however a sender spreads them over
requests. A new series joins the group of its source, job and instance that has rows of its times already, or that
other series of the same times belong to; where there is none, a new group begins. A series stays in its group.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.ingest import WriteResult
from hypercare.model.samples import ABSENT, is_absent
from hypercare.tsdb.fields import FIELD, START
from hypercare.tsdb.rows import Outcome, count_cells, owner_labels, write_rows
from hypercare.tsdb.singles import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hypercare.model.histograms import Histogram
    from hypercare.model.ingest import FloatColumns, WriteBatch
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head

_PREFIX: Final = "write"
_WIDTH: Final = 5000
"""Series of a group from which on new ones begin another."""

Family = tuple[str, str, str]
"""Source, job, instance."""


class _Bucket(NamedTuple):
    """Series of one group with the same times."""

    times: Ints
    columns: list[int]
    cells: list[Floats]
    seen: set[int]


class _Fresh(NamedTuple):
    """A series without a group."""

    labels: Labels
    times: Ints


class Writer:
    """Brings batches of series into groups."""

    def __init__(self, head: Head, group_of: Callable[[str], Group], groups: Callable[[], Iterable[Group]]) -> None:
        self._head = head
        self._group_of = group_of
        self._groups = groups
        self._routes: dict[str, dict[Labels, tuple[Group, int]]] = {}
        self._families: dict[Family, list[Group]] = {}
        self._singles: dict[str, Routes] = {}

    def forget(self, group: Group, gone: Iterable[Labels]) -> None:
        """Hear that series of a group are retired."""
        family = _family_of(group.key)
        if family is None:
            return
        routes = self._routes.get(family[0])
        if routes is None:
            return
        self._singles.pop(family[0], None)
        for labels in gone:
            route = routes.get(labels)
            if route is not None and route[0] is group:
                del routes[labels]
        if not group.series:
            self._families[family] = [g for g in self._families.get(family, []) if g is not group]

    def write(self, batch: WriteBatch, oldest: Ms | None, retained: Ms) -> WriteResult:
        """Take a batch in; see ``Tsdb.write``."""
        if batch.singles is not None:
            return self._write_singles(batch, batch.singles, oldest, retained)
        routes = self._routes_of(batch.source)
        new = [_Fresh(each.labels, each.times) for each in batch.floats if each.labels not in routes]
        new += [_Fresh(each.labels, each.times) for each in batch.histograms if each.labels not in routes]
        refused = self._settle(batch.source, routes, new) if new else {}
        buckets: dict[tuple[int, bytes, int], _Bucket] = {}
        groups: dict[int, Group] = {}
        for each in batch.floats:
            route = routes.get(each.labels)
            if route is not None and len(each.times):
                group, number = groups.setdefault(route[0].gid, route[0]), route[1]
                columns = [(number, each.values)]
                if each.starts is not None:
                    columns.append((group.field(number, START), _start_cells(each.starts)))
                _put(buckets, group, each.times, columns)
        for series in batch.histograms:
            route = routes.get(series.labels)
            if route is None or not len(series.times):
                continue
            group, number = groups.setdefault(route[0].gid, route[0]), route[1]
            columns = list(_histogram_columns(group, number, series.values))
            if series.starts is not None:
                columns.append((group.field(number, START), _start_cells(series.starts)))
            _put(buckets, group, series.times, columns)
        tally = _Tally(refused)
        for (gid, _, _), bucket in sorted(buckets.items(), key=lambda item: int(item[1].times.min())):
            group = groups[gid]
            for times, numbers, cells in _rows(bucket):
                tally.add(group, self._write(group, times, numbers, cells, oldest, retained))
        return tally.result(self._head.window, retained)

    def _write_singles(self, batch: WriteBatch, singles: FloatColumns, oldest: Ms | None, retained: Ms) -> WriteResult:
        """Take a batch with many series of one sample each in."""
        routes = self._routes_of(batch.source)
        fast = self._singles.setdefault(batch.source, Routes())
        refused: dict[str, int] = {}
        unknown = {id(each) for each in fast.unknown(singles.labels)}
        if unknown:
            learned = [(at, each) for at, each in enumerate(singles.labels) if id(each) in unknown]
            new = [_Fresh(each, singles.times[at : at + 1]) for at, each in learned if each not in routes]
            refused = self._settle(batch.source, routes, new)
            for _, each in learned:
                route = routes.get(each)
                if route is not None:
                    fast.learn(each, *route)
        rows = fast.rows(singles)
        rest = batch.series if rows is None else batch.floats
        tally = _Tally(refused)
        for group, times, columns, cells in rows or ():
            tally.add(group, self._write(group, times, columns, cells, oldest, retained))
        found = tally.result(self._head.window, retained)
        if rest or batch.histograms:
            others = dataclasses.replace(batch, floats=rest, singles=None)
            found = _together(found, self.write(others, oldest, retained))
        return found

    def _write(
        self, group: Group, times: Ints, columns: Ints, cells: Floats, oldest: Ms | None, retained: Ms
    ) -> tuple[Outcome, int]:
        """Write rows; those beyond retention are refused. Returns how many samples were."""
        expired = int(np.searchsorted(times, retained))
        lost = 0
        if expired:
            lost = sum(count_cells(group, columns, ~is_absent(cells[:expired])))
            times, cells = times[expired:], cells[expired:]
        if not len(times):
            return Outcome(), lost
        return write_rows(self._head, group, times, columns, cells, oldest=oldest), lost

    def _routes_of(self, source: str) -> dict[Labels, tuple[Group, int]]:
        """Where the series of a source go; learned from what is stored when the source is first heard of."""
        found = self._routes.get(source)
        if found is None:
            found = self._routes[source] = {}
            for group in self._groups():
                family = _family_of(group.key)
                if family is not None and family[0] == source:
                    self._families.setdefault(family, []).append(group)
                    for number, labels in group.series.items():
                        if number not in group.owners:
                            found.setdefault(labels, (group, number))
        return found

    def _settle(self, source: str, routes: dict[Labels, tuple[Group, int]], new: list[_Fresh]) -> dict[str, int]:
        """Find a group for each new series; returns how many samples were refused for which reason."""
        refused: dict[str, int] = {}
        here: dict[tuple[Family, bytes], Group] = {}
        for labels, times in new:
            if labels in routes or not len(times):
                continue
            if labels.pairs and labels.pairs[0][0] == FIELD:
                reason = "a label name cannot be a null byte"
                refused[reason] = refused.get(reason, 0) + len(times)
                continue
            family = (source, labels.get("job"), labels.get("instance"))
            key = (family, times.tobytes())
            group = here.get(key)
            if group is None or len(group.series) >= _WIDTH:
                group = here[key] = self._group_for(family, times)
            routes[labels] = (group, group.column(labels))
        return refused

    def _group_for(self, family: Family, times: Ints) -> Group:
        known = self._families.setdefault(family, [])
        newest = int(times.max())
        for group in known:
            raw = group.raw
            if raw is not None and raw.count and len(group.series) < _WIDTH:
                at = int(np.searchsorted(raw.times[: raw.count], newest))
                if at < raw.count and raw.clock[at] == newest:
                    return group
        number = 1 + max((int(group.key.rsplit("\x1f", 1)[1]) for group in known), default=-1)
        group = self._group_of("\x1f".join((_PREFIX, *(part.replace("\x1f", " ") for part in family), str(number))))
        known.append(group)
        return group


class _Tally:
    """Counts what became of a batch, and says why samples were refused."""

    def __init__(self, refused: dict[str, int]) -> None:
        self._total = Outcome()
        self._expired = 0
        self._conflict = ""
        self._old = ""
        self._problems = [f"{count} samples refused: {reason}" for reason, count in refused.items()]

    def add(self, group: Group, found: tuple[Outcome, int]) -> None:
        outcome, expired = found
        self._expired += expired
        self._total = self._total.plus(outcome)
        if outcome.conflict_column >= 0 and not self._conflict:
            self._conflict = owner_labels(group, outcome.conflict_column)
        if outcome.old_column >= 0 and not self._old:
            self._old = owner_labels(group, outcome.old_column)

    def result(self, window: Ms, retained: Ms) -> WriteResult:
        total = self._total
        conflicts = total.conflicts
        problems = self._problems
        if conflicts:
            first = f", first of {self._conflict}" if self._conflict else ""
            problems.append(f"{conflicts} samples refused: another value is stored for their time{first}")
        if total.too_old:
            reason = f"out_of_order_time_window is {window // 1000} s" if window else "out_of_order_time_window is 0"
            problems.append(
                f"{total.too_old} samples refused: out of order, and {reason}"
                + (f", first of {self._old}" if self._old else "")
            )
        if self._expired:
            problems.append(f"{self._expired} samples refused: older than retention ({retained} ms since the epoch)")
        return WriteResult(
            total.appended,
            total.histograms,
            total.duplicates,
            conflicts,
            total.too_old + self._expired,
            tuple(problems),
        )


def _together(a: WriteResult, b: WriteResult) -> WriteResult:
    counts = [x + y for x, y in zip(a[:5], b[:5], strict=True)]
    return WriteResult(counts[0], counts[1], counts[2], counts[3], counts[4], (*a.problems, *b.problems))


def _family_of(key: str) -> Family | None:
    parts = key.split("\x1f")
    return (parts[1], parts[2], parts[3]) if len(parts) == 5 and parts[0] == _PREFIX else None


def _put(
    buckets: dict[tuple[int, bytes, int], _Bucket], group: Group, times: Ints, columns: Sequence[tuple[int, Floats]]
) -> None:
    """Add the columns of a series to the bucket of its times.

    Where one of them is there already, all go to another bucket: the buckets of a histogram that comes twice must not
    become part of the first one.
    """
    again = 0
    stamp = times.tobytes()
    numbers = [number for number, _ in columns]
    while True:
        bucket = buckets.setdefault((group.gid, stamp, again), _Bucket(times, [], [], set()))
        if bucket.seen.isdisjoint(numbers):
            bucket.columns.extend(numbers)
            bucket.cells.extend(cells for _, cells in columns)
            bucket.seen.update(numbers)
            return
        again += 1


def _rows(bucket: _Bucket) -> list[tuple[Ints, Ints, Floats]]:
    """The rows of a bucket by ascending time; rows of one time come one after the other."""
    columns = np.array(bucket.columns, dtype=np.int64)
    cells = np.concatenate(bucket.cells).reshape(len(columns), -1).T
    times = np.asarray(bucket.times, dtype=np.int64)
    if len(times) < 2 or bool((np.diff(times) > 0).all()):
        return [(times, columns, np.ascontiguousarray(cells))]
    order = np.argsort(times, kind="stable")
    times, cells = times[order], cells[order]
    _, ranks = np.unique(times, return_index=True)
    layer = np.arange(len(times)) - np.repeat(ranks, np.diff(np.append(ranks, len(times))))
    return [(times[layer == n], columns, np.ascontiguousarray(cells[layer == n])) for n in range(int(layer.max()) + 1)]


def _start_cells(starts: Ints) -> Floats:
    cells = starts.astype(np.float64)
    cells[starts == 0] = ABSENT
    return cells


def _histogram_columns(group: Group, owner: int, values: Sequence[Histogram]) -> Iterator[tuple[int, Floats]]:
    """The columns that histograms of one series fill, with a cell for each histogram."""
    parts = [group.histogram(owner, value) for value in values]
    if len(parts) == 1:
        numbers, cells = parts[0]
        yield from zip(numbers.tolist(), cells[:, None], strict=True)
        return
    every = np.unique(np.concatenate([numbers for numbers, _ in parts]))
    matrix = np.full((len(every), len(parts)), ABSENT)
    for at, (numbers, cells) in enumerate(parts):
        matrix[np.searchsorted(every, numbers), at] = cells
    yield from zip(every.tolist(), matrix, strict=True)
