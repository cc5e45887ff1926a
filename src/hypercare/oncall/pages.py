"""What a page says and to whom it goes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Final

from hypercare.channels.notification import Page
from hypercare.oncall.plan import ASSIGNEE, EVERYONE, HIGH, RECEIVER, ROLE, SCHEDULE, Person, Plan
from hypercare.oncall.rotation import on_call

if TYPE_CHECKING:
    from hypercare.model.events import IncidentOpened
    from hypercare.model.time import Ms
    from hypercare.oncall.hours import Hours

_LONGEST_KEY: Final = 64
_KEY_PARTS: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """A way to reach somebody.

    Attributes:
        target: as in effects.
        urgency: of which pages go this way: high, low or any.
        after: ms after the page, unless somebody has acknowledged.
        number: its place in the configuration.

    """

    channel: str
    target: str
    urgency: str = "any"
    after: Ms = 0
    number: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to page."""

    name: str
    ways: tuple[Way, ...]
    quiet: Hours | None = None

    def by(self, urgency: str) -> tuple[Way, ...]:
        """The ways for an urgency; where none is named for it, all of them: rather too many than none."""
        return tuple(way for way in self.ways if way.urgency in {"any", urgency}) or self.ways

    def held_until(self, urgency: str, at: Ms) -> Ms | None:
        """When the quiet hours that hold a page now are over; none where nothing holds it."""
        if urgency == HIGH or self.quiet is None or not self.quiet.is_open(at):
            return None
        return self.quiet.changes_at(at, to_open=False)


_NOBODY_CONFIGURED: Final = Recipient(EVERYONE, (Way("console", f"person/{EVERYONE}/0"),))


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What people have to know of the incident; kept with the escalation, so that a restart needs nobody else."""

    id: str
    number: int
    title: str
    severity: str
    service: str
    labels: dict[str, str]
    runbook_url: str

    @classmethod
    def of(cls, event: IncidentOpened) -> Subject:
        """Take it from the opening."""
        return cls(
            event.incident_id,
            event.number,
            event.title,
            str(event.severity),
            event.service,
            dict(event.labels),
            event.runbook_url,
        )

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Subject:
        """Read what ``dump`` wrote."""
        return cls(**json.loads(text))


def recipients(plan: Plan, notify: tuple[str, ...], at: Ms, assignee: str = "") -> tuple[Recipient, ...]:
    """The people and receivers a step reaches, each once, in the order of the step.

    A step that finds nobody (a gap in a schedule, a name that is no longer configured) reaches everyone: rather too
    many than none. With no people configured at all, the console of hypercare itself is paged.
    """
    reached = found(plan, notify, at, assignee)
    return reached or tuple(_of(person) for person in plan.people) or (_NOBODY_CONFIGURED,)


def found(plan: Plan, notify: tuple[str, ...], at: Ms, assignee: str = "") -> tuple[Recipient, ...]:
    """Those of ``recipients`` that are really meant; may be none."""
    names = [name for entry in notify for name in _names(plan, entry, at, assignee)]
    reached = [_recipient(plan, name) for name in dict.fromkeys(names)]
    return tuple(recipient for recipient in reached if recipient is not None)


def _names(plan: Plan, entry: str, at: Ms, assignee: str) -> list[str]:
    if entry == EVERYONE:
        return [person.name for person in plan.people]
    if entry.startswith(SCHEDULE):
        schedule = plan.schedule(entry.removeprefix(SCHEDULE))
        shift = on_call(schedule, at) if schedule else None
        return [shift.person] if shift else []
    if entry.startswith(ROLE):
        if entry == f"{ROLE}{ASSIGNEE}":
            return [assignee] if assignee else []
        role = plan.role(entry.removeprefix(ROLE))
        # Roles are not made of roles, so this ends.
        return [name for each in (role.notify if role else ()) for name in _names(plan, each, at, assignee)]
    return [entry]


def _recipient(plan: Plan, name: str) -> Recipient | None:
    if name.startswith(RECEIVER):
        receiver = plan.receiver(name.removeprefix(RECEIVER))
        if not receiver or not receiver.targets:
            return None
        return Recipient(name, tuple(Way(c, t, number=n) for n, (c, t) in enumerate(receiver.targets)))
    person = plan.person(name)
    return _of(person) if person else None


def _of(person: Person) -> Recipient:
    # Somebody without a contact way is called on the console, so that the page is at least seen.
    channels = person.contacts or ("console",)
    ways = [
        Way(
            channel,
            f"person/{person.name}/{n}",
            person.urgencies[n] if n < len(person.urgencies) else "any",
            person.delays[n] if n < len(person.delays) else 0,
            n,
        )
        for n, channel in enumerate(channels)
    ]
    return Recipient(person.name, tuple(ways), person.quiet)


def key(incident_id: str, round_: int, step: int, person: str, contact: int) -> str:
    """The idempotency key of one page, at most 64 characters."""
    whole = f"page:{incident_id}:{round_}:{step}:{person}:{contact}"
    if len(whole) <= _LONGEST_KEY:
        return whole
    return f"page:{hashlib.blake2b(whole.encode(), digest_size=24).hexdigest()}"


def step_of(key: str) -> int:
    """The step of a page by its key; of one with a shortened key the first, rather too early than too late."""
    parts = key.split(":")
    return int(parts[3]) if len(parts) > _KEY_PARTS else 0


def cancel_key(incident_id: str) -> str:
    """Names all pages of an incident."""
    return f"page:{incident_id}"


def page(subject: Subject, policy: str, recipient: str, step: int, at: Ms, external_url: str) -> Page:
    """What the recipient is told; ``step`` counts from 0."""
    return Page(
        incident_id=subject.id,
        title=f"#{subject.number} {subject.title}" if subject.number else subject.title,
        severity=subject.severity,
        service=subject.service,
        summary=", ".join(f"{name}={value}" for name, value in subject.labels.items()),
        at=at,
        person=recipient,
        policy=policy,
        step=step + 1,
        runbook_url=subject.runbook_url,
        ack_url=f"{external_url}/incidents/{subject.id}" if external_url else "",
    )
