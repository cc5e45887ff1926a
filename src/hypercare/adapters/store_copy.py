"""A copy of a metrics store's directory: reading it disturbs nobody, whether or not a server writes to the original."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypercare.model.errors import InputError, Problem
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.tsdb.snapshot import Snapshot

_TRIES: Final = 5
_FOREVER: Final = 1 << 60


def store_directory(path: Path) -> Path:
    """The store within a data directory, or the directory itself.

    Raises:
        InputError: there is no store.
    """
    for candidate in (path / "metrics", path):
        if (candidate / "wal").is_dir() or (candidate / "blocks").is_dir():
            return candidate
    message = "no metrics store is here" if path.is_dir() else "no such directory"
    hint = "name the directory that serve was given with --data"
    raise InputError([Problem(str(path), 0, 0, message, hint)])


@contextmanager
def copied_store(path: Path) -> Iterator[tuple[Snapshot, list[Problem]]]:
    """A view of what is stored in a directory, and the damage found in it; the copy is gone afterwards.

    Raises:
        InputError: there is no store, or it changes faster than it can be copied.
        OSError: it cannot be read, or there is no room for the copy.
    """
    origin = store_directory(path)
    with tempfile.TemporaryDirectory(prefix="hypercare-") as folder:
        target = Path(folder) / "metrics"
        _copy(origin, target)
        tsdb = Tsdb.open(target, Options(retention=_FOREVER, fsync=False))
        try:
            yield tsdb.snapshot(), tsdb.problems
        finally:
            tsdb.close()


def _copy(origin: Path, target: Path) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        try:
            target.mkdir()
            # The log first: what moves from it into a block meanwhile is then there twice, not missing.
            for name in ("wal", *(p.name for p in sorted(origin.iterdir()) if p.name not in {"wal", "LOCK"})):
                source = origin / name
                if source.is_dir():
                    shutil.copytree(source, target / name)
                elif source.is_file():
                    shutil.copy2(source, target / name)
        except (FileNotFoundError, shutil.Error):
            # A file was sealed or deleted under our hands.
            continue
        return
    raise InputError([Problem(str(origin), 0, 0, "the store changes faster than it can be copied", "try again")])
