"""How much memory this process may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Final

_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),  # control groups version 2: what a container is given
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)
_YOUNG: Final = 20_000
"""New objects before the collector looks; 700 would be a fraction of one request with alerts."""


def memory_limit(files: tuple[Path, ...] = _LIMITS) -> int:
    """Bytes of the machine, or of the container we run in if it has less."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdigit() and int(text) > 0:
            limit = min(limit, int(text))
    return limit


def hold_collector() -> None:
    """Have the collector of cycles wait until ``spare_collector``: nearly all that is made while starting stays."""
    gc.disable()


def spare_collector() -> None:
    """Have the collector of cycles look at less, and less often; call once, when all that stays is there.

    Alerts, groups and series live long: to visit them all whenever a few hundred objects are new holds up pages. What
    was made before this call is not visited any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    gc.enable()
