"""Routing's state for readers in other threads: alerts with their status, groups, silences."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.channels.notification import alert_order
from hypercare.routing import intervals, rows
from hypercare.routing.flapping import load_flapping
from hypercare.routing.inhibition import Inhibitor
from hypercare.routing.journal import Entry, load_journal
from hypercare.routing.loading import places
from hypercare.routing.silences import Silence, Silencer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.routing.index import Held
    from hypercare.routing.settings import RoutingSettings
    from hypercare.routing.tree import Route

__all__ = [
    "AlertStatus",
    "AlertView",
    "Entry",
    "GroupView",
    "load_alerts",
    "load_groups",
    "load_journal",
    "load_silence",
    "load_silences",
]


class AlertStatus:
    """The states of Alertmanager's API."""

    UNPROCESSED = "unprocessed"
    ACTIVE = "active"
    SUPPRESSED = "suppressed"


@dataclasses.dataclass(frozen=True, slots=True)
class AlertView:
    """A firing alert and how it fares.

    Attributes:
        state: ``active``, ``suppressed``, or ``unprocessed`` until its first group was flushed.
        silenced_by: ids of silences.
        inhibited_by: fingerprints of alerts.
        muted_by: names of time intervals that hold back notifications now; in groups those of the group's route.
        receivers: names, in the order of the routes; none twice.
        flapping_since: since when it begins and ends again and again; none: it does not.

    """

    alert: Alert
    fingerprint: str
    updated_at: Ms
    source: str
    state: str
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    muted_by: tuple[str, ...]
    receivers: tuple[str, ...]
    flapping_since: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GroupView:
    """A group and its firing alerts."""

    key: str
    route_id: str
    receiver: str
    labels: Labels
    created_at: Ms
    flushed_at: Ms | None
    next_flush: Ms
    alerts: tuple[AlertView, ...]


class _Reader:
    """All alerts at one instant, judged as the stages judge them."""

    def __init__(self, db: Connection, settings: RoutingSettings, now: Ms) -> None:
        self.settings = settings
        self.now = now
        self.held = [h for h in rows.load_alerts(db) if not h.alert.resolved_at(now)]
        self.silencer = Silencer(rows.load_silences(db))
        self.inhibitor = Inhibitor(settings.inhibit_rules)
        self.groups = {row.id: row for row in rows.load_group_rows(db)}
        self.flapping = load_flapping(db)
        self._muted: dict[str, tuple[str, ...]] = {}
        for held in self.held:
            self.inhibitor.put(held.fingerprint, held.alert)
            held.places = places(settings, held.alert.labels)

    def muted_by(self, route: Route) -> tuple[str, ...]:
        """Names of the intervals that hold back a route's notifications now."""
        found = self._muted.get(route.id)
        if found is None:
            mute, active = route.mute_time_intervals, route.active_time_intervals
            decision = intervals.decide(mute, active, self.settings.intervals, self.now)
            found = self._muted[route.id] = tuple(decision.by.split(", ")) if decision is not None else ()
        return found

    def view(self, held: Held, route: Route | None = None) -> AlertView:
        """One alert, on one of its routes or on all."""
        labels = held.alert.labels
        silenced = self.silencer.active(held.fingerprint, labels, self.now)
        inhibited = self.inhibitor.sources(labels, self.now)
        routes = (route,) if route is not None else tuple(r for r, _, _ in held.places)
        muted_routes = [self.muted_by(r) for r in routes]
        muted = tuple(dict.fromkeys(name for names in muted_routes for name in names))
        flushed = any(i in self.groups and self.groups[i].flushed_at is not None for _, _, i in held.places)
        state = AlertStatus.ACTIVE if flushed else AlertStatus.UNPROCESSED
        return AlertView(
            alert=held.alert,
            fingerprint=held.fingerprint,
            updated_at=held.updated_at,
            source=held.source,
            # On all its routes nobody hears of it.
            state=AlertStatus.SUPPRESSED if silenced or inhibited or all(muted_routes) else state,
            silenced_by=silenced,
            inhibited_by=inhibited,
            muted_by=muted,
            receivers=tuple(dict.fromkeys(r.receiver for r, _, _ in held.places)),
            flapping_since=flap.since if (flap := self.flapping.get(held.fingerprint)) else None,
        )


def load_alerts(db: Connection, settings: RoutingSettings, now: Ms) -> tuple[AlertView, ...]:
    """All alerts that fire, sorted by fingerprint (as Alertmanager's API does)."""
    reader = _Reader(db, settings, now)
    return tuple(reader.view(held) for held in sorted(reader.held, key=lambda h: h.fingerprint))


def load_groups(db: Connection, settings: RoutingSettings, now: Ms) -> tuple[GroupView, ...]:
    """All groups that have a firing alert, sorted by their labels and receiver."""
    reader = _Reader(db, settings, now)
    members: dict[str, list[AlertView]] = {}
    places_of: dict[str, tuple[Route, Labels]] = {}
    for held in sorted(reader.held, key=lambda h: alert_order(h.alert)):
        for route, labels, group_id in held.places:
            members.setdefault(group_id, []).append(reader.view(held, route))
            places_of[group_id] = (route, labels)
    found: list[GroupView] = []
    for group_id, views in members.items():
        row = reader.groups.get(group_id)
        if row is None:
            continue
        route, labels = places_of[group_id]
        found.append(
            GroupView(
                key=row.group_key,
                route_id=route.id,
                receiver=route.receiver,
                labels=labels,
                created_at=row.created_at,
                flushed_at=row.flushed_at,
                next_flush=row.next_flush,
                alerts=tuple(views),
            )
        )
    return tuple(sorted(found, key=lambda g: (g.labels, g.receiver, g.key)))


def load_silences(db: Connection) -> tuple[Silence, ...]:
    """All silences, expired ones of the last five days included, in the order in which they were made."""
    return rows.load_silences(db)


def load_silence(db: Connection, silence_id: str) -> Silence | None:
    """A silence by id."""
    return next((s for s in rows.load_silences(db) if s.id == silence_id), None)
