"""The pieces of a block file, found by offset, length and CRC-32."""

from __future__ import annotations

import json
import os
import struct
import threading
import weakref
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cramjam import DecompressionError, zstd

from hypercare.tsdb.segment import decompress_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypercare.model.samples import Ints

MAGIC: Final = b"HCBLOCK4"
READ: Final = (MAGIC, b"HCBLOCK3", b"HCBLOCK2")
"""Formats that are read; those before have pages of version 2 and 1."""
FOOTER: Final = struct.Struct("<QII8s")

Place: TypeAlias = "tuple[int, int, int]"
"""Offset, length, CRC-32 of a piece."""


class BlockError(ValueError):
    """A file is not a whole block."""


def pack(document: Any) -> bytes:
    """A document as bytes."""
    return bytes(zstd.compress(json.dumps(document, separators=(",", ":")).encode(), 6))


def unpack(packed: bytes) -> Any:
    """What :func:`pack` took.

    Raises:
        BlockError: it is not that.
    """
    try:
        return json.loads(bytes(zstd.decompress(packed)))
    except (DecompressionError, ValueError, RecursionError) as err:
        raise BlockError(str(err)) from err


def place_of(given: Any) -> Place:
    """The place of a piece, as JSON has it.

    Raises:
        BlockError: it is none.
    """
    if not isinstance(given, list) or [type(number) for number in given] != [int] * 3:
        raise BlockError("the place of a piece is not three numbers")
    return (given[0], given[1], given[2])


class BlockFile:
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


class FilePages:
    """Compressed bytes of a segment in a block file."""

    __slots__ = ("_file", "_pages", "_rows", "_times_place")

    size = 0

    def __init__(self, file: BlockFile, rows: int, times: Place, pages: Sequence[Place]) -> None:
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
