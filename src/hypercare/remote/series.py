"""From rows of the store to requests: which series go out under which labels, in which shard."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary
from zlib import crc32

import cramjam
import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.relabel import apply_to_dict
from hypercare.model.samples import is_absent
from hypercare.remote.encode import RequestV2, histogram, labels_v1, sample_head, sample_time, series_v1
from hypercare.remote.settings import V2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hypercare.model.ingest import MetricMetadata
    from hypercare.model.samples import Bools, Floats
    from hypercare.model.time import Ms
    from hypercare.remote.settings import Destination
    from hypercare.tsdb.fields import FieldPlan
    from hypercare.tsdb.tail import Columns, Rows

_TIME_SIZE: Final = 7
"""Bytes of the time of a sample between 2004 and 2109."""
_REMEMBERED: Final = 300_000


class Series(NamedTuple):
    """A series as it goes out.

    Attributes:
        head: what stands before the value of a sample, in version 1.
        hash: decides on the shard: equal in every run.

    """

    labels: Labels
    encoded: bytes
    head: bytes
    hash: int


class _Float(NamedTuple):
    """A column of floats in one shard."""

    column: int
    start: int
    series: Series


class _Plan(NamedTuple):
    """What of rows with certain columns goes out, by shard."""

    floats: list[list[_Float]]
    histograms: list[list[tuple[FieldPlan, Series]]]
    shards: int


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """One request.

    Attributes:
        body: compressed.
        newest: time of its newest sample, ms.

    """

    body: bytes
    samples: int
    histograms: int
    newest: Ms


class Encoder:
    """Makes requests of rows for one destination.

    Attributes:
        dropped: samples left out because of their age.

    """

    def __init__(self, to: Destination, metadata: Callable[[], dict[str, MetricMetadata]]) -> None:
        self._to = to
        self._metadata = metadata
        self._series: dict[Labels, Series | None] = {}
        self._plans: WeakKeyDictionary[Columns, _Plan] = WeakKeyDictionary()
        self.dropped = 0

    def encode(self, rows: Iterable[Rows], shards: int, now: Ms) -> list[list[Outgoing]]:
        """The requests of each shard, in the order in which they must be sent."""
        told = self._metadata() if self._to.message == V2 else {}
        makers = [_Maker(self._to, told) for _ in range(shards)]
        limit = self._to.pace.age_limit
        for columns, times, cells in rows:
            if self._to.groups and not columns.key.startswith(self._to.groups):
                continue
            plan = self._plan(columns, shards)
            absent = is_absent(cells)
            dense = not absent.any()
            for row, at in enumerate(times.tolist()):
                if limit and at < now - limit:
                    self.dropped += int((~absent[row, columns.floats]).sum())
                    continue
                for maker, floats in zip(makers, plan.floats, strict=True):
                    maker.add(at, cells[row], floats, None if dense else absent[row])
            if self._to.histograms:
                for maker, histograms in zip(makers, plan.histograms, strict=True):
                    for found, series in histograms:
                        maker.add_histograms(times.tolist(), cells, found, series)
        return [maker.finished() for maker in makers]

    def _plan(self, columns: Columns, shards: int) -> _Plan:
        plan = self._plans.get(columns)
        if plan is not None and plan.shards == shards:
            return plan
        plan = _Plan([[] for _ in range(shards)], [[] for _ in range(shards)], shards)
        for column, start in zip(columns.floats.tolist(), columns.starts.tolist(), strict=True):
            series = self._series_of(columns.labels[column])
            if series is not None:
                plan.floats[series.hash % shards].append(_Float(column, start, series))
        for found in columns.plans:
            series = self._series_of(found.labels)
            if series is not None:
                plan.histograms[series.hash % shards].append((found, series))
        self._plans[columns] = plan
        return plan

    def _series_of(self, labels: Labels) -> Series | None:
        """A series with external labels and after relabelling; none: it is not sent."""
        if labels in self._series:
            return self._series[labels]
        found = {**dict(self._to.external), **labels.as_dict()}
        series = None
        if apply_to_dict(self._to.relabel, found) and found:
            final = Labels(found.items())
            encoded = labels_v1(final)
            series = Series(final, encoded, sample_head(encoded, _TIME_SIZE), crc32(encoded))
        if len(self._series) >= _REMEMBERED:
            self._series.clear()
        self._series[labels] = series
        return series


class _Maker:
    """The requests of one shard in the making."""

    def __init__(self, to: Destination, told: dict[str, MetricMetadata]) -> None:
        self._v2 = RequestV2() if to.message == V2 else None
        self._limit = to.pace.max_samples
        self._told = told
        self._pieces: list[bytes] = []
        self._samples = self._histograms = 0
        self._newest: Ms = 0
        self._done: list[Outgoing] = []

    def add(self, at: Ms, cells: Floats, floats: Sequence[_Float], absent: Bools | None) -> None:
        """The floats of one row."""
        if absent is not None:
            floats = [each for each in floats if not absent[each.column]]
        if not floats:
            return
        time = sample_time(at)
        packed = np.ascontiguousarray(cells).tobytes()
        done = 0
        while done < len(floats):
            part = floats[done : done + self._limit - self._samples - self._histograms]
            done += len(part)
            if self._v2 is not None:
                self._add_v2(self._v2, part, packed, cells, time)
            elif len(time) == _TIME_SIZE:
                self._pieces += [
                    piece
                    for column, _, series in part
                    for piece in (series.head, packed[column * 8 : column * 8 + 8], time)
                ]
            else:
                self._pieces += [
                    piece
                    for column, _, series in part
                    for piece in (sample_head(series.encoded, len(time)), packed[column * 8 : column * 8 + 8], time)
                ]
            self._count(at, samples=len(part))

    def _add_v2(self, request: RequestV2, part: Sequence[_Float], packed: bytes, cells: Floats, time: bytes) -> None:
        for column, start, series in part:
            began = 0 if start < 0 or is_absent(cells[start : start + 1])[0] else int(cells[start])
            about = self._about(series.labels.name)
            request.add(series.labels, packed[column * 8 : column * 8 + 8], time, began, metadata=about)

    def _about(self, name: str) -> MetricMetadata | None:
        found = self._told.get(name)
        if found is None:
            base, _, suffix = name.rpartition("_")
            found = self._told.get(base) if suffix in {"bucket", "count", "sum", "total"} else None
        return found

    def add_histograms(self, times: list[Ms], cells: Floats, plan: FieldPlan, series: Series) -> None:
        """The histograms of one series."""
        rows = plan.rows(cells)
        for row, found in zip(rows.tolist(), plan.build(cells, rows), strict=True):
            began = 0
            if plan.start is not None and not is_absent(cells[row, plan.start : plan.start + 1])[0]:
                began = int(cells[row, plan.start])
            if self._v2 is not None:
                one = histogram(found, times[row], began)
                self._v2.add(series.labels, b"", b"", began, one=one, metadata=self._about(series.labels.name))
            else:
                self._pieces.append(series_v1(series.encoded, [histogram(found, times[row])]))
            self._count(times[row], histograms=1)

    def _count(self, at: Ms, *, samples: int = 0, histograms: int = 0) -> None:
        self._samples += samples
        self._histograms += histograms
        self._newest = max(self._newest, at)
        if self._samples + self._histograms >= self._limit:
            self._cut()

    def _cut(self) -> None:
        message = b"".join(self._pieces) if self._v2 is None else self._v2.message()
        self._done.append(Outgoing(compress(message), self._samples, self._histograms, self._newest))
        self._pieces = []
        self._samples = self._histograms = self._newest = 0
        if self._v2 is not None:
            self._v2 = RequestV2()

    def finished(self) -> list[Outgoing]:
        """All requests."""
        if self._samples or self._histograms:
            self._cut()
        return self._done


def compress(message: bytes) -> bytes:
    """Snappy's block format."""
    return bytes(cramjam.snappy.compress_raw(message))
