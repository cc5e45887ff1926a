"""Incidents in the loop: alerts open, feed and end them; people work on them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.incidents import grouping, rows, store
from hypercare.incidents.acks import Acknowledgements, asked, found, since_resolved
from hypercare.incidents.asking import Asker
from hypercare.incidents.calm import QUIET, Calm, wait_quiet
from hypercare.incidents.checklist import Checklists
from hypercare.incidents.commands import AddNote, Resolve
from hypercare.incidents.current import Current
from hypercare.incidents.evidence import Keeper
from hypercare.incidents.merging import Merging, announce, goes_on
from hypercare.incidents.notices import Notices
from hypercare.incidents.postmortem import Postmortems
from hypercare.incidents.reading import settings_of
from hypercare.incidents.room import Room
from hypercare.incidents.stats import Exported
from hypercare.incidents.statuspage import StatusPages
from hypercare.incidents.tasks import Tasks
from hypercare.incidents.timeline import Chronicle
from hypercare.incidents.updates import Updates
from hypercare.kernel import CommandError
from hypercare.model.events import (
    AlertsBeganAgain,
    AlertsReceived,
    GroupNotified,
    IncidentAlertsJoined,
    IncidentResolved,
    IncidentSeverityChanged,
)
from hypercare.model.time import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from hypercare.channels.message import Message
    from hypercare.config import Config
    from hypercare.incidents.evidence import Instruments
    from hypercare.incidents.settings import IncidentSettings, Recipient
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.alerts import Alert

_ALL: Final = 1_000_000
_BY_HAND: Final = ("note", "finding", "decision", "action")


class IncidentService:
    """Keeps the incidents.

    Only alerts whose notification passed routing open or join an incident: what is silenced, inhibited or muted does
    not. The end of an alert counts whether or not anybody is notified of it.

    Args:
        render: a message as the named channel sends it; none: nobody is told anything.
        receivers: the receivers of a configuration with their targets.
        instruments: what evidence is gathered with; none: none is kept.

    """

    def __init__(
        self,
        render: Callable[[str, Message], Mapping[str, Any]] | None = None,
        receivers: Callable[[Config], Sequence[Recipient]] = lambda _: (),
        instruments: Instruments | None = None,
    ) -> None:
        self._receivers = receivers
        self._settings = Current()
        self._calm = Calm(self._settings, lambda ctx, incident: self._acks.watch(ctx, incident.id))
        self._acks = Acknowledgements(self._settings)
        self._room = Room(self._acks.watch, self._on_severity)
        self._checklists = Checklists(self._room, self._settings)
        notices = Notices(self._settings, render)
        self._updates = Updates(self._room, notices, self._settings)
        self.exported = Exported()
        asker = None if instruments is None else Asker(self._settings, instruments)
        # In the order in which they hear of events: what notices tell has to be there before.
        self._parts = (
            self._room, self._checklists, self._updates, Tasks(self._room, notices, self._settings), notices,
            Keeper(self._settings, instruments, asker),
            Merging(self._calm, self._given_up),
            Postmortems(self._room, notices, self._settings),
            StatusPages(self._settings),
            self.exported,
        )  # fmt: skip

    @property
    def settings(self) -> IncidentSettings:
        """The running settings."""
        return self._settings.committed

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(GroupNotified, self._on_notified)
        kernel.subscribe(AlertsBeganAgain, self._on_again)
        kernel.subscribe(AlertsReceived, self._on_received)
        kernel.on_timer(QUIET, self._on_quiet)
        kernel.on_message(AddNote, self._add_note)
        kernel.on_message(Resolve, self._resolve)
        self._calm.register(kernel)
        self._acks.register(kernel)
        Chronicle().register(kernel)
        for part in self._parts:
            part.register(kernel)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        self.apply(ctx, settings_of(config.hypercare, self._receivers(config), config.runbooks, config.texts))

    def apply(self, ctx: Context, settings: IncidentSettings) -> None:
        """Work by these settings from now on; incidents under way keep what they have, but end by the new ones."""
        self._settings.take(ctx, settings)
        self.exported.refresh(ctx)
        for incident in store.load_incidents(ctx.db, "unresolved", limit=_ALL):
            if incident.alerts_cleared_at is not None:
                wait_quiet(ctx, settings, incident.id, incident.alerts_cleared_at)
            self._acks.watch(ctx, incident.id)
            self._calm.touch(ctx, incident.id)

    def _on_severity(self, ctx: Context, incident: Incident) -> None:
        self._checklists.complete(ctx, incident)
        self._updates.on_severity(ctx, incident)

    def _given_up(self, ctx: Context, incident_id: str) -> None:
        """Another incident goes on in place of this one."""
        ctx.cancel_timer(f"{QUIET}:{incident_id}")
        self._acks.watch(ctx, incident_id)

    # -- alerts ------------------------------------------------------------------------------------------------

    def _on_notified(self, ctx: Context, event: GroupNotified) -> None:
        alerts = grouping.opening(event.firing, self.settings)
        if not alerts:
            return
        known = rows.known_firing(ctx, alerts)
        fresh = [alert for alert in alerts if alert.fingerprint not in known]
        for subject in grouping.subjects(fresh, self.settings):
            self._feed(ctx, subject, goes_on(ctx, store.load_latest(ctx.db, subject.key)))

    def _feed(self, ctx: Context, subject: grouping.Subject, latest: Incident | None) -> None:
        """Alerts fire of which the latest incident does not know."""
        if latest is None or self._is_over(ctx, latest):
            self._open(ctx, subject)
        elif latest.status == store.RESOLVED:
            self._reopen(ctx, latest, subject)
        else:
            self._join(ctx, latest, subject.alerts)

    def _on_again(self, ctx: Context, event: AlertsBeganAgain) -> None:
        """What is no news to receivers is news where the incident was resolved before: somebody has to be paged."""
        began = {alert.fingerprint: at for alert, at in event.alerts}
        alerts = grouping.opening((alert for alert, _ in event.alerts), self.settings)
        for subject in grouping.subjects(alerts, self.settings):
            latest = goes_on(ctx, store.load_latest(ctx.db, subject.key))
            over = None if latest is None else latest.resolved_at
            news = tuple(a for a in subject.alerts if over is None or began[a.fingerprint] >= over)
            if over is None:
                known = rows.known_firing(ctx, news)
                news = tuple(a for a in news if a.fingerprint not in known)
            if news:
                self._feed(ctx, dataclasses.replace(subject, alerts=news), latest)

    def _is_over(self, ctx: Context, incident: Incident) -> bool:
        """Whether an incident ended so long ago that what fires now is another."""
        return incident.resolved_at is not None and ctx.now - incident.resolved_at >= self.settings.quiet_time

    def _on_received(self, ctx: Context, event: AlertsReceived) -> None:
        """An alert that ended and began again between two flushes of its group is not notified anew: look here."""
        firing = [a for a in grouping.opening(event.alerts, self.settings) if not a.resolved_at(ctx.now)]
        if not firing:
            return
        back: dict[str, list[Alert]] = {}
        for incident_id, alert in rows.ended_in_unresolved(ctx, firing):
            back.setdefault(incident_id, []).append(alert)
        for incident_id, alerts in back.items():
            incident = store.load_incident(ctx.db, incident_id)
            if incident is not None:
                self._join(ctx, incident, tuple(alerts))

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
        self._add_alerts(ctx, incident_id, subject.alerts, "fires")
        self._announce(ctx, incident_id)

    def _reopen(self, ctx: Context, incident: Incident, subject: grouping.Subject) -> None:
        values = {"acknowledged_at": None, "acknowledged_by": "", "resolved_at": None, "resolved_by": ""}
        rows.change(ctx, incident.id, status=store.OPEN, alerts_cleared_at=None, calm_at=None, **values)
        ago = format_duration(ctx.now - (incident.resolved_at or ctx.now))
        rows.tell(ctx, incident.id, "reopened", f"fires again {ago} after it was resolved")
        self._add_alerts(ctx, incident.id, subject.alerts, "fires again")
        self._raise_severity(ctx, incident, subject.alerts)
        self._announce(ctx, incident.id)

    def _join(self, ctx: Context, incident: Incident, alerts: tuple[Alert, ...]) -> None:
        self._add_alerts(ctx, incident.id, alerts, "joined")
        self._raise_severity(ctx, incident, alerts)

    def _add_alerts(self, ctx: Context, incident_id: str, alerts: tuple[Alert, ...], verb: str) -> None:
        rows.put_alerts(ctx, incident_id, alerts)
        rows.tell_alerts(ctx, incident_id, alerts, "alert_joined", verb)
        ctx.publish(IncidentAlertsJoined(incident_id, len(alerts)))
        self._calm.touch(ctx, incident_id)

    def _raise_severity(self, ctx: Context, incident: Incident, alerts: tuple[Alert, ...]) -> None:
        severity = grouping.worst(alerts, self.settings)
        if severity < incident.severity:
            rows.change(ctx, incident.id, severity=severity)
            text = f"severity raised from {incident.severity} to {severity}"
            rows.tell(ctx, incident.id, "severity_raised", text, severity=severity)
            ctx.publish(IncidentSeverityChanged(incident.id, severity))
            self._on_severity(ctx, found(ctx, incident.id))

    def _announce(self, ctx: Context, incident_id: str) -> None:
        announce(ctx, found(ctx, incident_id))

    # -- resolution --------------------------------------------------------------------------------------------

    def _on_quiet(self, ctx: Context, key: str) -> None:
        if not self._settings.ready:
            # Overdue right after a start: perhaps a person has to confirm by now. The first ``apply`` decides.
            return
        incident = store.load_incident(ctx.db, key.removeprefix(f"{QUIET}:"))
        if incident is None or incident.status == store.RESOLVED or incident.alerts_cleared_at is None:
            return
        note = f"no alert for {format_duration(ctx.now - incident.alerts_cleared_at)}"
        self._end(ctx, incident, rows.MACHINE, note, f"resolved: {note}")

    def _end(self, ctx: Context, incident: Incident, by: str, note: str, text: str) -> None:
        rows.change(ctx, incident.id, status=store.RESOLVED, resolved_at=ctx.now, resolved_by=by)
        ctx.cancel_timer(f"{QUIET}:{incident.id}")
        self._acks.watch(ctx, incident.id)
        rows.tell(ctx, incident.id, "resolved", text, by=by, note=note)
        ctx.publish(IncidentResolved(incident.id, by, note))

    # -- commands ----------------------------------------------------------------------------------------------

    def _add_note(self, ctx: Context, command: AddNote) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if not command.text.strip():
            raise CommandError("the note is empty", 400)
        if command.kind not in _BY_HAND:
            raise CommandError(f"unknown kind {command.kind!r}; one of {', '.join(_BY_HAND)}", 400)
        at = ctx.now if command.at is None else command.at
        if not 0 < at <= ctx.now:
            raise CommandError("a note tells what was, not what will be", 400)
        later = {"noted_at": ctx.now} if at != ctx.now else {}
        entry = rows.tell_at(ctx, at, incident.id, command.kind, command.text, by=command.by, **later)
        if command.pinned:
            rows.pin(ctx, entry)
        self._room.changed(ctx, incident.id, command.kind, command.by)
        return incident

    def _resolve(self, ctx: Context, command: Resolve) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} {since_resolved(incident)} already", 409)
        text = f"resolved by {command.by}"
        if incident.firing:
            alerts = "1 alert still fires" if incident.firing == 1 else f"{incident.firing} alerts still fire"
            text += f" although {alerts}"
        text += f": {command.note}" if command.note else ""
        if command.cause.strip():
            rows.change(ctx, incident.id, cause=command.cause.strip())
        self._end(ctx, incident, command.by, command.note, text)
        return found(ctx, incident.id)
