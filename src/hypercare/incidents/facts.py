"""What there is to say of an incident, in the form that templates take: plain values, times as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.incidents import room_store, store
from hypercare.model.labels import Labels
from hypercare.model.time import SECOND, format_duration, to_datetime

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.incidents.settings import IncidentSettings
    from hypercare.incidents.store import Incident, IncidentAlert, TimelineEntry
    from hypercare.model.time import Ms

_RECENT: Final = 5
_DOING: Final = frozenset({"action", "decision"})
# What a reader of a post-mortem does not need line by line.
_NOISE: Final = frozenset({"page_delivered", "step", "notice", "reminder", "phase", "evidence", "status"})


def moment(at: Ms | None) -> str:
    """``2026-01-05 08:00:15 UTC``; empty where there is none."""
    return "" if at is None else to_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def lasting(ms: Ms | None) -> str:
    """``1h5m``, to the second; empty where there is none."""
    return "" if ms is None else format_duration(ms // SECOND * SECOND)


def facts_of(db: Connection, incident: Incident, settings: IncidentSettings, now: Ms, text: str = "") -> dict[str, Any]:
    """Everything that a template may name; the keys are listed in docs/incidents.md.

    Args:
        db: a connection.
        incident: the incident as it is.
        settings: for what severities mean, and where we are reached.
        now: the time of telling.
        text: what somebody says to it.

    """
    entries = store.load_timeline(db, incident.id)
    alerts = store.load_alerts(db, incident.id)
    tasks = [_task(task) for task in room_store.load_tasks(db, incident.id)]
    definition = settings.definition(incident.severity)
    resolution = next((e.data.get("note", "") for e in reversed(entries) if e.kind == "resolved"), "")
    return {
        "platform": settings.platform,
        "number": incident.number,
        "id": incident.id,
        "title": incident.title,
        "severity": str(incident.severity),
        "severity_name": definition.name,
        "severity_text": definition.text,
        "service": incident.service,
        "status": incident.status,
        "stage": incident.stage,
        "impact": incident.impact,
        "cause": incident.cause,
        "resolution": resolution,
        "text": text,
        "labels": incident.labels.as_dict(),
        "began": moment(incident.started_at),
        "opened": moment(incident.opened_at),
        "acknowledged": moment(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "resolved": moment(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "duration": lasting((incident.resolved_at or now) - incident.started_at),
        "time_to_detect": lasting(incident.time_to_detect),
        "time_to_acknowledge": lasting(incident.time_to_acknowledge),
        "time_to_resolve": lasting(incident.time_to_resolve),
        "next_update": moment(incident.next_update_at),
        "commander": room_store.commander_of(db, incident.id),
        "roles": [{"role": r.role, "person": r.person} for r in room_store.load_roles(db, incident.id)],
        "tasks": [t for t in tasks if t["kind"] == room_store.TASK],
        "actions": [t for t in tasks if t["kind"] == room_store.ACTION],
        "doing": _doing(entries, tasks),
        "links": [{"url": link.url, "title": link.title} for link in room_store.load_links(db, incident.id)],
        "alerts": _alerts(alerts),
        "timeline": [_entry(e) for e in entries if e.kind not in _NOISE],
        "evidence": [
            {"kind": e.kind, "title": e.title, "at": moment(e.at)} for e in room_store.load_evidence(db, incident.id)
        ],
        "runbook_url": incident.runbook_url,
        "url": f"{settings.external_url}/incidents/{incident.number}" if settings.external_url else "",
        "now": moment(now),
    }


def _task(task: room_store.Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "kind": task.kind,
        "text": task.text,
        "owner": task.owner,
        "due": moment(task.due_at),
        "done": task.done_at is not None,
    }


def _doing(entries: tuple[TimelineEntry, ...], tasks: list[dict[str, Any]]) -> list[str]:
    """What is being done: open tasks, then the latest actions and decisions."""
    open_tasks = [
        f"{t['text']} ({t['owner']})" if t["owner"] else str(t["text"])
        for t in tasks
        if t["kind"] == room_store.TASK and not t["done"]
    ]
    said = [e.text for e in entries if e.kind in _DOING][-_RECENT:]
    return [*open_tasks, *said]


def _alerts(alerts: tuple[IncidentAlert, ...]) -> list[dict[str, Any]]:
    """Each alert once, with its first start and its last end."""
    found: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        known = found.setdefault(
            alert.fingerprint,
            {
                "name": alert.labels.get("alertname"),
                "labels": str(Labels(p for p in alert.labels if p[0] != "alertname")),
                "summary": alert.annotations.get("summary"),
                "began": moment(alert.starts_at),
            },
        )
        known["ended"] = moment(alert.ends_at)
    return list(found.values())


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "at": moment(entry.at),
        "time": to_datetime(entry.at).strftime("%H:%M:%S"),
        "kind": entry.kind,
        "by": entry.by,
        "text": entry.text,
        "pinned": entry.pinned_at is not None,
    }
