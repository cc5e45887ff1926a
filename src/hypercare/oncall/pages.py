"""What a page says and to whom it goes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Final

from hypercare.channels.notification import Page
from hypercare.oncall.plan import EVERYONE, RECEIVER, SCHEDULE, Person, Plan
from hypercare.oncall.rotation import on_call

if TYPE_CHECKING:
    from hypercare.model.events import IncidentOpened
    from hypercare.model.time import Ms

_LONGEST_KEY: Final = 64
_KEY_PARTS: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to page; ``ways`` are (channel, target) as in effects."""

    name: str
    ways: tuple[tuple[str, str], ...]


_NOBODY_CONFIGURED: Final = Recipient(EVERYONE, (("console", f"person/{EVERYONE}/0"),))


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


def recipients(plan: Plan, notify: tuple[str, ...], at: Ms) -> tuple[Recipient, ...]:
    """The people and receivers a step reaches, each once, in the order of the step.

    A step that finds nobody (a gap in a schedule, a name that is no longer configured) reaches everyone: rather too
    many than none. With no people configured at all, the console of hypercare itself is paged.
    """
    names: list[str] = []
    for entry in notify:
        if entry == EVERYONE:
            names += [person.name for person in plan.people]
        elif entry.startswith(SCHEDULE):
            schedule = plan.schedule(entry.removeprefix(SCHEDULE))
            shift = on_call(schedule, at) if schedule else None
            names += [shift.person] if shift else []
        else:
            names.append(entry)
    found = [_recipient(plan, name) for name in dict.fromkeys(names)]
    reached = tuple(recipient for recipient in found if recipient is not None)
    return reached or tuple(_of(person) for person in plan.people) or (_NOBODY_CONFIGURED,)


def _recipient(plan: Plan, name: str) -> Recipient | None:
    if name.startswith(RECEIVER):
        receiver = plan.receiver(name.removeprefix(RECEIVER))
        return Recipient(name, receiver.targets) if receiver and receiver.targets else None
    person = plan.person(name)
    return _of(person) if person else None


def _of(person: Person) -> Recipient:
    # Somebody without a contact way is called on the console, so that the page is at least seen.
    channels = person.contacts or ("console",)
    return Recipient(person.name, tuple((c, f"person/{person.name}/{i}") for i, c in enumerate(channels)))


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
