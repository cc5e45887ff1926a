"""What happened lately to a service: its alerts, who was told of them, its incidents, its deployments."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.deploys.store import load_journal as load_watch_journal
from hypercare.incidents.store import load_timeline
from hypercare.reports.service_parts import Happening
from hypercare.routing.store import load_journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from hypercare.config.services import Service
    from hypercare.deploys.store import Watch
    from hypercare.incidents.store import Incident
    from hypercare.model.labels import Labels
    from hypercare.routing.store import Entry

_MOST: Final = 30
_READ: Final = 1000
_HELD: Final = {"silence": "silenced", "inhibit": "inhibited by another alert", "interval": "muted"}
# Alerts tell of their own beginnings and ends; evidence is on the incident's page.
_LEFT_OUT: Final = frozenset({"alert_joined", "alert_resolved", "evidence", "reminded"})
_NOBODY: Final = "none/"
"""What stands for the integration of a receiver that has none."""


def happenings(
    db: Connection,
    service: Service,
    incidents: Iterable[Incident],
    watches: Iterable[Watch],
    firing: Mapping[str, Labels],
) -> tuple[Happening, ...]:
    """The newest first.

    Args:
        db: a reader's connection.
        service: whose.
        incidents: its newest ones.
        watches: its newest ones.
        firing: its alerts by fingerprint, whose beginning may lie further back than what is read.

    """
    found = [*_alerts(load_journal(db, limit=_READ), service, firing)]
    for incident in incidents:
        for entry in load_timeline(db, incident.id)[-_MOST:]:
            if entry.kind not in _LEFT_OUT:
                path, about = f"/incidents/{incident.number}", f"incident #{incident.number}"
                found.append(Happening(entry.at, entry.kind, entry.text, _by(entry.by), path, about))
    for watch in watches:
        for line in load_watch_journal(db, watch.id)[-_MOST:]:
            path, about = f"/deployments/{watch.number}", f"deployment #{watch.number}"
            if line.kind not in _LEFT_OUT:
                found.append(Happening(line.at, line.kind, line.text, _by(line.by), path, about))
    return tuple(sorted(_once(found), key=lambda h: -h.at)[:_MOST])


def _once(found: Iterable[Happening]) -> Iterator[Happening]:
    """The same of several alerts of one name is told once, with their number."""
    alike: dict[tuple[object, ...], list[Happening]] = {}
    for h in found:
        alike.setdefault((h.at, h.kind, h.text, h.by, h.about), []).append(h)
    for first, *others in alike.values():
        about = f"{len(others) + 1}\N{MULTIPLICATION SIGN} {first.about}" if others else first.about
        yield dataclasses.replace(first, about=about)


def _by(name: str) -> str:
    return "" if name == "hypercare" else name


def _alerts(entries: Iterable[Entry], service: Service, firing: Mapping[str, Labels]) -> Iterator[Happening]:
    entries = tuple(entries)
    labels = {e.fingerprint: e.labels for e in entries if len(e.labels)} | dict(firing)
    own = {f: found for f, found in labels.items() if service.selects(found)}
    groups = {e.group_key for e in entries if e.fingerprint in own and e.group_key}
    for entry in entries:
        told = entry.decision.send and not entry.integration.startswith(_NOBODY)
        if entry.stage == "dedup" and entry.group_key in groups and told:
            text = (
                f"receiver {entry.receiver} is told by {entry.integration.partition('/')[0]} ({entry.decision.reason})"
            )
            yield Happening(entry.at, "told", text, "", "/alerts", "notification")
        elif entry.fingerprint in own and (text := _said(entry)):
            name = own[entry.fingerprint].get("alertname")
            yield Happening(entry.at, "alert", text, "", f"/alerts/{entry.fingerprint}", name)


def _said(entry: Entry) -> str:
    """What a decision about an alert says; empty for what is told of its first group already."""
    match entry.stage:
        case "received":
            # One a group; the first has the labels.
            return "fires" if len(entry.labels) else ""
        case "ended":
            return "has ended"
        case "flapping":
            return "begins to flap"
        case "flapping ended":
            return "flaps no longer"
        case "pass":
            return f"is no longer held back from receiver {entry.receiver}"
        case stage:
            return f"is held back from receiver {entry.receiver}: {_HELD.get(stage, stage)}"
