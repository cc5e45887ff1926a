"""File habits of the store: locks, directories on disk."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on disk.

    Raises:
        OSError: as the system says.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_directory(directory: Path) -> int:
    """Claim a directory for this process; the lock ends with the returned file descriptor or the process.

    Raises:
        InputError: another process has it.
        OSError: as the system says.
    """
    path = directory / "LOCK"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(fd)
        problem = Problem(
            str(directory),
            0,
            0,
            "the metrics store is in use by another process",
            "stop it, or give --data another place",
        )
        raise InputError([problem]) from err
    return fd
