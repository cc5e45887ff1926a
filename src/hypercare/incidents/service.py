"""Incidents in the loop: alerts open, feed and end them; people acknowledge, note and resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.incidents import grouping, rows, store
from hypercare.incidents.commands import Acknowledge, AddNote, Resolve
from hypercare.incidents.reading import settings_of
from hypercare.incidents.settings import IncidentSettings
from hypercare.incidents.timeline import Chronicle
from hypercare.kernel import CommandError
from hypercare.model.events import (
    AlertResolved,
    AlertsReceived,
    GroupNotified,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentResolved,
)
from hypercare.model.time import format_duration, format_rfc3339

if TYPE_CHECKING:
    from hypercare.config import Config
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms

_QUIET: Final = "incidents.quiet"
_ALL: Final = 1_000_000


class IncidentService:
    """Keeps the incidents.

    Only alerts whose notification passed routing open or join an incident: what is silenced, inhibited or muted does
    not. The end of an alert counts whether or not anybody is notified of it.
    """

    def __init__(self) -> None:
        self.settings = IncidentSettings()
        self._configured = False

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(GroupNotified, self._on_notified)
        kernel.subscribe(AlertsReceived, self._on_received)
        kernel.subscribe(AlertResolved, self._on_alert_resolved)
        kernel.on_timer(_QUIET, self._on_quiet)
        kernel.on_message(Acknowledge, self._acknowledge)
        kernel.on_message(AddNote, self._add_note)
        kernel.on_message(Resolve, self._resolve)
        Chronicle().register(kernel)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        self.apply(ctx, settings_of(config.hypercare))

    def apply(self, ctx: Context, settings: IncidentSettings) -> None:
        """Work by these settings from now on; incidents under way keep what they have, but end by the new ones."""
        # Only with the commit: a reload that another room refuses leaves everything as it was.
        ctx.after_commit(lambda: self._replace(settings))
        for incident in store.load_incidents(ctx.db, "unresolved", limit=_ALL):
            if incident.alerts_cleared_at is not None:
                _wait_quiet(ctx, settings, incident.id, incident.alerts_cleared_at)

    def _replace(self, settings: IncidentSettings) -> None:
        self.settings = settings
        self._configured = True

    # -- alerts ------------------------------------------------------------------------------------------------

    def _on_notified(self, ctx: Context, event: GroupNotified) -> None:
        alerts = [alert for alert in event.firing if grouping.opens(alert, self.settings)]
        if not alerts:
            return
        known = rows.known_firing(ctx, alerts)
        fresh = [alert for alert in alerts if alert.fingerprint not in known]
        for subject in grouping.subjects(fresh, self.settings):
            latest = store.load_latest(ctx.db, subject.key)
            if latest is None or self._is_over(ctx, latest):
                self._open(ctx, subject)
            elif latest.status == store.RESOLVED:
                self._reopen(ctx, latest, subject)
            else:
                self._join(ctx, latest, subject.alerts)

    def _is_over(self, ctx: Context, incident: Incident) -> bool:
        """Whether an incident ended so long ago that what fires now is another."""
        return incident.resolved_at is not None and ctx.now - incident.resolved_at >= self.settings.quiet_time

    def _on_received(self, ctx: Context, event: AlertsReceived) -> None:
        """An alert that ended and began again between two flushes of its group is not notified anew: look here."""
        firing = [a for a in event.alerts if not a.resolved_at(ctx.now) and grouping.opens(a, self.settings)]
        if not firing:
            return
        for incident_id, alert in rows.ended_in_unresolved(ctx, firing):
            incident = store.load_incident(ctx.db, incident_id)
            if incident is not None:
                self._join(ctx, incident, (alert,))

    def _open(self, ctx: Context, subject: grouping.Subject) -> None:
        settings, first = self.settings, subject.alerts[0]
        values = {
            "key": subject.key,
            "title": grouping.title_of(first),
            "severity": grouping.worst(subject.alerts, settings),
            "status": store.OPEN,
            "service": subject.service,
            "runbook_url": grouping.runbook_of(subject, settings),
            "policy": grouping.policy_of(subject, settings),
            "started_at": min(alert.starts_at for alert in subject.alerts),
        }
        number, incident_id = rows.create(ctx, values, grouping.common_labels(subject))
        text = f"incident {number} opened as {values['severity']}: {values['title']}"
        rows.tell(ctx, incident_id, "opened", text, number=number, severity=values["severity"])
        for alert in subject.alerts:
            self._add_alert(ctx, incident_id, alert, "fires")
        self._announce(ctx, incident_id)

    def _reopen(self, ctx: Context, incident: Incident, subject: grouping.Subject) -> None:
        values = {"acknowledged_at": None, "acknowledged_by": "", "resolved_at": None, "resolved_by": ""}
        rows.change(ctx, incident.id, status=store.OPEN, alerts_cleared_at=None, **values)
        ago = format_duration(ctx.now - (incident.resolved_at or ctx.now))
        rows.tell(ctx, incident.id, "reopened", f"fires again {ago} after it was resolved")
        for alert in subject.alerts:
            self._add_alert(ctx, incident.id, alert, "fires again")
        self._raise_severity(ctx, incident, subject.alerts)
        self._announce(ctx, incident.id)

    def _join(self, ctx: Context, incident: Incident, alerts: tuple[Alert, ...]) -> None:
        for alert in alerts:
            self._add_alert(ctx, incident.id, alert, "joined")
        self._raise_severity(ctx, incident, alerts)
        if incident.alerts_cleared_at is not None:
            rows.change(ctx, incident.id, alerts_cleared_at=None)
            ctx.cancel_timer(f"{_QUIET}:{incident.id}")
            rows.tell(ctx, incident.id, "alerts_firing", "fires again: the incident goes on")

    def _add_alert(self, ctx: Context, incident_id: str, alert: Alert, verb: str) -> None:
        rows.put_alert(ctx, incident_id, alert)
        text = f"alert {verb}: {grouping.describe(alert.labels)}"
        rows.tell(ctx, incident_id, "alert_joined", text, fingerprint=alert.fingerprint, starts_at=alert.starts_at)

    def _raise_severity(self, ctx: Context, incident: Incident, alerts: tuple[Alert, ...]) -> None:
        severity = grouping.worst(alerts, self.settings)
        if severity < incident.severity:
            rows.change(ctx, incident.id, severity=severity)
            text = f"severity raised from {incident.severity} to {severity}"
            rows.tell(ctx, incident.id, "severity_raised", text, severity=severity)

    def _announce(self, ctx: Context, incident_id: str) -> None:
        incident = _found(ctx, incident_id)
        event = IncidentOpened(
            incident_id=incident.id,
            title=incident.title,
            severity=incident.severity,
            service=incident.service,
            labels=incident.labels.pairs,
            runbook_url=incident.runbook_url,
            policy=incident.policy,
            number=incident.number,
        )
        ctx.publish(event)

    def _on_alert_resolved(self, ctx: Context, event: AlertResolved) -> None:
        fingerprint = event.alert.fingerprint
        for incident_id in rows.end_alert(ctx, fingerprint, event.at):
            text = f"alert resolved: {grouping.describe(event.alert.labels)}"
            rows.tell(ctx, incident_id, "alert_resolved", text, fingerprint=fingerprint)
            incident = _found(ctx, incident_id)
            if incident.firing or incident.status == store.RESOLVED:
                continue
            rows.change(ctx, incident_id, alerts_cleared_at=ctx.now)
            rows.tell(ctx, incident_id, "alerts_clear", self._clear_text())
            _wait_quiet(ctx, self.settings, incident_id, ctx.now)

    # -- resolution --------------------------------------------------------------------------------------------

    def _clear_text(self) -> str:
        if self.settings.confirm:
            return "all alerts clear; waits for somebody to confirm the resolution"
        return f"all alerts clear; resolves after {format_duration(self.settings.quiet_time)} of quiet"

    def _on_quiet(self, ctx: Context, key: str) -> None:
        if not self._configured:
            # Overdue right after a start: perhaps a person has to confirm by now. The first ``apply`` decides.
            return
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_QUIET}:"))
        if incident is None or incident.status == store.RESOLVED or incident.alerts_cleared_at is None:
            return
        note = f"no alert for {format_duration(ctx.now - incident.alerts_cleared_at)}"
        self._end(ctx, incident, rows.MACHINE, note, f"resolved: {note}")

    def _end(self, ctx: Context, incident: Incident, by: str, note: str, text: str) -> None:
        rows.change(ctx, incident.id, status=store.RESOLVED, resolved_at=ctx.now, resolved_by=by)
        ctx.cancel_timer(f"{_QUIET}:{incident.id}")
        rows.tell(ctx, incident.id, "resolved", text, by=by, note=note)
        ctx.publish(IncidentResolved(incident.id, by, note))

    # -- commands ----------------------------------------------------------------------------------------------

    def _acknowledge(self, ctx: Context, command: Acknowledge) -> Incident:
        incident = _asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} {_since_resolved(incident)}; nothing to acknowledge", 409)
        suffix = f": {command.note}" if command.note else ""
        if incident.status == store.OPEN:
            values = {"acknowledged_at": ctx.now, "acknowledged_by": command.by}
            rows.change(ctx, incident.id, status=store.ACKNOWLEDGED, **values)
            text = f"acknowledged by {command.by}{suffix}"
            rows.tell(ctx, incident.id, "acknowledged", text, by=command.by, note=command.note)
            ctx.publish(IncidentAcknowledged(incident.id, command.by))
        elif incident.acknowledged_by != command.by:
            text = f"{command.by} acknowledged too (after {incident.acknowledged_by}){suffix}"
            rows.tell(ctx, incident.id, "acknowledged", text, by=command.by, note=command.note)
        elif command.note:
            rows.tell(ctx, incident.id, "note", command.note, by=command.by)
        return _found(ctx, incident.id)

    def _add_note(self, ctx: Context, command: AddNote) -> Incident:
        incident = _asked(ctx, command.id, command.by)
        if not command.text.strip():
            raise CommandError("the note is empty", 400)
        rows.tell(ctx, incident.id, "note", command.text, by=command.by)
        return incident

    def _resolve(self, ctx: Context, command: Resolve) -> Incident:
        incident = _asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} {_since_resolved(incident)} already", 409)
        text = f"resolved by {command.by}"
        if incident.firing:
            alerts = "1 alert still fires" if incident.firing == 1 else f"{incident.firing} alerts still fire"
            text += f" although {alerts}"
        text += f": {command.note}" if command.note else ""
        self._end(ctx, incident, command.by, command.note, text)
        return _found(ctx, incident.id)


def _wait_quiet(ctx: Context, settings: IncidentSettings, incident_id: str, cleared_at: Ms) -> None:
    key = f"{_QUIET}:{incident_id}"
    if settings.confirm:
        ctx.cancel_timer(key)
    else:
        ctx.set_timer(key, cleared_at + settings.quiet_time, _QUIET)


def _found(ctx: Context, incident_id: str) -> Incident:
    incident = store.load_incident(ctx.db, incident_id)
    if incident is None:
        raise CommandError(f"there is no incident {incident_id}", 404)
    return incident


def _asked(ctx: Context, ref: str, by: str) -> Incident:
    if not by.strip():
        raise CommandError("say who you are: the timeline needs a name", 400)
    return _found(ctx, ref)


def _since_resolved(incident: Incident) -> str:
    return f"was resolved by {incident.resolved_by} at {format_rfc3339(incident.resolved_at or 0)}"
