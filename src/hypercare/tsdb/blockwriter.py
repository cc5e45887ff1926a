"""Writing blocks; the format is told in ``block``."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from cramjam import zstd

from hypercare.tsdb.arrange import arrange
from hypercare.tsdb.blockfile import FOOTER, MAGIC, pack
from hypercare.tsdb.chunks import Effort
from hypercare.tsdb.codec import LONG, encode, page_columns
from hypercare.tsdb.files import sync_directory
from hypercare.tsdb.segment import column_holes, compress_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.blockfile import Place

_TABLE_BYTES: Final = 256 << 10
"""Size from on which tables of label sets are compressed together: they have most in common with each other."""


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
        self._groups.append([key, heads, *self._put(pack(directory))])

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
        offset, length, checksum = self._put(pack(index))
        self._file.write(FOOTER.pack(offset, length, checksum, MAGIC))
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
