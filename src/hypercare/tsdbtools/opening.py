"""Reading a store without touching it: a copy of its logs beside links to its blocks."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypercare.model.errors import InputError, Problem
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK: Final = ".block"
_EVER: Final = 2**62
_TRIES: Final = 5


def store_directory(given: Path) -> Path:
    """The directory of the store: the one given, or ``metrics`` in it, as ``hypercare serve --data`` has it.

    Raises:
        InputError: there is no store.
    """
    for place in (given / "metrics", given):
        if (place / "wal").is_dir() or (place / "blocks").is_dir():
            return place
    hint = "name the directory that `hypercare serve --data` was given, or the metrics directory in it"
    message = "there is no metrics store here" if given.is_dir() else "there is no such directory"
    raise InputError([Problem(str(given), 0, 0, message, hint)])


def in_use(directory: Path) -> bool:
    """Whether another process has the store open."""
    try:
        with (directory / "LOCK").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[Tsdb]:
    """The store as it would open now; nothing in the directory is changed, and a server may go on using it.

    Opening a store cuts torn tails off its logs, so the logs are copied; blocks are linked and held open.

    Raises:
        InputError: a server replaces blocks faster than they can be opened.
        OSError: the directory cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="hypercare-read-") as scratch:
        db = _opened(directory, Path(scratch))
        try:
            yield db
        finally:
            db.close()


def _opened(directory: Path, scratch: Path) -> Tsdb:
    for attempt in range(_TRIES):
        view = scratch / str(attempt)
        _link(directory, view)
        db = Tsdb.open(view, Options(retention=_EVER, fsync=False))
        try:
            db.hold()
        except FileNotFoundError:
            # A server has merged or expired a block under our hands.
            db.close()
            continue
        return db
    raise InputError([Problem(str(directory), 0, 0, "the store changes faster than it can be read", "try again")])


def _link(directory: Path, view: Path) -> None:
    view.mkdir()
    # Logs first: what is deleted from them in between already stands in a block.
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "LOCK")
    for path in sorted(files, key=lambda each: each.suffix == _BLOCK):
        place = view / path.relative_to(directory)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == _BLOCK:
            place.symlink_to(path.resolve())
        elif path.suffix != ".tmp":
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path, place)
    for path in sorted((directory / "blocks").glob(f"*{_BLOCK}")):
        place = view / "blocks" / path.name
        if not place.is_symlink():
            place.symlink_to(path.resolve())
