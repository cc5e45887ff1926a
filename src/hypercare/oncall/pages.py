"""What a page says and to whom it goes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import format_rfc3339
from hypercare.oncall.plan import EVERYONE, SCHEDULE, Person, Plan
from hypercare.oncall.rotation import on_call

if TYPE_CHECKING:
    from hypercare.model.events import IncidentOpened
    from hypercare.model.time import Ms

_NOBODY_CONFIGURED: Final = Person(EVERYONE, ("console",))
_LONGEST_KEY: Final = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What people have to know of the incident; kept with the escalation, so that a restart needs nobody else."""

    id: str
    title: str
    severity: str
    service: str
    labels: dict[str, str]
    runbook_url: str

    @classmethod
    def of(cls, event: IncidentOpened) -> Subject:
        """Take it from the opening."""
        labels = dict(event.labels)
        return cls(event.incident_id, event.title, str(event.severity), event.service, labels, event.runbook_url)

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Subject:
        """Read what ``dump`` wrote."""
        return cls(**json.loads(text))


def recipients(plan: Plan, notify: tuple[str, ...], at: Ms) -> tuple[Person, ...]:
    """The people a step reaches, each once, in the order of the step.

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
    found = [plan.person(name) for name in dict.fromkeys(names)]
    people = tuple(person for person in found if person is not None and person.contacts)
    return people or tuple(person for person in plan.people if person.contacts) or (_NOBODY_CONFIGURED,)


def key(incident_id: str, round_: int, step: int, person: str, contact: int) -> str:
    """The idempotency key of one page, at most 64 characters."""
    whole = f"page:{incident_id}:{round_}:{step}:{person}:{contact}"
    if len(whole) <= _LONGEST_KEY:
        return whole
    return f"page:{hashlib.blake2b(whole.encode(), digest_size=24).hexdigest()}"


def content(subject: Subject, person: str, opened_at: Ms, round_: int, step: int) -> dict[str, Any]:
    """The payload of a page."""
    return {
        **dataclasses.asdict(subject),
        "person": person,
        "opened_at": format_rfc3339(opened_at),
        "round": round_ + 1,
        "step": step + 1,
    }
