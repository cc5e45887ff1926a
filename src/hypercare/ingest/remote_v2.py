"""Remote write 2.0: ``io.prometheus.write.v2.Request``.

Fields of the messages, as published in the specification's ``types.proto``: Request {symbols 4, timeseries 5};
TimeSeries {labels_refs 1, samples 2, histograms 3, exemplars 4, metadata 5, created_timestamp 6}; Sample {value 1,
timestamp 2, start_timestamp 3}; Metadata {type 1, help_ref 3, unit_ref 4}. Later texts of the specification have the
start of a counter in the sample instead of the series; both are read.
"""

from __future__ import annotations

import itertools
from sys import intern
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from hypercare.ingest.assembly import Assembly
from hypercare.ingest.decoded import Problems
from hypercare.ingest.native import BadHistogramError, read_histogram
from hypercare.ingest.remote_v1 import TYPES
from hypercare.ingest.series_labels import BadLabelsError, make_labels
from hypercare.ingest.single import read_singles
from hypercare.ingest.wire import (
    BYTES,
    VARINT,
    Field,
    WireError,
    double,
    expect,
    fields,
    signed,
    signed32,
    varint,
    varints,
)
from hypercare.model.ingest import MetricMetadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.ingest.decoded import Decoded
    from hypercare.model.labels import Labels

_SERIES_TAG: Final = 0x2A
_SYMBOL_TAG: Final = 0x22
_REFS_TAG: Final = 0x0A
_SAMPLE_TAG: Final = 0x12
_SAMPLE_SIZE: Final = 16
_ZERO_SIZE: Final = 7
_MAX_SYMBOLS: Final = 2_000_000
_MAX_SERIES: Final = 500_000


class _Memory:
    """What symbols and label sets were seen: numbers of symbols that hold from request to request."""

    def __init__(self) -> None:
        self.symbols: dict[bytes, int] = {}
        self.series: dict[bytes, Labels] = {}
        self.metadata: dict[tuple[str, int, str, str], MetricMetadata] = {}
        self._numbers = itertools.count()

    def number(self, symbol: bytes) -> int:
        """The lasting number of a symbol."""
        found = self.symbols.get(symbol)
        # Two threads may draw a number for one symbol at once: setdefault lets one of them win.
        return found if found is not None else self.symbols.setdefault(symbol, next(self._numbers))

    @property
    def full(self) -> bool:
        """Whether to begin anew."""
        return len(self.symbols) > _MAX_SYMBOLS or len(self.series) > _MAX_SERIES


class V2Cache:
    """Label sets by the lasting numbers of their symbols; bounded; any thread may use it."""

    def __init__(self) -> None:
        self._memory = _Memory()

    @property
    def memory(self) -> _Memory:
        """What to use for one request."""
        if self._memory.full:
            self._memory = _Memory()
        return self._memory


_Single: TypeAlias = "tuple[int, int, int, bool, int, int]"
"""The places of a series with one sample: begin and end of its references, end of the sample, whether that has a value,
begin and end of the metadata (both 0: none). A tuple, because there is one for every sample."""


class _Request:
    """One request while it is decoded."""

    def __init__(self, data: bytes, memory: _Memory, source: str) -> None:
        self.data = data
        self.memory = memory
        self.assembly = Assembly(source)
        self.problems = Problems()
        self.symbols: list[bytes] = []
        self.numbers: np.ndarray[tuple[int], np.dtype[np.int32]] = np.empty(0, np.int32)
        self.told: dict[MetricMetadata, None] = {}

    # -- symbols -----------------------------------------------------------------------------------------------

    def take_symbols(self, symbols: list[bytes]) -> None:
        """Note the table of symbols.

        Raises:
            WireError: the first one is not empty.

        """
        if symbols and symbols[0]:
            msg = "the first symbol must be the empty one"
            raise WireError(msg)
        self.symbols = symbols
        self.numbers = np.array([self.memory.number(symbol) for symbol in symbols], np.int32)

    def symbol(self, ref: int) -> str:
        """A symbol's text.

        Raises:
            WireError: there is no such symbol, or it is not in UTF-8.

        """
        if ref >= len(self.symbols):
            msg = f"there is no symbol {ref}, only {len(self.symbols)} symbols"
            raise WireError(msg)
        try:
            return intern(self.symbols[ref].decode())
        except UnicodeDecodeError:
            msg = f"symbol {ref} is not in UTF-8"
            raise WireError(msg) from None

    def labels(self, refs: Sequence[int]) -> Labels:
        """A label set.

        Raises:
            WireError: references lead nowhere.
            BadLabelsError: it cannot be that of a series.

        """
        if len(refs) % 2:
            msg = f"{len(refs)} references to symbols do not make pairs"
            raise BadLabelsError(msg)
        words = [self.symbol(ref) for ref in refs]
        return make_labels(list(zip(words[::2], words[1::2], strict=True)))

    # -- series ------------------------------------------------------------------------------------------------

    def single(self, at: int, stop: int) -> _Single | None:
        """The places of a series in the usual form: references, one sample, metadata or not, nothing else."""
        data = self.data
        if stop - at < 12 or data[at] != _REFS_TAG:
            return None
        size = data[at + 1]
        begin = at + 2
        if size > 0x7F:
            size, begin = varint(data, at + 1)
        end = begin + size
        if end + 2 > stop or data[end] != _SAMPLE_TAG:
            return None
        length = data[end + 1]
        over = end + 2 + length
        if length not in {_SAMPLE_SIZE, _ZERO_SIZE} or over > stop:
            return None
        about = until = 0
        if over < stop:
            if data[over] != _SERIES_TAG or over + 2 + data[over + 1] != stop or data[over + 1] > 0x7F:
                return None
            about, until = over + 2, stop
        return begin, end, over, length == _SAMPLE_SIZE, about, until

    def take_singles(self, singles: list[_Single]) -> None:
        """All series of the usual form."""
        refs, ends = self._references(singles)
        if len(refs) and int(refs.max()) >= len(self.symbols):
            msg = f"there is no symbol {int(refs.max())}, only {len(self.symbols)} symbols"
            raise WireError(msg)
        keys = self.numbers[refs].tobytes()
        known = self.memory.series
        found: list[Labels] = []
        kept: list[_Single] = singles
        left_out: list[int] = []
        begin = 0
        for at, end in enumerate(ends):
            key = keys[begin * 4 : end * 4]
            labels = known.get(key)
            if labels is None:
                try:
                    labels = self.labels(refs[begin:end].tolist())
                except BadLabelsError as error:
                    self.problems.add(str(error))
                    begin = end
                    left_out.append(at)
                    continue
                known[key] = labels
            begin = end
            found.append(labels)
        if left_out:
            gone = frozenset(left_out)
            kept = [single for at, single in enumerate(singles) if at not in gone]
        if not found:
            return
        self._take_told(found, kept)
        stops = np.array([single[2] for single in kept], np.intp)
        try:
            times, values = read_singles(
                np.frombuffer(self.data, np.uint8), stops, np.array([single[3] for single in kept])
            )
        except ValueError:
            for labels, single in zip(found, kept, strict=True):
                size = _SAMPLE_SIZE if single[3] else _ZERO_SIZE
                self.assembly.add(labels, [self.sample(single[2] - size, single[2], 0)])
            return
        self.assembly.add_singles(found, times, values)

    def _take_told(self, found: list[Labels], singles: list[_Single]) -> None:
        """What is told of the metrics; the series of one family mostly stand together and are told the same."""
        data, last, before = self.data, "", b""
        for labels, (_, _, _, _, about, until) in zip(found, singles, strict=True):
            if about:
                text = data[about:until]
                if text != before or labels.name != last:
                    last, before = labels.name, text
                    self.take_metadata(labels, about, until)

    def _references(self, singles: list[_Single]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[int]]:
        """The references of all series one after the other, and where those of each end.

        Raises:
            WireError: a number does not end within its field, or has more than 32 bits.

        """
        joined = np.frombuffer(b"".join([self.data[each[0] : each[1]] for each in singles]), np.uint8)
        if not len(joined):
            return np.empty(0, np.int64), [0] * len(singles)
        last = joined < 0x80
        edges = np.cumsum([each[1] - each[0] for each in singles])
        if not last[edges[edges > 0] - 1].all():
            msg = "a reference to a symbol is cut off"
            raise WireError(msg)
        stops = np.flatnonzero(last)
        starts = np.empty_like(stops)
        starts[0] = 0
        starts[1:] = stops[:-1] + 1
        widths = stops - starts + 1
        if int(widths.max()) > 5:
            msg = "a reference to a symbol has more than 32 bits"
            raise WireError(msg)
        places = np.arange(len(joined)) - np.repeat(starts, widths)
        refs = np.add.reduceat((joined & 0x7F).astype(np.int64) << (7 * places), starts)
        return refs, np.searchsorted(stops, edges - 1, side="right").tolist()

    def sample(self, at: int, stop: int, created: int) -> tuple[int, float, int]:
        """Time, value and start of a Sample."""
        value, stamp, start = 0.0, 0, 0
        for field in fields(self.data, at, stop):
            if field.number == 1:
                value = double(self.data, field)
            elif field.number in {2, 3}:
                expect(field, VARINT)
                if field.number == 2:
                    stamp = signed(field.value)
                else:
                    start = signed(field.value)
        return stamp, value, start or created

    def series(self, at: int, stop: int) -> None:
        """A series of another form."""
        data = self.data
        parts: dict[int, list[Field]] = {1: [], 2: [], 3: [], 4: [], 5: []}
        created = 0
        for field in fields(data, at, stop):
            if field.number == 6:
                expect(field, VARINT)
                created = signed(field.value)
            elif field.number in parts:
                if field.number > 1:
                    expect(field, BYTES)
                parts[field.number].append(field)
        refs = [ref for field in parts[1] for ref in varints(data, field)]
        samples = [self.sample(field.start, field.stop, created) for field in parts[2]]
        self.assembly.exemplars += len(parts[4])
        try:
            labels = self.labels(refs)
        except BadLabelsError as error:
            self.problems.add(str(error), len(samples) + len(parts[3]))
            return
        for field in parts[5]:
            self.take_metadata(labels, field.start, field.stop)
        self.assembly.add(labels, samples)
        for field in parts[3]:
            try:
                found = read_histogram(data, field.start, field.stop)
            except BadHistogramError as error:
                self.problems.add(f"{error}, in {labels!s:.200}")
            else:
                self.assembly.add_histogram(labels, found._replace(start=found.start or created))

    def take_metadata(self, labels: Labels, at: int, stop: int) -> None:
        """What is told of the metric that a series belongs to."""
        numbers = {1: 0, 3: 0, 4: 0}
        for field in fields(self.data, at, stop):
            if field.number in numbers:
                expect(field, VARINT)
                numbers[field.number] = field.value & 0xFFFFFFFF
        kind = signed32(numbers[1])
        about, unit = self.symbol(numbers[3]), self.symbol(numbers[4])
        if not kind and not about and not unit:
            return
        key = (labels.name, kind, about, unit)
        found = self.memory.metadata.get(key)
        if found is None:
            kind_text = TYPES[kind] if 0 <= kind < len(TYPES) else "unknown"
            found = MetricMetadata(_family(labels.name, kind_text), kind_text, about, unit)
            if len(self.memory.metadata) < _MAX_SERIES:
                self.memory.metadata[key] = found
        self.told[found] = None


def _family(name: str, kind: str) -> str:
    """The metric that a series of it stands under, as in metadata of version 1."""
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}.get(kind, ())
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)


def decode_v2(data: bytes, cache: V2Cache, source: str) -> Decoded:
    """The samples of a Request.

    Args:
        data: the message, decompressed.
        cache: label sets seen before.
        source: of the batch.

    Raises:
        WireError: the bytes are no such message.

    """
    request = _Request(data, cache.memory, source)
    symbols: list[bytes] = []
    singles: list[_Single] = []
    others: list[tuple[int, int]] = []
    at, end = 0, len(data)
    try:
        while at < end:
            tag, size, begin = data[at], data[at + 1], at + 2
            if tag not in {_SERIES_TAG, _SYMBOL_TAG}:
                field = next(fields(data, at, end))
                if field.number in {4, 5}:
                    expect(field, BYTES)
                at = field.stop
                continue
            if size > 0x7F:
                size, begin = varint(data, at + 1)
            at = begin + size
            if at > end:
                msg = f"byte {begin}: a field reaches beyond the message"
                raise WireError(msg)
            if tag == _SYMBOL_TAG:
                symbols.append(data[begin:at])
                continue
            single = request.single(begin, at)
            if single is None:
                others.append((begin, at))
            else:
                singles.append(single)
        # Symbols may stand behind the series that refer to them.
        request.take_symbols(symbols)
        for begin, stop in others:
            request.series(begin, stop)
        if singles:
            request.take_singles(singles)
    except IndexError:
        msg = f"byte {at}: the message ends within a field"
        raise WireError(msg) from None
    request.assembly.metadata.extend(request.told)
    return request.assembly.decoded(request.problems)
