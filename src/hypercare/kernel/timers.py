"""Deadlines in (time, sequence) order."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms


class Timers:
    """A heap of keyed deadlines; a key set again replaces its old deadline."""

    def __init__(self) -> None:
        self._heap: list[tuple[Ms, int, str]] = []
        self._live: dict[str, tuple[int, str, bool]] = {}

    def set(self, key: str, kind: str, due_at: Ms, seq: int, *, durable: bool) -> None:
        """Set or move a deadline; ``seq`` orders equal times, ``durable`` says that it has a row."""
        self._live[key] = (seq, kind, durable)
        heapq.heappush(self._heap, (due_at, seq, key))
        # Moved deadlines leave their old entries behind; rebuild before they outnumber the live ones.
        if len(self._heap) > 64 + 4 * len(self._live):
            self._heap = [e for e in self._heap if self._is_live(e)]
            heapq.heapify(self._heap)

    def keep(self, wanted: Callable[[str, bool], bool]) -> None:
        """Forget all but those of which this holds; it gets the kind, and whether there is a row."""
        self._live = {key: live for key, live in self._live.items() if wanted(live[1], live[2])}

    def cancel(self, key: str) -> None:
        """Forget a key."""
        self._live.pop(key, None)

    def _is_live(self, entry: tuple[Ms, int, str]) -> bool:
        live = self._live.get(entry[2])
        return live is not None and live[0] == entry[1]

    def peek(self) -> tuple[Ms, int] | None:
        """Time and sequence of the earliest deadline."""
        heap, find = self._heap, self._live.get
        while heap:
            due_at, seq, key = heap[0]
            live = find(key)
            if live is not None and live[0] == seq:
                return due_at, seq
            heapq.heappop(heap)
        return None

    def pop(self) -> tuple[str, str, bool]:
        """Take the earliest deadline: (kind, key, durable). ``peek`` must have found one."""
        _, _, key = heapq.heappop(self._heap)
        _, kind, durable = self._live.pop(key)
        return kind, key, durable

    def __contains__(self, key: object) -> bool:
        return key in self._live

    def __len__(self) -> int:
        return len(self._live)
