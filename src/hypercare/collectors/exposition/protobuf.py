"""Prometheus' protobuf format: ``MetricFamily`` messages, each after its length.

What is a label, a name, a type is read once: the bytes of a metric's labels are the same at every scrape and lead to
its columns at once, as the text before a line's value does in the text format. Of a plain counter or gauge only the
eight bytes of its value are then left to read.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.collectors.exposition.cache import DROPPED, Parsed, check_limit
from hypercare.collectors.exposition.client_model import MessageError, message_of
from hypercare.collectors.exposition.families import TYPES, Family, families, varint
from hypercare.collectors.exposition.lines import NO_NAMES, ExpositionError, Meta
from hypercare.collectors.exposition.native import NativeLimits, from_classic, is_native, read_native
from hypercare.collectors.exposition.parser import bound_text
from hypercare.model.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.collectors.exposition.cache import ScrapeCache
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms

_DOUBLE: Final = struct.Struct("<d")
_VALUE_TAGS: Final = {0: 0x1A, 1: 0x12, 3: 0x2A}
"""First byte of a counter, gauge or untyped value within its metric."""
_VALUE_NAMES: Final = {0: "counter", 1: "gauge", 3: "untyped"}
_MOST_LABELS: Final = 1000
_NO_LIMITS: Final = NativeLimits()


@dataclasses.dataclass(frozen=True, slots=True)
class ProtobufOptions:
    """What a job wants of this format.

    Attributes:
        native: take native histograms; otherwise only what they have of classic ones.
        classic_too: take the classic buckets of a histogram that is native as well.
        convert: make native histograms with custom buckets of classic ones.
        starts: tell when a counter began.
        limits: of native histograms.

    """

    native: bool = False
    classic_too: bool = False
    convert: bool = False
    starts: bool = False
    limits: NativeLimits = _NO_LIMITS


class _Known:
    """Columns of a histogram's or summary's parts."""

    __slots__ = ("bounds", "columns", "native")

    def __init__(self) -> None:
        self.bounds: tuple[float, ...] | None = None
        self.columns: list[int] = []
        self.native: int | None = None


class _Layout:
    """A body of which only the numbers will change: the places of doubles, and what must be as it was.

    Attributes:
        columns: of the plain values, in their order.
        wide: summaries and histograms, by their places; these are read anew.

    """

    __slots__ = ("_fixed", "_indexes", "_template", "columns", "metas", "metrics", "options", "wide")

    def __init__(self, body: bytes, run: _Run, wide: list[tuple[tuple[str, int], tuple[int, int]]]) -> None:
        self._template = np.frombuffer(body, np.uint8)
        self._fixed = np.ones(len(body), np.bool_)
        for begin, stop in run.doubles:
            # Behind the value only an exemplar or the time of creation can stand.
            self._fixed[begin:stop] = False
        for _, (begin, stop) in wide:
            self._fixed[begin:stop] = False
        self._indexes = np.array([begin for begin, _ in run.doubles], np.int64)[:, None] + np.arange(8)
        self.columns = run.columns[: len(run.doubles)]
        self.options = run.options
        self.metas = run.metas
        self.metrics = len(run.doubles)
        self.wide = wide

    def read(self, body: bytes) -> list[float] | None:
        """The plain values of a body; none where more than numbers has changed."""
        data = np.frombuffer(body, np.uint8)
        if len(data) != len(self._template) or ((data != self._template) & self._fixed).any():
            return None
        return data[self._indexes].view("<f8")[:, 0].tolist()  # type: ignore[no-any-return]


class ProtobufReader:
    """Reads the bodies of one target.

    Args:
        cache: of the same target: resolves series, and knows which were there at the last scrape in any format.

    """

    def __init__(self, cache: ScrapeCache) -> None:
        self._cache = cache
        self._plain: dict[tuple[str, int], dict[bytes, int]] = {}
        self._wide: dict[tuple[str, int], dict[bytes, _Known]] = {}
        self._layout: _Layout | None = None
        self._listed: list[int] = []
        self._columns: Ints = np.zeros(0, np.int64)

    def forget(self) -> None:
        """Resolve every series anew."""
        self._plain.clear()
        self._wide.clear()
        self._layout = None

    def parse(
        self,
        body: bytes,
        options: ProtobufOptions,
        *,
        sample_limit: int = 0,
        honor_timestamps: bool = True,
    ) -> Parsed:
        """Read a body.

        Raises:
            ExpositionError: not in the format, or too many samples.

        """
        run = _Run(self._cache, options, sample_limit, honor_timestamps)
        values = self._layout.read(body) if self._layout is not None and self._layout.options == options else None
        if self._layout is not None and values is not None:
            self._again(body, run, self._layout, values)
        else:
            self._whole(body, run)
        known = sum(map(len, self._plain.values())) + sum(map(len, self._wide.values()))
        if known > 2 * run.metrics + 100:
            # Series that no longer come outnumber those that do; the next pass learns the rest again.
            self.forget()
        return run.done(self)

    def _whole(self, body: bytes, run: _Run) -> None:
        """Read everything, plain values first."""
        self._layout = None
        wide: list[Family] = []
        for family in families(body):
            run.metas.append(Meta("type", family.name, TYPES[family.type]))
            run.metas += [Meta(k, family.name, t) for k, t in (("help", family.help), ("unit", family.unit)) if t]
            if family.type in _VALUE_TAGS:
                run.plain(body, family, self._plain.setdefault((family.name, family.type), {}))
            else:
                wide.append(family)
        if run.metrics and len(run.doubles) == run.metrics:
            self._layout = _Layout(body, run, [((family.name, family.type), family.place) for family in wide])
        for family in wide:
            run.wide(body, family, self._wide.setdefault((family.name, family.type), {}))

    def _again(self, body: bytes, run: _Run, layout: _Layout, values: list[float]) -> None:
        """Read a body whose layout is known."""
        run.metas, run.metrics = layout.metas, layout.metrics
        run.columns, run.values = layout.columns.copy(), values
        for key, place in layout.wide:
            family = Family(body, *place)
            if (family.name, family.type) != key:
                run.metas = [*run.metas, Meta("type", family.name, TYPES[family.type])]
            run.wide(body, family, self._wide.setdefault((family.name, family.type), {}))

    def arrays(self, columns: list[int], values: list[float]) -> tuple[Ints, Floats]:
        """Columns, each once, and their values: the very array of the last scrape where the columns are the same."""
        if columns != self._listed:
            taken = dict(reversed(list(zip(columns, values, strict=True))))
            taken.pop(DROPPED, None)
            found = np.array(list(taken), np.int64)
            found.flags.writeable = False
            self._columns, self._listed = found, columns if len(taken) == len(columns) else []
            if len(taken) != len(columns):
                return found, np.array(list(taken.values()), np.float64)
            self._columns = np.array(columns, np.int64)
            self._columns.flags.writeable = False
        return self._columns, np.array(values, np.float64)


class _Run:
    """One pass over a body."""

    def __init__(self, cache: ScrapeCache, options: ProtobufOptions, limit: int, honor: bool) -> None:  # noqa: FBT001
        self.cache = cache
        self.options = options
        self.limit = limit
        self.honor = honor
        self.columns: list[int] = []
        self.values: list[float] = []
        self.histograms: list[tuple[int, Histogram]] = []
        self.timed: list[tuple[Ms, int, float]] = []
        self.timed_histograms: list[tuple[Ms, int, Histogram]] = []
        self.starts: dict[int, Ms] = {}
        self.metas: list[Meta] = []
        self.doubles: list[tuple[int, int]] = []
        self.metrics = 0

    # -- counters, gauges, untyped -----------------------------------------------------------------------------------

    def plain(self, data: bytes, family: Family, known: dict[bytes, int]) -> None:
        """Families of single values."""
        value_tag = _VALUE_TAGS[family.type]
        quick = not (self.options.starts and family.type == 0)
        add_column, add_value, add_double = self.columns.append, self.values.append, self.doubles.append
        self.metrics += len(family.metrics)
        for start, stop in family.metrics:
            pos = _behind_labels(data, start, stop)
            column = known.get(data[start:pos])
            # The value comes first in its message; an exemplar or the time of creation may follow.
            if (
                column is not None
                and quick
                and stop - pos >= 11
                and data[pos] == value_tag
                and data[pos + 1] == stop - pos - 2
                and data[pos + 2] == 0x09
            ):
                add_column(column)
                add_value(_DOUBLE.unpack_from(data, pos + 3)[0])
                add_double((pos + 3, stop))
            else:
                self._one(data, start, stop, pos, family, known)

    def _one(self, data: bytes, start: int, stop: int, pos: int, family: Family, known: dict[bytes, int]) -> None:
        metric = _decode(data, start, stop)
        key = _key(data, start, pos, metric)
        column = known.get(key)
        if column is None:
            column = known[key] = self._resolve(family.name, _pairs(metric), ())
        part = getattr(metric, _VALUE_NAMES[family.type])
        self._add(column, part.value, metric)
        if self.options.starts and family.type == 0:
            self._start((column,), part)

    # -- summaries and histograms ------------------------------------------------------------------------------------

    def wide(self, data: bytes, family: Family, known: dict[bytes, _Known]) -> None:
        """Families whose metrics are several samples, or a native histogram."""
        self.metrics += len(family.metrics)
        for start, stop in family.metrics:
            metric = _decode(data, start, stop)
            key = _key(data, start, _behind_labels(data, start, stop), metric)
            found = known.get(key)
            if found is None:
                found = known[key] = _Known()
            if family.type == 2:
                self._summary(family.name, metric, found)
            else:
                self._histogram(family.name, metric, found, gauge=family.type == 5)

    def _summary(self, name: str, metric: Any, known: _Known) -> None:
        part = metric.summary
        bounds = tuple(q.quantile for q in part.quantile)
        self._series(name, metric, known, bounds, "quantile")
        values = [float(part.sample_count), part.sample_sum, *(q.value for q in part.quantile)]
        for column, value in zip(known.columns, values, strict=True):
            self._add(column, value, metric)
        self._start(known.columns, part)

    def _histogram(self, name: str, metric: Any, known: _Known, *, gauge: bool) -> None:
        part = metric.histogram
        options = self.options
        native = options.native and is_native(part)
        if native:
            self._add_native(name, metric, known, read_native(part, gauge=gauge))
        if native and not (options.classic_too and part.bucket):
            return
        count = part.sample_count_float or float(part.sample_count)
        bounds = [b.upper_bound for b in part.bucket]
        counts = [b.cumulative_count_float or float(b.cumulative_count) for b in part.bucket]
        if not native and options.convert:
            made = from_classic(bounds, counts, count, part.sample_sum)
            if made is not None:
                self._add_native(name, metric, known, made)
                if not options.classic_too:
                    return
        if not bounds or bounds[-1] != float("inf"):
            bounds.append(float("inf"))
            counts.append(count)
        self._series(name, metric, known, tuple(bounds), "le")
        for column, value in zip(known.columns, [count, part.sample_sum, *counts], strict=True):
            self._add(column, value, metric)
        self._start(known.columns, part)

    def _add_native(self, name: str, metric: Any, known: _Known, found: Histogram) -> None:
        if known.native is None:
            known.native = self._resolve(name, _pairs(metric), ())
        found = self.options.limits.apply(found)
        if metric.timestamp_ms and self.honor:
            self.timed_histograms.append((metric.timestamp_ms, known.native, found))
        else:
            self.histograms.append((known.native, found))
        self._start((known.native,), metric.histogram)

    def _series(self, name: str, metric: Any, known: _Known, bounds: tuple[float, ...], label: str) -> None:
        """Columns of count, sum, and one for each bound."""
        if known.bounds == bounds:
            return
        pairs = _pairs(metric)
        suffix = "_bucket" if label == "le" else ""
        known.columns = [
            self._resolve(f"{name}_count", pairs, ()),
            self._resolve(f"{name}_sum", pairs, ()),
            *(self._resolve(name + suffix, pairs, ((label, bound_text(bound)),)) for bound in bounds),
        ]
        known.bounds = bounds

    # -- samples -----------------------------------------------------------------------------------------------------

    def _resolve(self, name: str, pairs: Sequence[tuple[str, str]], more: tuple[tuple[str, str], ...]) -> int:
        """Column of a new series; before it exists: a target that sends millions must not fill the store."""
        check_limit(self._kept(), self.limit)
        names = {METRIC_NAME, *(n for n, _ in pairs), *(n for n, _ in more)}
        if len(names) != 1 + len(pairs) + len(more) or not NO_NAMES.isdisjoint(names):
            msg = f"a label name stands twice, is empty or a null byte alone, in {name} {dict(pairs)!s:.200}"
            raise ExpositionError(msg)
        return self.cache.resolve(Labels([(METRIC_NAME, name), *pairs, *more]))

    def _kept(self) -> int:
        samples = len(self.columns) + len(self.histograms) + len(self.timed) + len(self.timed_histograms)
        return samples - self.columns.count(DROPPED) if self.limit else samples

    def _add(self, column: int, value: float, metric: Any) -> None:
        if metric.timestamp_ms and self.honor:
            self.timed.append((metric.timestamp_ms, column, value))
        else:
            self.columns.append(column)
            self.values.append(value)

    def _start(self, columns: Sequence[int], part: Any) -> None:
        if self.options.starts and part.HasField("created_timestamp"):
            stamp = part.created_timestamp
            at = stamp.seconds * 1000 + stamp.nanos // 1_000_000
            self.starts.update((column, at) for column in columns if column != DROPPED)

    def done(self, reader: ProtobufReader) -> Parsed:
        """All of it in columns, no column twice."""
        columns, values = reader.arrays(self.columns, self.values)
        native: dict[int, Histogram] = {}
        if self.histograms:
            others = set(self.columns)
            for column, found in self.histograms:
                if column != DROPPED and column not in others:
                    native.setdefault(column, found)
        timed = tuple(sorted(t for t in self.timed if t[1] != DROPPED))
        later = tuple(t for t in self.timed_histograms if t[1] != DROPPED)
        kept = (
            len(self.columns) - self.columns.count(DROPPED)
            + sum(column != DROPPED for column, _ in self.histograms) + len(timed) + len(later)
        )  # fmt: skip
        check_limit(kept, self.limit)
        live = np.concatenate([columns, np.array(list(native), np.int64)]) if native else columns
        stamped = np.array([*(t[1] for t in timed), *(t[1] for t in later)], np.int64)
        added, vanished = self.cache.take_columns(live, stamped, self.metas)
        return Parsed(
            columns,
            values,
            timed,
            len(self.columns) + len(self.histograms) + len(self.timed) + len(self.timed_histograms),
            kept,
            added,
            vanished,
            tuple(native.items()),
            later,
            self._known_starts(columns, native),
        )

    def _known_starts(self, columns: Ints, native: dict[int, Histogram]) -> tuple[tuple[int, Ms], ...]:
        if not self.starts:
            return ()
        here = {*columns.tolist(), *native}
        return tuple((column, at) for column, at in self.starts.items() if column in here)


def _behind_labels(data: bytes, at: int, stop: int) -> int:
    """Where a metric's labels end, which writers put first."""
    while at < stop and data[at] == 0x0A:
        if at + 1 < stop and data[at + 1] < 0x80:
            at += 2 + data[at + 1]
        else:
            size, at = varint(data, at + 1)
            at += size
    return at


def _key(data: bytes, start: int, pos: int, metric: Any) -> bytes:
    """The bytes of the labels; of a writer that puts labels elsewhere, too, a text of them all."""
    at, count = start, 0
    while at < pos:
        size, at = varint(data, at + 1)
        at, count = at + size, count + 1
    return data[start:pos] if count == len(metric.label) else repr(_pairs(metric)).encode("utf-8", "surrogatepass")


def _decode(data: bytes, start: int, stop: int) -> Any:
    try:
        metric = message_of("Metric", data[start:stop])
    except MessageError:
        msg = f"byte {start}: not a metric of the protobuf format"
        raise ExpositionError(msg) from None
    if len(metric.label) > _MOST_LABELS:
        msg = f"byte {start}: a metric with {len(metric.label)} labels"
        raise ExpositionError(msg)
    return metric


def _pairs(metric: Any) -> list[tuple[str, str]]:
    pairs = [(label.name, label.value) for label in metric.label]
    # What is not UTF-8 is given as bytes.
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        msg = f"not valid UTF-8 in the labels {pairs!s:.200}"
        raise ExpositionError(msg)
    return pairs
