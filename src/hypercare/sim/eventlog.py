"""The event log of a run: one JSON line an event, equal byte for byte for equal (seed, scenario, configuration)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from hypercare.model.plain import plain
from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms


class EventLog:
    """Collects domain events; give ``record`` to ``Kernel.observe``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def record(self, at: Ms, event: DomainEvent) -> None:
        """Add one event."""
        body = {"at": format_rfc3339(at), "event": event.kind, **plain(event)}
        self.lines.append(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    def kinds(self) -> list[str]:
        """The kinds of all events, in order."""
        return [json.loads(line)["event"] for line in self.lines]

    def digest(self) -> str:
        """SHA-256 over all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
