"""What on-call is told by the configuration, in this room's own words."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from hypercare.model.labels import EMPTY, Labels
from hypercare.model.matchers import Matcher, matches_all
from hypercare.model.time import MINUTE, WEEK, Ms

if TYPE_CHECKING:
    import datetime as dt
    from typing import Literal

EVERYONE: Final = "everyone"
SCHEDULE: Final = "schedule:"
RECEIVER: Final = "receiver:"
DEFAULT: Final = "default"


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be paged.

    Attributes:
        contacts: the channel of each contact way, in the order of the configuration; the n-th is addressed as
            ``person/<name>/<n>``.
        timezone: IANA name; what night and weekend are for them.
        full_name: as calendars show it; may be empty.
        email: by which an invitation names them; may be empty.

    """

    name: str
    contacts: tuple[str, ...]
    timezone: str = "UTC"
    full_name: str = ""
    email: str = ""


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
class Window:
    """A time that comes again on some weekdays.

    Attributes:
        days: on which it begins; 0 is Monday.
        start: minutes of local wall-clock time after midnight.
        end: the same, excluded; beyond 1440 on the day after.

    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    start: int = 0
    end: int = 24 * 60


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
class Step:
    """Whom to page how long after the incident's opening.

    Attributes:
        after: ms since the opening (in later rounds: since the round's beginning), not since the step before.
        notify: names of people, ``schedule:<name>``, ``receiver:<name>``, or ``everyone``.

    """

    after: Ms
    notify: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """An escalation policy.

    Attributes:
        steps: at least one, ``after`` ascending.
        repeat: how many more rounds follow the first.
        last_wait: ms after the last step before the next round begins or the escalation is exhausted.
        matchers: incidents whose labels fit all of them use this policy; none: all, but only where no other fits.

    """

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    last_wait: Ms = 15 * MINUTE
    matchers: tuple[Matcher, ...] = ()

    @property
    def period(self) -> Ms:
        """Length of a round in ms."""
        return self.steps[-1].after + self.last_wait

    def due(self, opened_at: Ms, round_: int, step: int) -> Ms:
        """When a step of a round (both from 0) is due; the step behind the last is the end of the round."""
        begin = opened_at + round_ * self.period
        return begin + (self.steps[step].after if step < len(self.steps) else self.period)

    def dump(self) -> str:
        """As JSON, for an escalation under way (without the matchers, which have done their work)."""
        steps = [[step.after, list(step.notify)] for step in self.steps]
        content = {"name": self.name, "steps": steps, "repeat": self.repeat, "last_wait": self.last_wait}
        return json.dumps(content, ensure_ascii=False, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Policy:
        """Read what ``dump`` wrote."""
        content: dict[str, Any] = json.loads(text)
        steps = tuple(Step(after, tuple(notify)) for after, notify in content["steps"])
        return cls(content["name"], steps, content["repeat"], content["last_wait"])


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All that is configured about on-call; ``external_url`` is where people reach hypercare, may be empty."""

    people: tuple[Person, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    policies: tuple[Policy, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    external_url: str = ""

    def person(self, name: str) -> Person | None:
        """A person by name."""
        return next((p for p in self.people if p.name == name), None)

    def schedule(self, name: str) -> Schedule | None:
        """A schedule by name."""
        return next((s for s in self.schedules if s.name == name), None)

    def receiver(self, name: str) -> Receiver | None:
        """A receiver by name."""
        return next((r for r in self.receivers if r.name == name), None)

    def policy(self, name: str) -> Policy | None:
        """A policy by name."""
        return next((p for p in self.policies if p.name == name), None)

    def choose(self, named: str, labels: Labels = EMPTY) -> Policy:
        """The policy for an incident.

        The one it names; else the first whose matchers fit; else the one called "default"; else the first without
        matchers; else the only one; else a plain one: who is on call in any schedule at once, everyone after 15
        minutes.
        """
        if found := self.policy(named):
            return found
        for policy in self.policies:
            if policy.matchers and matches_all(policy.matchers, labels):
                return policy
        if found := self.policy(DEFAULT):
            return found
        for policy in self.policies:
            if not policy.matchers or len(self.policies) == 1:
                return policy
        everyone = (EVERYONE,)
        if not self.schedules:
            return Policy(DEFAULT, (Step(0, everyone),))
        on_duty = tuple(f"{SCHEDULE}{schedule.name}" for schedule in self.schedules)
        return Policy(DEFAULT, (Step(0, on_duty), Step(15 * MINUTE, everyone)))
