"""The machine's clock, chance, files and terminal."""

from __future__ import annotations

import glob
import random
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from hypercare.model.time import Ms


_MOST_AHEAD = 24 * 3_600 * 1_000_000_000


class SystemClock:
    """Wall time that never goes back.

    When the machine's clock is set back, ours goes on at its own pace from where it was: deadlines stay in order and
    samples stay ascending. A clock set forward is followed at once.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def go_on_from(self, seen: Ms) -> None:
        """Do not fall behind an instant that was seen before a restart or by another replica, up to a day.

        A clock that was further ahead was wrong, and is not gone on from.
        """
        ahead = seen * 1_000_000 - self.now() * 1_000_000
        if 0 < ahead <= _MOST_AHEAD:
            self._offset += ahead

    def now(self) -> Ms:
        """The current instant."""
        monotonic = time.monotonic_ns()
        self._offset = max(self._offset, time.time_ns() - monotonic)
        return (self._offset + monotonic) // 1_000_000


class SystemIds:
    """Random identifiers from the operating system."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def new(self) -> str:
        """32 hex digits of a random UUID."""
        return uuid.uuid4().hex

    def uniform(self) -> float:
        """A random number in [0, 1)."""
        return self._random.random()


class SystemFiles:
    """Files as they are."""

    def read(self, path: Path) -> bytes:
        """The content."""
        return path.read_bytes()

    def glob(self, pattern: str) -> list[Path]:
        """Paths that fit, sorted."""
        return sorted(Path(p) for p in glob.glob(pattern))  # noqa: PTH207 - absolute patterns

    def stamp(self, path: Path) -> tuple[int, int]:
        """(mtime in ns, size); (0, 0) where there is no such file."""
        try:
            stat = path.stat()
        except OSError:
            return (0, 0)
        return (stat.st_mtime_ns, stat.st_size)


class StreamConsole:
    """Lines on a stream; from any thread."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Show it; a closed pipe is no reason to stop watching a platform."""
        stream = self._stream or sys.stdout
        with self._lock:
            try:
                stream.write(line + "\n")
                stream.flush()
            except (BrokenPipeError, ValueError):
                return
