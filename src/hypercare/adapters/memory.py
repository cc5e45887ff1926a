"""How much memory this process may use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),  # control groups version 2: what a container is given
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)


def memory_limit(files: tuple[Path, ...] = _LIMITS) -> int:
    """Bytes of the machine, or of the container we run in if it has less."""
    limit = int(psutil.virtual_memory().total)
    for file in files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdigit() and int(text) > 0:
            limit = min(limit, int(text))
    return limit
