"""The event log as facts: what happened, when, about whom; alerts by their beginnings and ends."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.events import AlertsReceived, GroupNotified, IncidentOpened
from hypercare.model.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened.

    Attributes:
        kind: of the event, or ``alert.firing`` and ``alert.ended`` for what an event of received alerts says.
        fields: of the event, flat, as texts; those of an incident know its ``service``, ``severity``, ``number``.

    """

    at: Ms
    kind: str
    fields: Mapping[str, str]

    def get(self, name: str) -> str:
        """A field, or nothing."""
        return self.fields.get(name, "")


def facts_of(events: Iterable[tuple[Ms, DomainEvent]]) -> list[Fact]:
    """All facts, in order."""
    incidents: dict[str, dict[str, str]] = {}
    firing: set[str] = set()
    found: list[Fact] = []
    for at, event in events:
        if isinstance(event, AlertsReceived):
            found += _alerts(at, event, firing)
            continue
        fields = {name: _text(value) for name, value in plain(event).items()}
        if isinstance(event, IncidentOpened):
            known = ("number", "title", "service", "severity")
            incidents[event.incident_id] = {name: fields[name] for name in known}
        if isinstance(event, GroupNotified):
            fields["firing"], fields["resolved"] = str(len(event.firing)), str(len(event.resolved))
            fields["group"] = ", ".join(f"{name}={value}" for name, value in event.group_labels)
        found.append(Fact(at, event.kind, {**incidents.get(fields.get("incident_id", ""), {}), **fields}))
    return found


def _alerts(at: Ms, event: AlertsReceived, firing: set[str]) -> Iterator[Fact]:
    """Beginnings and ends; what is only told again is nothing new."""
    for alert in event.alerts:
        ended, known = alert.resolved_at(at), alert.fingerprint in firing
        if ended == known:
            (firing.discard if ended else firing.add)(alert.fingerprint)
            labels = alert.labels.as_dict()
            yield Fact(at, "alert.ended" if ended else "alert.firing", {**labels, "alert": alert.name})


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
