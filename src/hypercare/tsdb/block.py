"""Blocks: sealed rows of all groups in one file per span of time.

A file is ``HCBLOCK1``, pieces, index, footer. Pieces are compressed chunks, times, tables of label sets and one
directory per group; each is found by offset, length and CRC-32. The index (JSON, deflated) is read when the store
opens; directories when a query first needs the group; chunks when it needs the columns.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from hypercare.model.labels import Labels
from hypercare.tsdb.files import sync_directory
from hypercare.tsdb.segment import Segment, column_holes, compress, decompress_ints, pack_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.segment import DecodedCache

MAGIC: Final = b"HCBLOCK1"
_FOOTER: Final = struct.Struct("<QII8s")

Place: TypeAlias = "tuple[int, int, int]"
"""Offset, length, CRC-32 of a piece."""


class BlockError(ValueError):
    """A file is not a whole block."""


class SealedRows(NamedTuple):
    """Rows of a group on their way into a block."""

    labels: Sequence[Labels]
    times: Ints
    values: Floats


class BlockWriter:
    """Writes a block beside its final place and moves it there when it is whole."""

    def __init__(self, directory: Path, start: Ms, end: Ms) -> None:
        # Rows that came late to a span get a file beside that of the span.
        names = (f"{start:013d}-{end:013d}{suffix}.block" for suffix in ("", *(f"-{n}" for n in range(1, 10_000))))
        self._path = next(path for path in (directory / name for name in names) if not path.exists())
        self._temporary = self._path.with_suffix(".tmp")
        self._file = self._temporary.open("wb")
        self._file.write(MAGIC)
        self._span = (start, end)
        self._groups: list[Any] = []
        self._tables: dict[bytes, tuple[Place, str]] = {}
        self._first: Ms | None = None
        self._last: Ms | None = None

    def add(self, key: str, pieces: Sequence[SealedRows]) -> None:
        """Write the rows of one group, oldest first.

        Raises:
            OSError: the disk is full or broken.
        """
        heads: list[Any] = []
        directory: list[Any] = []
        for piece in pieces:
            first, last = int(piece.times[0]), int(piece.times[-1])
            self._first = first if self._first is None else min(self._first, first)
            self._last = last if self._last is None else max(self._last, last)
            place, digest = self._table(piece.labels)
            heads.append([first, last, len(piece.times), digest, *place])
            holes = column_holes(piece.values)
            chunks = [self._put(chunk) for chunk in pack_chunks(piece.values)]
            listed = [] if holes is None else np.flatnonzero(holes).tolist()
            directory.append([self._put(compress(piece.times)), chunks, listed])
        self._groups.append([key, heads, *self._put(json.dumps(directory).encode())])

    def finish(self) -> Path:
        """Complete the file and give it its name; returns its path.

        Raises:
            OSError: the disk is full or broken.
        """
        index = {"span": self._span, "first": self._first, "last": self._last, "groups": self._groups}
        offset, length, checksum = self._put(zlib.compress(json.dumps(index).encode(), 6))
        self._file.write(_FOOTER.pack(offset, length, checksum, MAGIC))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        sync_directory(self._path.parent)
        return self._path

    def abort(self) -> None:
        """Give the file up."""
        # The disk that made us give up may not take the last buffer either.
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _table(self, labels: Sequence[Labels]) -> tuple[Place, str]:
        text = json.dumps([label.pairs for label in labels]).encode()
        digest = blake2b(text, digest_size=16).digest()
        found = self._tables.get(digest)
        if found is None:
            found = self._tables[digest] = (self._put(zlib.compress(text, 6)), digest.hex())
        return found

    def _put(self, piece: bytes) -> Place:
        place = (self._file.tell(), len(piece), zlib.crc32(piece))
        self._file.write(piece)
        return place


class _BlockFile:
    """Reads pieces of a block file; opened for each read, so that any number of blocks needs no descriptors."""

    def __init__(self, path: Path, report: Callable[[Path, str], None]) -> None:
        self.path = path
        self.report = report

    def piece(self, place: Place) -> bytes:
        """A piece whose checksum fits.

        Raises:
            BlockError: it does not.
            OSError: as the system says.
        """
        offset, length, checksum = place
        with self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length or zlib.crc32(data) != checksum:
            msg = f"{length} bytes at offset {offset} do not fit their checksum"
            raise BlockError(msg)
        return data

    def try_piece(self, place: Place) -> bytes | None:
        """A piece, or none where it cannot be read, which is reported (unless retention has deleted the file)."""
        try:
            return self.piece(place)
        except FileNotFoundError:
            return None
        except (OSError, BlockError) as err:
            self.report(self.path, f"{err}; its samples are missing in answers")
            return None


class _FileChunks:
    """Compressed bytes of a segment in a block file."""

    __slots__ = ("_chunks", "_file", "_rows", "_times_place")

    size = 0

    def __init__(self, file: _BlockFile, rows: int, times: Place, chunks: Sequence[Place]) -> None:
        self._file = file
        self._rows = rows
        self._times_place = times
        self._chunks = tuple(chunks)

    @property
    def stored(self) -> int:
        """Bytes in the file."""
        return sum(length for _, length, _ in (self._times_place, *self._chunks))

    def times(self) -> Ints | None:
        """The row times."""
        packed = self._file.try_piece(self._times_place)
        if packed is None:
            return None
        try:
            return decompress_ints(packed, self._rows)
        except ValueError as err:
            self._file.report(self._file.path, str(err))
            return None

    def chunk(self, number: int) -> bytes | None:
        """The bytes of one slice of columns."""
        return self._file.try_piece(self._chunks[number])

    def reject(self, number: int, reason: str) -> None:
        """Report a chunk that cannot be decompressed."""
        self._file.report(self._file.path, f"chunk {number}: {reason}")


class _Head(NamedTuple):
    """What the index says of one segment."""

    first: Ms
    last: Ms
    rows: int
    layout: Layout


class Block:
    """An open block.

    Attributes:
        start: start of its span, ms.
        end: end of its span (exclusive), ms.
        first: time of its oldest row.
        last: time of its newest row.
        size: bytes on disk.

    """

    def __init__(self, file: _BlockFile, index: dict[str, Any], size: int, cache: DecodedCache) -> None:
        self._file = file
        self._cache = cache
        self.start, self.end = (int(t) for t in index["span"])
        self.first, self.last = int(index["first"]), int(index["last"])
        self.size = size
        self._heads: dict[int, tuple[tuple[_Head, ...], Place]] = {}
        self._segments: dict[int, tuple[Segment, ...]] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def adopt(self, gid: int, heads: tuple[_Head, ...], directory: Place) -> None:
        """Learn where a group's rows are."""
        self._heads[gid] = (heads, directory)

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

    def _load(self, gid: int) -> tuple[Segment, ...]:
        heads, place = self._heads[gid]
        text = self._file.try_piece(place)
        if text is None:
            return ()
        segments: list[Segment] = []
        for head, (times, chunks, listed) in zip(heads, json.loads(text), strict=True):
            holes = None
            if listed:
                holes = np.zeros(head.layout.width, dtype=np.bool_)
                holes[listed] = True
            source = _FileChunks(self._file, head.rows, tuple(times), [tuple(c) for c in chunks])
            segments.append(Segment(head.layout, (head.first, head.last), head.rows, holes, source, self._cache))
        return tuple(segments)


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
        if len(footer) < _FOOTER.size or not footer.endswith(MAGIC):
            msg = "the file does not end as a block does"
            raise BlockError(msg)
        offset, length, checksum, _ = _FOOTER.unpack(footer)
        file = _BlockFile(path, self._report)
        try:
            index = json.loads(zlib.decompress(file.piece((offset, length, checksum))))
            block = Block(file, index, size, self._cache)
            groups = list(index["groups"])
        except (zlib.error, ValueError, KeyError, TypeError) as err:
            raise BlockError(str(err)) from err
        for key, heads, *directory in groups:
            self._open_group(file, block, key, heads, (directory[0], directory[1], directory[2]))
        return block

    def _open_group(self, file: _BlockFile, block: Block, key: str, heads: list[Any], directory: Place) -> None:
        group = self._group_of(key)
        found: list[_Head] = []
        for first, last, rows, digest, *place in heads:
            layout = self._layouts.get((key, digest))
            if layout is None:
                packed = file.try_piece((place[0], place[1], place[2]))
                if packed is None:
                    return
                columns = [group.column(Labels(pairs)) for pairs in json.loads(zlib.decompress(packed))]
                layout = group.layout(np.array(columns, dtype=np.int64))
                self._layouts[key, digest] = layout
            found.append(_Head(first, last, rows, layout))
        block.adopt(group.gid, tuple(found), directory)

    def forget(self) -> None:
        """Forget label tables, whose column numbers may have been given up."""
        self._layouts.clear()
