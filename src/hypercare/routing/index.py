"""Active alerts and groups in memory, so that decisions read no rows; every change is also a row of the same step."""

from __future__ import annotations

import dataclasses
import heapq
from typing import TYPE_CHECKING, Any

from hypercare.model.alerts import Alert
from hypercare.routing.flapping import Flaps, text_of
from hypercare.routing.inhibition import Inhibitor
from hypercare.routing.silences import Silencer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.channels.notification import AlertOrder
    from hypercare.model.decision import Decision
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.routing.dedup import Told
    from hypercare.routing.inhibition import InhibitRule
    from hypercare.routing.silences import Silence
    from hypercare.routing.tree import Route

ToldKey = tuple[str, str, str]
"""Group key, receiver, integration."""


@dataclasses.dataclass(slots=True)
class Held:
    """An alert that fires, or has ended and is still to be told.

    Attributes:
        guessed_end: the sender named no end; ours is ``resolve_timeout`` after it was last heard of.
        ended: the end has been published, or is once it flaps no longer (where it is damped).
        places: routes, group labels and group ids, for the current tree.
        groups: ids of the groups it is in.
        order: its place in notifications, once it is known.
        firing: as it is told while it fires, without the end that its sender promised; once it is known.

    """

    fingerprint: str
    alert: Alert
    source: str
    updated_at: Ms
    guessed_end: bool = False
    ended: bool = False
    places: tuple[tuple[Route, Labels, str], ...] = ()
    groups: dict[str, None] = dataclasses.field(default_factory=dict)
    order: AlertOrder | None = None
    firing: Alert | None = None

    def as_firing(self) -> Alert:
        """As it is told while it fires: it has no end yet, whatever its sender promised."""
        if self.firing is None:
            alert = self.alert
            self.firing = (
                alert
                if alert.ends_at is None
                else Alert(alert.labels, alert.annotations, alert.starts_at, None, alert.generator_url)
            )
        return self.firing


@dataclasses.dataclass(slots=True)
class Group:
    """Alerts of one route that are told together."""

    id: str
    key: str
    route: Route
    labels: Labels
    created_at: Ms
    next_flush: Ms
    flushed_at: Ms | None = None
    members: dict[str, None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Changes:
    """What of the index has to be written before the step ends; dicts keep the order."""

    alerts: dict[str, None] = dataclasses.field(default_factory=dict)
    groups: dict[str, None] = dataclasses.field(default_factory=dict)
    told: dict[ToldKey, None] = dataclasses.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.alerts or self.groups or self.told)


class Index:
    """All state of routing at one instant."""

    def __init__(self, rules: tuple[InhibitRule, ...] = (), silences: Iterable[Silence] = ()) -> None:
        self.alerts: dict[str, Held] = {}
        self.groups: dict[str, Group] = {}
        self.told: dict[ToldKey, Told] = {}
        self.silencer = Silencer(silences)
        self.inhibitor = Inhibitor(rules)
        # What was decided last, by group, and there by integration (of those that are told) and fingerprint (of alerts
        # that were held back once).
        self.decisions: dict[str, dict[tuple[str, str], Decision]] = {}
        # What other rooms have been told to hold back; whether they have been told at all.
        self.suppressed: dict[str, Decision] = {}
        self.suppression_known = False
        self.silences_seen_at: Ms = 0
        self.flaps = Flaps()
        # Alerts that began again before their groups let them go, and when: other rooms have not heard of it.
        self.again: dict[str, Ms] = {}
        self.changes = Changes()
        # Rows of the journal that are still to be written.
        self.journal: list[dict[str, Any]] = []
        self._ends: list[tuple[Ms, str]] = []

    def put_alert(self, held: Held) -> None:
        """Add or renew an alert."""
        self.alerts[held.fingerprint] = held
        self.inhibitor.put(held.fingerprint, held.alert, ended=held.ended)
        if held.alert.ends_at is not None and not held.ended:
            heapq.heappush(self._ends, (held.alert.ends_at, held.fingerprint))
        self.changes.alerts[held.fingerprint] = None

    def drop_alert(self, held: Held) -> None:
        """Forget an alert that is in no group any more."""
        del self.alerts[held.fingerprint]
        self.inhibitor.drop(held.fingerprint, held.alert.labels)
        self.silencer.forget_alert(held.fingerprint)
        self.suppressed.pop(held.fingerprint, None)
        self.again.pop(held.fingerprint, None)
        self.changes.alerts[held.fingerprint] = None

    def suppression_of(self, held: Held, now: Ms) -> Decision | None:
        """What holds an alert back from everybody, whatever its route: an inhibiting alert or a silence."""
        labels = held.alert.labels
        return self.inhibitor.decide(labels, now) or self.silencer.decide(held.fingerprint, labels, now)

    def is_damped(self, held: Held) -> bool:
        """Whether an alert flaps and counts as firing to everybody, though it may have ended for now."""
        return self.flaps.damps(held.fingerprint, held.alert.labels)

    def damped(self, members: Iterable[Held]) -> frozenset[str]:
        """Fingerprints of those that are damped."""
        if not self.flaps.flapping:
            return frozenset()
        return frozenset(h.fingerprint for h in members if self.is_damped(h))

    def flap_text(self, fingerprint: str, now: Ms) -> str:
        """How often an alert that flaps has changed of late."""
        window = self.flaps.flapping[fingerprint].window
        return text_of(self.flaps.count(fingerprint, now, window), window)

    def put_group(self, group: Group) -> None:
        """Add or change a group."""
        self.groups[group.id] = group
        self.changes.groups[group.id] = None

    def drop_group(self, group: Group) -> None:
        """Forget a group."""
        del self.groups[group.id]
        self.changes.groups[group.id] = None
        for fingerprint in group.members:
            self.alerts[fingerprint].groups.pop(group.id, None)

    def due(self, now: Ms, most: int) -> list[Group]:
        """Groups whose flush is due, those of the earliest first."""
        found = [group for group in self.groups.values() if group.next_flush <= now]
        return sorted(found, key=lambda group: (group.next_flush, group.id))[:most]

    def set_told(self, key: ToldKey, told: Told | None) -> None:
        """Remember, or forget, what an integration was told."""
        if told is None:
            self.told.pop(key, None)
        else:
            self.told[key] = told
        self.changes.told[key] = None

    def next_end(self) -> Ms | None:
        """When the next alert ends, as promised so far."""
        while self._ends:
            ends_at, fingerprint = self._ends[0]
            held = self.alerts.get(fingerprint)
            if held is not None and not held.ended and held.alert.ends_at == ends_at:
                return ends_at
            heapq.heappop(self._ends)
        return None

    def take_ended(self, now: Ms) -> list[Held]:
        """Alerts whose end has come and is not yet published, earliest first."""
        found: list[Held] = []
        while (ends_at := self.next_end()) is not None and ends_at <= now:
            held = self.alerts[heapq.heappop(self._ends)[1]]
            held.ended = True
            found.append(held)
        return found
