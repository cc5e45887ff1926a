"""Flapping: an alert that begins and ends again and again within a span of time.

It starts with ``high`` changes of state within the window and stops with ``low``, as the two thresholds of Nagios and
Icinga, so that it does not itself start and stop all the time. Changes are known from the journal, so nothing more is
written for alerts that behave.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from hypercare.model.alerts import Alert
from hypercare.model.matchers import matches_all
from hypercare.model.time import HOUR, format_duration
from hypercare.routing.tables import flapping, journal
from hypercare.state import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class FlapRule:
    """When the alerts that fit flap.

    Attributes:
        high: so many changes within the window start it.
        low: so few stop it.
        damp: while it lasts, what begins and ends is not told.

    """

    window: Ms
    high: int
    low: int
    damp: bool = False
    matchers: tuple[Matcher, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Flap:
    """One alert that flaps, with the thresholds by which it began to."""

    since: Ms
    window: Ms
    low: int


class Flaps:
    """The changes of state of all alerts within the windows, and which of them flap."""

    def __init__(self, rules: tuple[FlapRule, ...] = ()) -> None:
        self.rules = rules
        self.flapping: dict[str, Flap] = {}
        self._changes: dict[str, list[Ms]] = {}

    def changed(self, fingerprint: str, at: Ms, rule: FlapRule) -> Flap | None:
        """An alert began or ended; what it has begun, if it flaps from now on."""
        changes = self._changes.setdefault(fingerprint, [])
        changes.append(at)
        del changes[: bisect.bisect_right(changes, at - rule.window)]
        if fingerprint in self.flapping or len(changes) < rule.high:
            return None
        found = self.flapping[fingerprint] = Flap(at, rule.window, rule.low)
        return found

    def damps(self, fingerprint: str, labels: Labels) -> bool:
        """Whether an alert flaps and its beginnings and ends are not to be told."""
        if fingerprint not in self.flapping:
            return False
        rule = rule_for(self.rules, labels)
        return rule is not None and rule.damp

    def adopt(self, fingerprint: str, labels: Labels) -> None:
        """Have one that flaps stop by the rule that fits it now; where none does, at once."""
        flap = self.flapping.get(fingerprint)
        if flap is not None:
            rule = rule_for(self.rules, labels)
            window, low = (0, 0) if rule is None else (rule.window, rule.low)
            self.flapping[fingerprint] = Flap(flap.since, window, low)

    def last_change(self, fingerprint: str) -> Ms | None:
        """When an alert began or ended last, by our clock; none: not within the windows."""
        changes = self._changes.get(fingerprint)
        return changes[-1] if changes else None

    def note(self, fingerprint: str, at: Ms) -> None:
        """A change that the journal knows."""
        self._changes.setdefault(fingerprint, []).append(at)

    def count(self, fingerprint: str, at: Ms, window: Ms) -> int:
        """Changes within the window that ends now."""
        changes = self._changes.get(fingerprint, ())
        return len(changes) - bisect.bisect_right(changes, at - window)

    def next_calm(self) -> Ms | None:
        """When the next one stops, if nothing changes until then."""
        return min((self._calm_at(f, flap) for f, flap in self.flapping.items()), default=None)

    def take_calm(self, now: Ms) -> list[str]:
        """Those that have stopped; they flap no longer."""
        found = [f for f, flap in self.flapping.items() if self._calm_at(f, flap) <= now]
        for fingerprint in found:
            del self.flapping[fingerprint]
        return found

    def purge(self, before: Ms) -> None:
        """Forget alerts that have not changed for long."""
        self._changes = {f: changes for f, changes in self._changes.items() if changes[-1] > before}

    def _calm_at(self, fingerprint: str, flap: Flap) -> Ms:
        changes = self._changes.get(fingerprint, ())
        # The change that has to leave the window, so that no more than ``low`` are left.
        return flap.since if len(changes) <= flap.low else changes[-flap.low - 1] + flap.window


def rule_for(rules: tuple[FlapRule, ...], labels: Labels) -> FlapRule | None:
    """The first rule that fits; none where it does not look for flapping."""
    found = next((rule for rule in rules if matches_all(rule.matchers, labels)), None)
    return found if found is not None and found.high else None


def text_of(count: int, window: Ms) -> str:
    """How often it changes, in words."""
    return f"{count} changes of state within {format_duration(window)}"


def shown(alert: Alert, text: str) -> Alert:
    """A damped alert as it is told: firing, with an annotation ``flapping`` that says so."""
    annotations = alert.annotations.with_({"flapping": f"{text}; told again when it is calm"})
    return Alert(alert.labels, annotations, alert.starts_at, None, alert.generator_url)


def load(db: Connection, rules: tuple[FlapRule, ...], now: Ms) -> Flaps:
    """From the journal's changes and the rows of those that flap."""
    flaps = Flaps(rules)
    flaps.flapping = load_flapping(db)
    # The last change is of use where nobody looks for flapping, too.
    spans = [HOUR, *(rule.window for rule in rules), *(flap.window for flap in flaps.flapping.values())]
    c = journal.c
    query = select(c.at, c.fingerprint, c.stage).where(c.at > now - max(spans), c.stage.in_(("received", "ended")))
    last: dict[str, tuple[Ms, str]] = {}
    for row in db.execute(query.order_by(c.seq)):
        # One row for each group that it came into.
        if last.get(row.fingerprint) != (row.at, row.stage):
            last[row.fingerprint] = row.at, row.stage
            flaps.note(row.fingerprint, row.at)
    return flaps


def load_flapping(db: Connection) -> dict[str, Flap]:
    """Alerts that flap, by fingerprint."""
    rows = db.execute(select(flapping).order_by(flapping.c.since, flapping.c.fingerprint))
    return {row.fingerprint: Flap(row.since, row.span, row.low) for row in rows}


def save(db: Connection, fingerprint: str, flap: Flap) -> None:
    """One begins to flap."""
    upsert(db, flapping, [{"fingerprint": fingerprint, "since": flap.since, "span": flap.window, "low": flap.low}])


def forget(db: Connection, fingerprints: list[str]) -> None:
    """Some have stopped."""
    db.execute(delete(flapping).where(flapping.c.fingerprint.in_(fingerprints)))
