"""The journal of an alert: what became of it, and why somebody was or was not told. In sentences for tired people."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from hypercare.incidents.store import load_incident, load_timeline
from hypercare.incidents.tables import incident_alerts
from hypercare.kernel.tables import outbox
from hypercare.model.matchers import matches_all
from hypercare.model.time import format_duration, format_rfc3339
from hypercare.routing.journal import load_received
from hypercare.routing.recurrence_text import window_text
from hypercare.routing.store import load_alerts, load_journal, load_silences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from hypercare.app import App
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.routing.journal import Entry
    from hypercare.routing.store import AlertView

_MOST: Final = 20
_SOURCES: Final = {"rules": "our own rules", "api": "the API"}
_HELD: Final = {"silence": "silenced by", "inhibit": "inhibited by", "interval": "muted by"}


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to an alert."""

    at: Ms
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class AlertStory:
    """What became of one alert.

    Attributes:
        now: how it stands, in a sentence.
        lines: what happened, oldest first.

    """

    labels: Labels
    fingerprint: str
    now: str
    lines: tuple[Line, ...]


def why(app: App, db: Connection, matchers: tuple[Matcher, ...], now: Ms) -> tuple[AlertStory, ...]:
    """The stories of the alerts that fit, firing ones first, at most 20; the last 30 days are known."""
    views = {v.fingerprint: v for v in load_alerts(db, app.routing_settings, now)}
    found = {f: v.alert.labels for f, v in views.items() if matches_all(matchers, v.alert.labels)}
    for fingerprint, labels in load_received(db):
        if len(found) >= _MOST:
            break
        if fingerprint not in found and matches_all(matchers, labels):
            found[fingerprint] = labels
    teller = _Teller(app, db, now)
    return tuple(teller.story(f, labels, views.get(f)) for f, labels in list(found.items())[:_MOST])


def why_one(app: App, db: Connection, fingerprint: str, now: Ms) -> AlertStory | None:
    """The story of one alert; none where it is not known."""
    view = next((v for v in load_alerts(db, app.routing_settings, now) if v.fingerprint == fingerprint), None)
    labels = view.alert.labels if view is not None else None
    if labels is None:
        entries = load_journal(db, fingerprint=fingerprint)
        labels = next((e.labels for e in entries if len(e.labels)), None)
    return None if labels is None else _Teller(app, db, now).story(fingerprint, labels, view)


def why_not(app: App, matchers: tuple[Matcher, ...]) -> str:
    """Where no alert fits: whether one is on its way."""
    for group in app.rules.snapshot.groups:
        for rule in group.rules:
            for alert in rule.alerts:
                if matches_all(matchers, alert.labels) and str(alert.state) == "pending":
                    since = format_rfc3339(alert.active_at)
                    return f"No alert with these labels has fired, but {alert.labels} is pending since {since}."
    return "No alert with these labels was received in the last 30 days: nothing fired, or nobody sent it."


class _Teller:
    """Puts rows of several rooms into sentences."""

    def __init__(self, app: App, db: Connection, now: Ms) -> None:
        self._app, self._db, self._now = app, db, now
        self._silences = {s.id: s for s in load_silences(db)}

    def story(self, fingerprint: str, labels: Labels, view: AlertView | None) -> AlertStory:
        """One alert."""
        entries = load_journal(self._db, fingerprint=fingerprint)[::-1]
        lines = [Line(e.at, text) for e in entries if (text := self._about_alert(e))]
        lines += self._told(entries)
        lines += self._incidents(fingerprint)
        lines.sort(key=lambda line: line.at)
        return AlertStory(labels, fingerprint, self._standing(view, labels), tuple(lines))

    def _standing(self, view: AlertView | None, labels: Labels) -> str:
        if view is None:
            return "It does not fire now."
        said = [f"It fires since {format_rfc3339(view.alert.starts_at)}"]
        said += [f"silenced by {self._silence(i, self._now)}" for i in view.silenced_by]
        said += [f"inhibited by {self._alert(f)}" for f in view.inhibited_by]
        said += [f"muted by the time interval {name}" for name in view.muted_by]
        if view.flapping_since is not None:
            said.append(f"it flaps since {format_rfc3339(view.flapping_since)}")
        if view.state == "unprocessed":
            said.append("it waits for the group_wait of its group")
        if not self._app.config.hypercare.incidents.opens(labels):
            said.append("it opens no incident and pages nobody, as incidents.open does not fit it")
        return "; ".join(said) + "."

    def _about_alert(self, entry: Entry) -> str:
        decision = entry.decision
        match entry.stage:
            case "received":
                source = _SOURCES.get(decision.by, decision.by)
                return f"received from {source}, into group {entry.group_key} for receiver {entry.receiver}"
            case "ended":
                return "ended"
            case "flapping":
                return f"begins to flap: {decision.by}"
            case "flapping ended":
                return "flaps no longer"
            case "pass":
                return f"no longer held back from receiver {entry.receiver}"
            case stage:
                by = decision.by
                if stage == "silence":
                    by = ", ".join(self._silence(i, entry.at) for i in by.split(", "))
                elif stage == "inhibit":
                    by = self._alert(by)
                return f"receiver {entry.receiver} is not told: {_HELD.get(stage, stage)} {by}"

    def _silence(self, silence_id: str, at: Ms) -> str:
        silence = self._silences.get(silence_id)
        if silence is None:
            return f"silence {silence_id}"
        until = format_rfc3339(silence.ends_at)
        window = f" in its window {window_text(silence, at)}" if silence.recurrence and silence.is_silent(at) else ""
        return f'silence {silence_id} of {silence.created_by or "nobody"}{window} until {until} ("{silence.comment}")'

    def _alert(self, fingerprint: str) -> str:
        entries = load_journal(self._db, fingerprint=fingerprint)
        return next((str(e.labels) for e in entries if len(e.labels)), f"alert {fingerprint}")

    def _told(self, entries: Iterable[Entry]) -> Iterable[Line]:
        """What the receivers heard while the alert was in their groups and not held back."""
        spans: dict[str, list[tuple[Ms, bool]]] = {}
        ended: Ms | None = None
        for entry in entries:
            if entry.stage == "ended":
                ended = entry.at
            elif entry.group_key:
                spans.setdefault(entry.group_key, []).append((entry.at, entry.decision.send))
                ended = None if entry.stage == "received" else ended
        for group_key, changes in spans.items():
            over = False
            for entry in load_journal(self._db, group_key=group_key, since=changes[0][0])[::-1]:
                before = [send for at, send in changes if at <= entry.at]
                if entry.stage != "dedup" or not before or not before[-1] or over:
                    continue
                yield from self._notification(entry)
                # The first flush after the end lets go of the alert.
                over = ended is not None and entry.at > ended

    def _notification(self, entry: Entry) -> Iterable[Line]:
        whom = f"receiver {entry.receiver} by {entry.integration}"
        if not entry.decision.send:
            yield Line(entry.at, f"{whom} is not told: {entry.decision.reason}")
            return
        c = outbox.c
        about = c.subject == f"group:{entry.group_key}", c.created_at == entry.at
        rows = self._db.execute(select(outbox).where(*about)).all()
        target = f"receiver/{entry.receiver}/{entry.integration}"
        row = next((r for r in rows if r.target == target), None)
        yield Line(entry.at, f"{whom} is told ({entry.decision.reason}): {self._fate(row)}")

    @staticmethod
    def _fate(row: Row[Any] | None) -> str:
        if row is None:
            return "there is nothing to send to"
        tries = "1 try" if row.attempts == 1 else f"{row.attempts} tries"
        match row.state:
            case "sent":
                return f"accepted after {format_duration(row.done_at - row.created_at)} and {tries}"
            case "failed":
                return f"FAILED after {tries}: {row.error}"
            case "cancelled":
                return f"withdrawn: {row.error}"
            case _:
                last = f", the last: {row.error}; next at {format_rfc3339(row.next_at)}" if row.error else ""
                return f"not accepted yet, {tries}{last}"

    def _incidents(self, fingerprint: str) -> Iterable[Line]:
        c = incident_alerts.c
        query = select(c.incident_id).where(c.fingerprint == fingerprint).distinct()
        for row in self._db.execute(query):
            incident_id: str = row.incident_id
            incident = load_incident(self._db, incident_id)
            for entry in load_timeline(self._db, incident_id) if incident else ():
                data = entry.data
                # Of other alerts of the incident there may be very many.
                if "fingerprint" not in data or data["fingerprint"] == fingerprint:
                    number = incident.number if incident else 0
                    yield Line(entry.at, f"incident #{number}: {entry.text}")
