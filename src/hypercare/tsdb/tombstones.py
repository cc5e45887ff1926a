"""What is deleted of a block: a small file beside it, until the block is written anew without."""

from __future__ import annotations

import json
import os
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.tsdb.files import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.model.time import Ms


class Tombstone(NamedTuple):
    """Samples that are deleted.

    Attributes:
        matchers: of which series.
        start: from this time on.
        end: up to this time.

    """

    matchers: tuple[Matcher, ...]
    start: Ms
    end: Ms


def to_json(tombstone: Tombstone) -> list[Any]:
    """A tombstone as lists and texts."""
    return [[[m.name, m.op.value, m.value] for m in tombstone.matchers], tombstone.start, tombstone.end]


def from_json(document: Any) -> Tombstone:
    """The tombstone that :func:`to_json` took.

    Raises:
        ValueError: it is not one.
        TypeError: it is not one.
    """
    listed, start, end = document
    return Tombstone(tuple(Matcher(name, MatchOp(op), value) for name, op, value in listed), int(start), int(end))


def tombstones_path(block: Path) -> Path:
    """Where the tombstones of a block are."""
    return block.with_suffix(".tombstones")


def write_tombstones(block: Path, tombstones: tuple[Tombstone, ...]) -> None:
    """Replace the tombstones of a block.

    Raises:
        OSError: as the system says.
    """
    text = json.dumps([to_json(each) for each in tombstones]).encode()
    path = tombstones_path(block)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(b"%08x\n" % zlib.crc32(text) + text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def read_tombstones(block: Path) -> tuple[Tombstone, ...]:
    """The tombstones of a block; none where it has no such file.

    Raises:
        ValueError: the file is damaged.
        OSError: as the system says.
    """
    try:
        data = tombstones_path(block).read_bytes()
    except FileNotFoundError:
        return ()
    checksum, _, text = data.partition(b"\n")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the tombstones do not fit their checksum: samples that were deleted are back")
    try:
        return tuple(from_json(each) for each in json.loads(text))
    except (TypeError, ValueError) as err:
        msg = f"the tombstones cannot be read, so that deleted samples are back: {err}"
        raise ValueError(msg) from err
