"""What is fuzzed: functions that take any bytes and raise nothing.

A target lets through only the errors that the documentation of what it calls names; anything else is a finding, and so
are two readings of the same input that differ. Each is run by atheris (``python -m fuzz``) and, on fewer inputs, by
hypothesis in ``tests/fuzz``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import re
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from cramjam import zstd

from hypercare.collectors.exposition import ExpositionError, Meta, ScrapeCache, Series, parse
from hypercare.config.remote import Otlp
from hypercare.ingest import BadRequestError
from hypercare.ingest.otlp import Encoding, translate_body
from hypercare.ingest.protocol import unpack
from hypercare.ingest.remote_v1 import decode_v1
from hypercare.ingest.remote_v2 import V2Cache, decode_v2
from hypercare.ingest.series_labels import V1Cache
from hypercare.ingest.wire import WireError
from hypercare.model.histograms import NO_BUCKETS, Buckets, Histogram
from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, is_absent
from hypercare.promql import PromqlError, type_of
from hypercare.promql import parse as parse_promql
from hypercare.promql.printer import format_expr
from hypercare.tsdb import Options, Tsdb, codec, replay, wal
from hypercare.tsdb.blockfile import BlockFile
from hypercare.tsdb.chunks import Effort

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from hypercare.ingest import Decoded
    from hypercare.model.ingest import WriteBatch

_SHM: Final = Path("/dev/shm")  # noqa: S108 - memory instead of a disk: a million stores are opened
_INFINITY: Final = re.compile(r"\++Inf")
_BLOCKS: Final = Options(block_span=100, seal_rows=4, keep_rows=2, fsync=False)
_SMALL: Final = Options(block_span=100_000, seal_rows=4, keep_rows=2, fsync=False)
_LOG: Final = Options(block_span=100_000, seal_rows=64, keep_rows=64, fsync=False)
"""Without compression, which takes half the time of opening a small log; ``log_records`` has it."""


def promql(data: bytes) -> None:
    """An expression is parsed or refused with a place; what is parsed prints as what parses to the same."""
    text = data.decode("utf-8", "replace")
    try:
        expr = parse_promql(text)
    except PromqlError as error:
        shown = error.render(text)
        assert str(error) in shown
        assert error.line > 0, "every refusal has a place"
        return
    printed = format_expr(expr)
    again = parse_promql(printed)
    assert type_of(again) is type_of(expr)
    # Infinity prints as +Inf, as in Prometheus, whose sign is an operator where a power follows.
    assert _INFINITY.sub("+Inf", format_expr(again)) == _INFINITY.sub("+Inf", printed), (text, printed)


def exposition(data: bytes) -> None:
    """A body is read or refused, and the fast way of the second scrape gives what the full parser gives.

    The first byte chooses the format.
    """
    openmetrics, body = data[:1] == b"o", data[1:]
    columns: dict[Labels, int] = {}
    cache = ScrapeCache(lambda labels: columns.setdefault(labels, len(columns)))
    try:
        entries = list(parse(body, openmetrics=openmetrics))
    except ExpositionError:
        entries = None
    for _ in range(2):
        try:
            parsed = cache.parse(body, openmetrics=openmetrics)
        except ExpositionError:
            assert entries is None, "the full parser takes what the cache refuses"
            return
        if entries is None:
            # Known series are read over their exemplars, which nobody keeps.
            assert openmetrics, "the cache takes what the full parser refuses"
            assert b" # {" in body, "the cache takes what the full parser refuses"
            return
        wanted: dict[int, float] = {}
        # A series text means what it meant when it first came, whatever TYPE stands before it later in the body.
        meant: dict[str, Labels] = {}
        for entry in entries:
            if isinstance(entry, Series):
                labels = meant.setdefault(entry.text, entry.labels)
                if entry.timestamp is None:
                    wanted.setdefault(columns[labels], entry.value)
        assert sorted(wanted) == sorted(parsed.columns.tolist())
        got = dict(zip(parsed.columns.tolist(), parsed.values.tolist(), strict=True))
        for column, value in wanted.items():
            assert value == got[column] or (value != value and got[column] != got[column]), (column, value)  # noqa: PLR0124
        assert sum(isinstance(entry, Series) for entry in entries) == parsed.scraped
        assert all(isinstance(meta.text, str) for meta in entries if isinstance(meta, Meta))


def remote_write(data: bytes) -> None:
    """A request of remote write is decoded or refused, a warm cache decodes the same, and the store takes what came.

    The first byte chooses the version, and whether the rest is packed.
    """
    v2, packed, body = data[:1] in {b"2", b"4"}, data[:1] in {b"3", b"4"}, data[1:]
    try:
        if packed:
            body = unpack(body, 1 << 20)
        if v2:
            cache = V2Cache()
            first, second = (decode_v2(body, cache, "fuzz") for _ in range(2))
        else:
            other = V1Cache()
            first, second = (decode_v1(body, other, "fuzz") for _ in range(2))
    except (BadRequestError, WireError):
        return
    assert _told(first.batch) == _told(second.batch)
    _take(first)


def otlp(data: bytes) -> None:
    """A request of OTLP is translated or refused, and the store takes what came; the first byte chooses JSON."""
    encoding = Encoding.JSON if data[:1] == b"j" else Encoding.PROTOBUF
    with contextlib.suppress(BadRequestError):
        _take(translate_body(data[1:], encoding, Otlp()))


def _told(batch: WriteBatch) -> dict[str, list[tuple[int, int]]]:
    """Samples by series; the order of series is no part of a batch."""
    found: dict[str, list[tuple[int, int]]] = {}
    for each in batch.series:
        found.setdefault(str(each.labels), []).extend(
            zip(each.times.tolist(), each.values.view(np.int64).tolist(), strict=True)
        )
    return {labels: sorted(samples) for labels, samples in found.items()}


def _take(decoded: Decoded) -> None:
    """Write a batch as the server does: every sample is stored or accounted for, and can be read."""
    db = Tsdb.open(None, _SMALL)
    batch = decoded.batch
    result = db.write(batch, 1_700_000_000_000)
    came = sum(len(each.times) for each in (*batch.series, *batch.histograms))
    assert sum(result[:5]) <= came, (result, came)
    everything(db)
    db.snapshot().select_histograms((), -(2**62), 2**62)


def store_log(data: bytes) -> None:
    """Any bytes as a file of the log: the store opens, can be read and written, and opens again the same."""
    _in_store(lambda place: (place / "wal" / "00000001.wal").write_bytes(data), _LOG)


def log_records(data: bytes) -> None:
    """Records of the log that are not what was written, under the right checksum: read, replayed, accounted for.

    The records stand behind one another, each behind two bytes of its length.
    """
    framed, at = bytearray(wal.FILE_HEADER), 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "little")
        body = data[at + 2 : at + 2 + size]
        framed += wal.FRAME.pack(wal.MARKER, len(body), zlib.crc32(body)) + body
        at += 2 + size
    db = Tsdb.open(None, _SMALL)
    reader = replay._FileReplay(db._head, db.group, replay.Recovery())
    for record in wal.read_log(bytes(framed)):
        if isinstance(record, wal.RowRecord):
            reader.row(record)
        elif isinstance(record, wal.RowsRecord):
            reader.rows(record)
        elif isinstance(record, wal.ColumnsRecord):
            reader.columns(record)
        elif isinstance(record, wal.SeriesRecord):
            reader.series(record)
    everything(db)
    db.snapshot().select_histograms((), -(2**62), 2**62)


def pages(data: bytes) -> None:
    """Numbers of any bits come out of a page as they went in; any bytes as a page are read or refused.

    The first byte chooses: even, and the rest are numbers in as many columns as it says; odd, and the rest is a page.
    In a quarter of the cases the numbers are repeated until they are as many rows as merged blocks have.
    """
    kind, content = data[0] if data else 0, data[1:]
    if kind % 2:
        with contextlib.suppress(ValueError):
            _numbers_of(codec.Page(content))
        return
    width = kind // 2 % 9 + 1
    rows = len(content) // 8 // width
    if rows:
        values = np.frombuffer(content, np.float64, rows * width).reshape(rows, width)
        effort = Effort.QUICK
        if kind // 2 % 36 >= 27:
            values, effort = np.tile(values, (600 // rows + 1, 1)), Effort.THOROUGH
        found = _numbers_of(codec.Page(codec.encode(values, effort)))
        assert found.tobytes() == np.ascontiguousarray(values.T).tobytes()


def _numbers_of(page: codec.Page) -> npt.NDArray[np.float64]:
    """All columns."""
    if page.rows * page.width > 1 << 20:
        return np.empty(0)  # the directory of a block tells how many rows are expected
    out = np.empty((page.width, page.rows))
    for number, columns in page.chunks_of(np.arange(page.width)):
        out[columns] = page.constants(columns) if number < 0 else page.decode(number)
    return out


def store_block(data: bytes) -> None:
    """Any bytes as a block: the store opens, can be read and written, and says so where the block is left out."""
    _in_store(lambda place: (place / "blocks" / "0000000000000-0000000100000.block").write_bytes(data))


def store_pieces(data: bytes) -> None:
    """Pieces of a block that are not what was written, under the right checksum: a store that opens and answers.

    The first byte chooses the piece by the order in which they are read; the rest takes its place (from 128 on packed).
    """
    number, content = data[0] % 128 if data else 0, data[1:]
    if data[:1] >= b"\x80":
        content = bytes(zstd.compress(content, 1))
    real = BlockFile.piece
    read = itertools.count()
    place = _whole_store()

    def piece(file: BlockFile, where: tuple[int, int, int]) -> bytes:
        return content if next(read) == number else real(file, where)

    BlockFile.piece = piece  # type: ignore[method-assign]
    try:
        with contextlib.closing(Tsdb.open(place, _SMALL)) as db:
            everything(db)
            db.snapshot().select_histograms((), -(2**62), 2**62)
            db.verify()
    finally:
        BlockFile.piece = real  # type: ignore[method-assign]


@functools.cache
def _whole_store() -> Path:
    """A store with two blocks, made once a process."""
    place = Path(tempfile.mkdtemp(dir=_SHM if _SHM.is_dir() else None, prefix="hypercare-fuzz-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    with contextlib.closing(Tsdb.open(place, _BLOCKS)) as db:
        group = db.group("g")
        columns = [group.column(Labels.of(__name__="m", i=str(i))) for i in range(3)]
        for at in range(1, 250, 10):
            sides = (Buckets(np.array([1, 3]), np.array([1.0, at])), NO_BUCKETS)
            db.append(
                group, at, columns[:2], [float(at), STALE if at == 101 else at / 8],
                histograms=[(columns[2], Histogram(3, 0.01, 0.0, at + 1.0, 2.0, *sides))],
            )  # fmt: skip
        db.flush(250)
        for at in range(250, 2000, 100):
            db.maintain(at)
            db.flush(at)
    return place


def _in_store(prepare: Callable[[Path], object], options: Options = _SMALL) -> None:
    place = Path(tempfile.mkdtemp(dir=_SHM if _SHM.is_dir() else None, prefix="hypercare-fuzz-"))
    try:
        (place / "wal").mkdir()
        (place / "blocks").mkdir()
        prepare(place)
        db = Tsdb.open(place, options)
        before = everything(db)
        db.close()
        db = Tsdb.open(place, options)
        assert everything(db) == before
        db.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def everything(db: Tsdb) -> dict[Labels, list[tuple[int, int]]]:
    """All samples of a store: times and the bits of the values, by series."""
    found: dict[Labels, list[tuple[int, int]]] = {}
    for matrix in db.snapshot().select((), -(2**62), 2**62):
        there = ~is_absent(matrix.values)
        for column, labels in enumerate(matrix.labels):
            rows = there[:, column]
            cells = np.ascontiguousarray(matrix.values[rows, column])
            pairs = zip(matrix.times[rows].tolist(), cells.view(np.int64).tolist(), strict=True)
            found.setdefault(labels, []).extend(pairs)
    return found


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "promql": promql,
    "exposition": exposition,
    "remote_write": remote_write,
    "otlp": otlp,
    "log_records": log_records,
    "pages": pages,
    "store_log": store_log,
    "store_block": store_block,
    "store_pieces": store_pieces,
}
"""By the name that ``python -m fuzz`` takes."""
