"""The event log of a run: one JSON line an event, equal byte for byte for equal (seed, scenario, configuration)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hypercare.model.labels import Labels
from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms


def plain(value: Any) -> Any:
    """A frozen value as JSON can hold it: labels as objects, data classes by field."""
    if isinstance(value, Labels):
        return value.as_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


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
