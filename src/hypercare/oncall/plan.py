"""What on-call is told by the configuration, in this room's own words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import EMPTY, Labels
from hypercare.model.matchers import matches_all
from hypercare.model.time import MINUTE, WEEK, Ms
from hypercare.oncall.hours import Hours, Window
from hypercare.oncall.policy import Policy, Step

if TYPE_CHECKING:
    import datetime as dt
    from typing import Literal

    from hypercare.oncall.clockrules import ClockRule

__all__ = ["Hours", "Policy", "Step", "Window"]

EVERYONE: Final = "everyone"
SCHEDULE: Final = "schedule:"
ROLE: Final = "role:"
RECEIVER: Final = "receiver:"
ASSIGNEE: Final = "assignee"
"""The role of whoever has acknowledged the incident."""
DEFAULT: Final = "default"
HIGH: Final = "high"
LOW: Final = "low"


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be paged.

    Attributes:
        contacts: the channel of each contact way, in the order of the configuration; the n-th is addressed as
            ``person/<name>/<n>``.
        timezone: IANA name; what night and weekend are for them.
        full_name: as calendars show it; may be empty.
        email: by which an invitation names them; may be empty.
        urgencies: of which pages go which contact way: "high", "low" or "any"; shorter than ``contacts``: the rest is
            "any".
        delays: ms after the page until each way is used, unless somebody has acknowledged; the rest is 0.
        quiet: when pages of low urgency wait.

    """

    name: str
    contacts: tuple[str, ...]
    timezone: str = "UTC"
    full_name: str = ""
    email: str = ""
    urgencies: tuple[str, ...] = ()
    delays: tuple[Ms, ...] = ()
    quiet: Hours | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of alertmanager.yml that a step may name; ``targets`` are (channel, target) as in effects."""

    name: str
    targets: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """Somebody else takes over for ``start <= t < end``; of several that overlap the last one counts."""

    person: str
    start: Ms
    end: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Swap:
    """Two people take each other's turns of all layers for ``start <= t < end``; several apply one after another."""

    one: str
    other: str
    start: Ms
    end: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Holiday:
    """Whole local days, ``first`` to ``last``; ``person`` is on call then, empty: what the layers say."""

    first: dt.date
    last: dt.date
    person: str = ""
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A rotation of a schedule; see ``Schedule`` for what the first fields mean.

    Attributes:
        until: it ends there; none: never.
        windows: when it applies, any of them; none: always.
        holidays: whether it applies on holidays as on other days, not at all, or only then.

    """

    name: str
    people: tuple[str, ...]
    start: dt.datetime
    timezone: str = "UTC"
    every: Ms = WEEK
    since: Ms | None = None
    until: Ms | None = None
    windows: tuple[Window, ...] = ()
    holidays: Literal["work", "skip", "only"] = "work"


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """A rotation with overrides, or layers of rotations.

    Somebody who is away is not on call: in a layer the next in its order takes over, elsewhere what lies below counts.

    Attributes:
        people: in order; a name may stand several times, so that any order of weeks can be written.
        every: length of a turn, ms of local wall-clock time: a turn of a week that begins at 09:00 ends at 09:00,
            whatever the clocks did in between.
        start: local wall-clock time from which turns are counted: they change at ``start + n * every``.
        timezone: IANA name.
        since: when the first turn begins; nobody is on call before. None: at ``start``.
        layers: above the rotation, each above the one before.
        swaps: of turns of the rotation and the layers.
        holidays: in ``timezone`` where they name a person, else in that of the layer.
        fallback: where nobody else is on call, once the earliest layer has begun: the first who is not away;
            in shifts of four weeks at most.
        away: of everybody, by override's form.

    """

    name: str
    people: tuple[str, ...]
    start: dt.datetime
    timezone: str = "UTC"
    every: Ms = WEEK
    since: Ms | None = None
    overrides: tuple[Override, ...] = ()
    layers: tuple[Layer, ...] = ()
    swaps: tuple[Swap, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    fallback: tuple[str, ...] = ()
    away: tuple[Override, ...] = ()

    @property
    def stack(self) -> tuple[Layer, ...]:
        """The rotation, if it has people, and all layers, the lowest first."""
        base = Layer("", self.people, self.start, self.timezone, self.every, self.since)
        return (base, *self.layers) if self.people else self.layers

    @property
    def plain(self) -> bool:
        """Whether there is nothing but a rotation and overrides."""
        return not (self.layers or self.swaps or self.holidays or self.fallback or self.away)


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """A name for people, schedules and receivers; ``notify`` as in steps."""

    name: str
    notify: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """What the auditor is told; see ``AuditorConfig`` of the configuration. ``notify`` empty: everyone."""

    enabled: bool = False
    every: Ms = MINUTE
    notify: tuple[str, ...] = ()
    late_after: Ms = 2 * MINUTE
    undelivered_after: Ms = 5 * MINUTE
    unowned_after: Ms = 15 * MINUTE
    stuck_after: Ms = 10 * MINUTE


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All that is configured about on-call.

    Attributes:
        external_url: where people reach hypercare; may be empty.
        high: severities whose pages are of high urgency; empty: all.
        clocks: the first that fits an incident counts; none: it has no clocks.
        away: of everybody, by override's form.

    """

    people: tuple[Person, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    policies: tuple[Policy, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    external_url: str = ""
    roles: tuple[Role, ...] = ()
    high: tuple[str, ...] = ()
    clocks: tuple[ClockRule, ...] = ()
    audit: Audit = Audit()
    away: tuple[Override, ...] = ()

    def person(self, name: str) -> Person | None:
        """A person by name."""
        return next((p for p in self.people if p.name == name), None)

    def schedule(self, name: str) -> Schedule | None:
        """A schedule by name."""
        return next((s for s in self.schedules if s.name == name), None)

    def receiver(self, name: str) -> Receiver | None:
        """A receiver by name."""
        return next((r for r in self.receivers if r.name == name), None)

    def role(self, name: str) -> Role | None:
        """A role by name."""
        return next((r for r in self.roles if r.name == name), None)

    def urgency(self, severity: str) -> str:
        """How urgent the pages of an incident are, unless a policy says otherwise."""
        return HIGH if not self.high or severity in self.high else LOW

    def policy(self, name: str) -> Policy | None:
        """A policy by name."""
        return next((p for p in self.policies if p.name == name), None)

    def choose(self, named: str, labels: Labels = EMPTY, severity: str = "") -> Policy:
        """The policy for an incident.

        The one it names; else the first that asks for labels or severities and fits; else the one called "default";
        else the first that asks for nothing; else the only one; else a plain one: who is on call in any schedule at
        once, everyone after 15 minutes.
        """
        if found := self.policy(named):
            return found
        for policy in self.policies:
            right = not policy.severities or severity in policy.severities
            if policy.choosy and right and matches_all(policy.matchers, labels):
                return policy
        if found := self.policy(DEFAULT):
            return found
        for policy in self.policies:
            if not policy.choosy or len(self.policies) == 1:
                return policy
        everyone = (EVERYONE,)
        if not self.schedules:
            return Policy(DEFAULT, (Step(0, everyone),))
        on_duty = tuple(f"{SCHEDULE}{schedule.name}" for schedule in self.schedules)
        return Policy(DEFAULT, (Step(0, on_duty), Step(15 * MINUTE, everyone)))
