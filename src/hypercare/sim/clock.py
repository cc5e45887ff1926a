"""A clock that stands until it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms


class VirtualClock:
    """Jumps from deadline to deadline."""

    def __init__(self, start: Ms) -> None:
        self._now = start

    def now(self) -> Ms:
        """The current virtual instant."""
        return self._now

    def advance_to(self, at: Ms) -> None:
        """Jump forward; an instant that has passed leaves the clock where it is."""
        self._now = max(self._now, at)
