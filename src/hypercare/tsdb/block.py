"""Blocks: sealed rows of all groups in one file per span of time.

A file is ``HCBLOCK4``, pieces, index, footer. Pieces are pages of columns, times, tables of label sets and one
directory per group; each is found by offset, length and CRC-32. The index (JSON under zstd) is read when the store
opens; tables where one is not known from another block; directories when a query first needs the group; pages when
it needs the columns.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import struct
import threading
import weakref
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from cramjam import DecompressionError, zstd

from hypercare.model.labels import Labels
from hypercare.model.matchers import matches_all
from hypercare.tsdb.arrange import arrange
from hypercare.tsdb.chunks import Effort
from hypercare.tsdb.codec import LONG, encode, page_columns
from hypercare.tsdb.fields import is_field, owner_of
from hypercare.tsdb.files import sync_directory
from hypercare.tsdb.segment import Dead, Segment, column_holes, compress_times, decompress_times
from hypercare.tsdb.tombstones import tombstones_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.segment import DecodedCache
    from hypercare.tsdb.tombstones import Tombstone

MAGIC: Final = b"HCBLOCK4"
_READ: Final = (MAGIC, b"HCBLOCK3", b"HCBLOCK2")
"""Formats that are read; those before have pages of version 2 and 1."""
_FOOTER: Final = struct.Struct("<QII8s")
_TABLE_BYTES: Final = 256 << 10
"""Size from on which tables of label sets are compressed together: they have most in common with each other."""

Place: TypeAlias = "tuple[int, int, int]"
"""Offset, length, CRC-32 of a piece."""


class BlockError(ValueError):
    """A file is not a whole block."""


class SealedRows(NamedTuple):
    """Rows of a group on their way into a block.

    Attributes:
        labels: of the columns.
        times: of the rows.
        cells: gives some columns: float64[rows, columns].
        ids: numbers of the columns in their group.

    """

    labels: Sequence[Labels]
    ids: Ints
    times: Ints
    cells: Callable[[Ints], Floats]


def number_of(name: str) -> int:
    """The number in the name of a block file; no two files of a store ever have the same."""
    last = name.removesuffix(".block").rpartition("-")[2]
    return int(last) if last.isdigit() else 0


class BlockWriter:
    """Writes a block beside its final place and moves it there when it is whole.

    Attributes:
        path: where it will be.
        learned: group, digest of the table of label sets, and column numbers of what was written.

    """

    def __init__(
        self,
        directory: Path,
        start: Ms,
        end: Ms,
        number: int,
        replaces: Sequence[str] = (),
        effort: Effort = Effort.QUICK,
    ) -> None:
        self.path = directory / f"{start:013d}-{end:013d}-{number:06d}.block"
        self._temporary = self.path.with_suffix(".tmp")
        self._file = self._temporary.open("wb")
        self._file.write(MAGIC)
        self._span = (start, end)
        self._replaces = list(replaces)
        self._effort = effort
        self._groups: list[Any] = []
        self._tables: list[Place] = []
        self.learned: list[tuple[str, str, Ints]] = []
        self._known: dict[bytes, tuple[int, int]] = {}
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._first: Ms | None = None
        self._last: Ms | None = None

    def add(self, key: str, pieces: Sequence[SealedRows]) -> Iterator[int]:
        """Write the rows of one group, oldest first; yields the number of cells after each page.

        Raises:
            OSError: the disk is full or broken.
        """
        heads: list[Any] = []
        directory: list[Any] = []
        for piece in pieces:
            first, last = int(piece.times[0]), int(piece.times[-1])
            self._first = first if self._first is None else min(self._first, first)
            self._last = last if self._last is None else max(self._last, last)
            width = page_columns(len(piece.times))
            table = self._table(piece.labels)
            self.learned.append((key, table[2], piece.ids))
            heads.append([first, last, len(piece.times), len(piece.labels), width, *table])
            pages: list[Place] = []
            holes: list[int] = []
            order, steps = np.arange(len(piece.labels)), []
            if self._effort is Effort.THOROUGH and len(piece.times) >= LONG and len(order) > width:
                order = yield from arrange(piece.cells, len(order), len(piece.times), width)
                steps = np.diff(order, prepend=0).tolist()
            for left in range(0, len(order), width):
                columns = order[left : left + width]
                values = piece.cells(columns)
                pages.append(self._put(encode(values, self._effort)))
                found = column_holes(values)
                holes += [] if found is None else columns[found].tolist()
                yield values.size
            directory.append([self._put(compress_times(piece.times)), pages, holes, steps])
        self._groups.append([key, heads, *self._put(_pack(directory))])

    def finish(self) -> Path:
        """Complete the file and give it its name; returns its path.

        Raises:
            OSError: the disk is full or broken.
        """
        self._write_tables()
        index = {
            "span": self._span,
            "first": self._first,
            "last": self._last,
            "replaces": self._replaces,
            "tables": self._tables,
            "groups": self._groups,
        }
        offset, length, checksum = self._put(_pack(index))
        self._file.write(_FOOTER.pack(offset, length, checksum, MAGIC))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        sync_directory(self.path.parent)
        return self.path

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._groups

    def abort(self) -> None:
        """Give the file up."""
        # The disk that made us give up may not take the last buffer either.
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _table(self, labels: Sequence[Labels]) -> tuple[int, int, str]:
        """Number of the piece that a table of label sets is in, its place there, and its digest."""
        text = json.dumps([label.pairs for label in labels], separators=(",", ":")).encode()
        digest = blake2b(text, digest_size=12).digest()
        found = self._known.get(digest)
        if found is None:
            if self._waiting_bytes > _TABLE_BYTES:
                self._write_tables()
            found = self._known[digest] = (len(self._tables), len(self._waiting))
            self._waiting.append(text)
            self._waiting_bytes += len(text)
        return (*found, digest.hex())

    def _write_tables(self) -> None:
        if self._waiting:
            text = b"[" + b",".join(self._waiting) + b"]"
            self._tables.append(self._put(bytes(zstd.compress(text, 9))))
            self._waiting, self._waiting_bytes = [], 0

    def _put(self, piece: bytes) -> Place:
        place = (self._file.tell(), len(piece), zlib.crc32(piece))
        self._file.write(piece)
        return place


def _pack(document: Any) -> bytes:
    return bytes(zstd.compress(json.dumps(document, separators=(",", ":")).encode(), 6))


def _unpack(packed: bytes) -> Any:
    """What :func:`_pack` took.

    Raises:
        BlockError: it is not that.
    """
    try:
        return json.loads(bytes(zstd.decompress(packed)))
    except (DecompressionError, ValueError, RecursionError) as err:
        raise BlockError(str(err)) from err


def _place(given: Any) -> Place:
    """The place of a piece, as JSON has it.

    Raises:
        BlockError: it is none.
    """
    if not isinstance(given, list) or [type(number) for number in given] != [int] * 3:
        raise BlockError("the place of a piece is not three numbers")
    return (given[0], given[1], given[2])


class _BlockFile:
    """Reads pieces of a block file; opened at the first read and kept open, as a query reads thousands of pieces."""

    def __init__(self, path: Path, report: Callable[[Path, str], None]) -> None:
        self.path = path
        self.failures = 0
        self._report = report
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def report(self, path: Path, message: str) -> None:
        """Note that a part of the file could not be read."""
        self.failures += 1
        self._report(path, message)

    def piece(self, place: Place) -> bytes:
        """A piece whose checksum fits.

        Raises:
            BlockError: it does not.
            OSError: as the system says.
        """
        offset, length, checksum = place
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self.hold()
        if not 0 <= offset <= offset + length <= os.fstat(descriptor).st_size:
            msg = f"{length} bytes at offset {offset} are not within the file"
            raise BlockError(msg)
        data = os.pread(descriptor, length, offset)
        if len(data) != length or zlib.crc32(data) != checksum:
            msg = f"{length} bytes at offset {offset} do not fit their checksum"
            raise BlockError(msg)
        return data

    def hold(self) -> int:
        """Keep the file open; its descriptor.

        Raises:
            OSError: it cannot be opened.
        """
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                weakref.finalize(self, os.close, self._descriptor)
            return self._descriptor

    def try_piece(self, place: Place) -> bytes | None:
        """A piece, or none where it cannot be read, which is reported (unless retention has deleted the file)."""
        try:
            return self.piece(place)
        except FileNotFoundError:
            self.failures += 1
            return None
        except (OSError, BlockError) as err:
            self.report(self.path, f"{err}; its samples are missing in answers")
            return None


class _FilePages:
    """Compressed bytes of a segment in a block file."""

    __slots__ = ("_file", "_pages", "_rows", "_times_place")

    size = 0

    def __init__(self, file: _BlockFile, rows: int, times: Place, pages: Sequence[Place]) -> None:
        self._file = file
        self._rows = rows
        self._times_place = times
        self._pages = tuple(pages)

    @property
    def stored(self) -> int:
        """Bytes in the file."""
        return sum(length for _, length, _ in (self._times_place, *self._pages))

    def times(self) -> Ints | None:
        """The row times."""
        packed = self._file.try_piece(self._times_place)
        if packed is None:
            return None
        try:
            return decompress_times(packed, self._rows)
        except ValueError as err:
            self._file.report(self._file.path, str(err))
            return None

    def page(self, number: int) -> bytes | None:
        """The bytes of a page."""
        return self._file.try_piece(self._pages[number])

    def reject(self, number: int, reason: str) -> None:
        """Report a page that cannot be decompressed."""
        self._file.report(self._file.path, f"page {number}: {reason}")


class _Head(NamedTuple):
    """What the index says of one segment."""

    first: Ms
    last: Ms
    rows: int
    page_columns: int
    layout: Layout


def _pages_of(file: _BlockFile, head: _Head, times: Any, pages: Any) -> _FilePages:
    """The pages of a segment, as a directory has them.

    Raises:
        BlockError: it has them not as it should.
    """
    if len(pages) != -(-head.layout.width // head.page_columns):
        raise BlockError("another number of pages than the index says")
    return _FilePages(file, head.rows, _place(times), [_place(page) for page in pages])


def _places(steps: Any, width: int) -> Ints:
    """Where each column stands in the pages, of the steps from one to the next as they stand there.

    Raises:
        BlockError: they do not lead to every column once.
    """
    if not isinstance(steps, list) or len(steps) != width or any(type(step) is not int for step in steps):
        raise BlockError("the order of columns is not one of as many as there are")
    order = list(itertools.accumulate(steps))
    if sorted(order) != list(range(width)):
        raise BlockError("the order of columns does not name each once")
    places = np.empty(width, dtype=np.int64)
    places[order] = np.arange(width)
    return places


class Block:
    """An open block.

    Attributes:
        start: start of its span, ms.
        end: end of its span (exclusive), ms.
        first: time of its oldest row.
        last: time of its newest row.
        size: bytes on disk.
        replaces: names of the files whose rows it took over.
        tombstones: what is deleted of it.

    """

    def __init__(self, file: _BlockFile, index: dict[str, Any], size: int, cache: DecodedCache) -> None:
        self._file = file
        self._cache = cache
        self.start, self.end = (int(t) for t in index["span"])
        self.first, self.last = int(index["first"]), int(index["last"])
        self.replaces = tuple(str(name) for name in index["replaces"])
        self.size = size
        self.tombstones: tuple[Tombstone, ...] = ()
        self._groups: dict[int, Group] = {}
        self._heads: dict[int, tuple[tuple[_Head, ...], Place]] = {}
        self._segments: dict[int, tuple[Segment, ...]] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def members(self) -> list[Group]:
        """The groups that have rows in it."""
        return list(self._groups.values())

    @property
    def failures(self) -> int:
        """How many times a part of it could not be read."""
        return self._file.failures

    def hold(self) -> None:
        """Keep the file open, so that all of it can be read whoever deletes it.

        Raises:
            OSError: it cannot be opened.
        """
        self._file.hold()

    def adopt(self, group: Group, heads: tuple[_Head, ...], directory: Place) -> None:
        """Learn where a group's rows are."""
        self._groups[group.gid] = group
        self._heads[group.gid] = (heads, directory)

    def with_tombstones(self, tombstones: tuple[Tombstone, ...]) -> Block:
        """The same block with other cells deleted; who holds this one goes on as before."""
        other = copy.copy(self)
        other.tombstones = tombstones
        other._segments = {}  # noqa: SLF001  (a copy of ourselves)
        return other

    def layouts(self, gid: int) -> list[Layout]:
        """The layouts of a group's rows."""
        found = self._heads.get(gid)
        return [] if found is None else [head.layout for head in found[0]]

    @property
    def groups(self) -> list[int]:
        """The numbers of the groups that have rows in it."""
        return sorted(self._heads)

    def cells(self, gid: int) -> int:
        """Rows times columns of a group."""
        return sum(head.rows * head.layout.width for head in self._heads[gid][0])

    def segments(self, gid: int) -> tuple[Segment, ...]:
        """The rows of a group, oldest first."""
        found = self._segments.get(gid)
        if found is None:
            # Two threads may do this at once; both come to the same and one of them stays.
            found = self._segments.setdefault(gid, self._load(gid)) if gid in self._heads else ()
        return found

    def unlink_when_unused(self) -> None:
        """Delete the file as soon as no reader holds the block any more."""
        weakref.finalize(self._file, _unlink, self.path)

    def _load(self, gid: int) -> tuple[Segment, ...]:
        heads, place = self._heads[gid]
        text = self._file.try_piece(place)
        if text is None:
            return ()
        segments: list[Segment] = []
        try:
            directory = _unpack(text)
            for head, (times, pages, listed, *steps) in zip(heads, directory, strict=True):
                holes = None
                if listed:
                    holes = np.zeros(head.layout.width, dtype=np.bool_)
                    holes[listed] = True
                source = _pages_of(self._file, head, times, pages)
                span, columns = (head.first, head.last), head.page_columns
                places = _places(steps[0], head.layout.width) if steps and steps[0] != [] else None
                segment = Segment(
                    head.layout, span, head.rows, holes, source, self._cache, columns=columns, places=places
                )
                self._bury(self._groups[gid], segment)
                segments.append(segment)
        except (ValueError, TypeError, IndexError) as err:
            self._file.report(self.path, f"the directory of a group cannot be read: {err}")
        return tuple(segments)

    def _bury(self, group: Group, segment: Segment) -> None:
        """Apply the tombstones to a segment."""
        for tombstone in self.tombstones:
            if tombstone.end < segment.first or tombstone.start > segment.last:
                continue
            columns = np.array([_concerned(tombstone, group, n) for n in segment.layout.ids.tolist()], dtype=np.bool_)
            if columns.any():
                times = segment.times()
                first, behind = np.searchsorted(times, (tombstone.start, tombstone.end + 1)).tolist()
                if first < behind:
                    segment.kill(Dead(columns, first, behind))


def _concerned(tombstone: Tombstone, group: Group, number: int) -> bool:
    labels = group.series.get(number)
    if labels is None:
        return False
    return matches_all(tombstone.matchers, owner_of(labels)[0] if is_field(labels) else labels)


def _unlink(path: Path) -> None:
    # Nothing can be told at this point; what stays is deleted when the store opens, as its successor names it.
    # The tombstones go last: without them what was deleted would be back if only they were gone.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        tombstones_path(path).unlink(missing_ok=True)


class BlockLoader:
    """Opens block files; remembers label tables, which are mostly the same from block to block."""

    def __init__(
        self, group_of: Callable[[str], Group], cache: DecodedCache, report: Callable[[Path, str], None]
    ) -> None:
        self._group_of = group_of
        self._cache = cache
        self._report = report
        self._layouts: dict[tuple[str, str], Layout] = {}

    def open(self, path: Path) -> Block:
        """Read the index of a block.

        Raises:
            BlockError: the file is damaged where it matters.
            OSError: as the system says.
        """
        size = path.stat().st_size
        with path.open("rb", buffering=0) as raw:
            raw.seek(max(size - _FOOTER.size, 0))
            footer = raw.read(_FOOTER.size)
        if len(footer) < _FOOTER.size or not footer.endswith(_READ):
            msg = "the file does not end as a block does"
            raise BlockError(msg)
        offset, length, checksum, _ = _FOOTER.unpack(footer)
        file = _BlockFile(path, self._report)
        index = _unpack(file.piece((offset, length, checksum)))
        try:
            block = Block(file, index, size, self._cache)
            if not path.name.startswith(f"{block.start:013d}-{block.end:013d}"):
                raise BlockError(f"the block is of the span from {block.start} to {block.end}, not of that of its name")
            tables = _Tables(file, index["tables"])
            for key, heads, *directory in index["groups"]:
                self._open_group(tables, block, str(key), heads, _place(directory))
        except (ValueError, KeyError, TypeError, IndexError) as err:
            raise BlockError(str(err)) from err
        return block

    def _open_group(self, tables: _Tables, block: Block, key: str, heads: list[Any], directory: Place) -> None:
        group = self._group_of(key)
        found: list[_Head] = []
        for first, last, rows, width, columns, piece, place, digest in heads:
            layout = self._layouts.get((key, digest))
            if layout is None:
                table = tables.table(piece, place)
                if table is None:
                    return
                numbers = [group.column(Labels(pairs)) for pairs in table]
                layout = group.layout(np.array(numbers, dtype=np.int64))
                self._layouts[key, digest] = layout
            if rows < 1 or columns < 1 or first > last:
                raise BlockError("the index says of a segment what cannot be")
            if layout.width != width:
                raise BlockError("a table of label sets has another length than the index says")
            found.append(_Head(first, last, rows, columns, layout))
        block.adopt(group, tuple(found), directory)

    def learn(self, learned: Sequence[tuple[str, str, Ints]]) -> None:
        """Hear what the tables of a block are that was just written, so that they need not be read."""
        for key, digest, ids in learned:
            if (key, digest) not in self._layouts:
                self._layouts[key, digest] = self._group_of(key).layout(ids)

    def forget(self) -> None:
        """Forget label tables, whose column numbers may have been given up."""
        self._layouts.clear()


class _Tables:
    """The tables of label sets of a block, read as they are needed."""

    def __init__(self, file: _BlockFile, places: list[Any]) -> None:
        self._file = file
        self._places = places
        self._read: dict[int, Any] = {}

    def table(self, piece: int, place: int) -> Any | None:
        """One table, or none where it cannot be read."""
        if piece not in self._read:
            packed = self._file.try_piece(_place(self._places[piece]))
            self._read[piece] = None if packed is None else _unpack(packed)
        tables = self._read[piece]
        return None if tables is None else tables[place]
