"""The machine to oneself for a while: the other workers of a run wait between two of their tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """Two locks of a run: everybody holds the second shared through a test; who wants to be alone closes the first.

    The first is the door: without it one who waits to be alone would wait for as long as others have tests.
    """

    def __init__(self, run: str) -> None:
        self._door, self._room = (self._open(f"hypercare-tests-{run}.{part}") for part in ("door", "room"))

    @staticmethod
    def _open(name: str) -> int:
        return os.open(Path(tempfile.gettempdir()) / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """A test like any other: not while somebody is alone, or waits to be."""
        fcntl.flock(self._door, fcntl.LOCK_SH)
        fcntl.flock(self._room, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within ``beside``: no other worker runs a test."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_SH)
            fcntl.flock(self._door, fcntl.LOCK_UN)


def turns() -> Turns | None:
    """Those of this run; nobody else is there when it has no workers."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    return None if run is None else Turns(run)
