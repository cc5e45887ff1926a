"""How often and how long: the metrics of actions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.time import Ms


class Counts:
    """Runs that have ended since the start, by action and state."""

    def __init__(self) -> None:
        self._ended: Counter[tuple[str, str]] = Counter()
        self._took: Counter[str] = Counter()

    def ended(self, action: str, state: str, took: Ms | None) -> None:
        """Count a run; ``took`` is none where it never began."""
        self._ended[action, state] += 1
        if took is not None:
            self._took[action] += took

    def readings(self) -> Iterator[Reading]:
        """Metrics; may be called from any thread."""
        ended = tuple(
            ((("action", action), ("state", state)), float(count))
            for (action, state), count in sorted(self._ended.copy().items())
        )
        yield Reading("hypercare_actions_total", "counter", "Runs of actions that have ended, by state.", ended)
        took = tuple(((("action", action),), ms / 1000) for action, ms in sorted(self._took.copy().items()))
        text = "Time that runs of actions took, from their first beginning to their end."
        yield Reading("hypercare_action_duration_seconds_total", "counter", text, took)
