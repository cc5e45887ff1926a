"""What people tell an incident; give them to ``Kernel.call``, which answers with the ``Incident`` as it is then."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.severity import Severity
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Acknowledge:
    """I take it: stops the escalation. ``id`` is the id or the number."""

    id: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Unacknowledge:
    """I cannot go on with it: whoever is on call is paged from the beginning."""

    id: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AddNote:
    """Add a note to the timeline, at any time.

    Attributes:
        kind: note, finding, decision or action.
        at: when it was, not later than now; none: now.
        pinned: keep it above the others.

    """

    id: str
    by: str
    text: str
    kind: str = "note"
    at: Ms | None = None
    pinned: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Resolve:
    """It is over, whatever the alerts say; ``cause``: what it was, for the statistics."""

    id: str
    by: str
    note: str = ""
    cause: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SetSeverity:
    """It is worse, or not as bad."""

    id: str
    by: str
    severity: Severity
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Describe:
    """Who feels it, what it was, what it is called; what is none stays as it is."""

    id: str
    by: str
    impact: str | None = None
    cause: str | None = None
    title: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class AssignRole:
    """Somebody takes a role (``commander`` leads) or hands it over; an empty ``person`` takes it from its holder."""

    id: str
    by: str
    role: str
    person: str


@dataclasses.dataclass(frozen=True, slots=True)
class AddTask:
    """Somebody is to do something: a task now, or an action afterwards (``kind``). Answers with the ``Task``."""

    id: str
    by: str
    text: str
    owner: str = ""
    due_at: Ms | None = None
    kind: str = "task"


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeTask:
    """A task is done or not, gets another owner or another due time; what is none stays. Answers with the ``Task``."""

    task: int
    by: str
    done: bool | None = None
    owner: str | None = None
    due_at: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class AddLink:
    """Keep a link: a call, a document, a ticket."""

    id: str
    by: str
    url: str
    title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Pin:
    """Keep an entry of the timeline above the others, or no longer."""

    id: str
    by: str
    entry: int
    pinned: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class TickStep:
    """A step of a checklist is done, or not after all."""

    id: str
    by: str
    step: int
    done: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class PostUpdate:
    """Tell those who wait how it stands.

    Attributes:
        stage: investigating, identified, mitigating or monitoring; empty: as before.
        public: put it on the status page, too.

    """

    id: str
    by: str
    text: str
    stage: str = ""
    public: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Declare:
    """Open an incident that no alert tells of; those on call are paged."""

    by: str
    title: str
    severity: Severity
    service: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Merge:
    """Two incidents are one: ``into`` goes on with the alerts of both. Answers with the one that goes on."""

    id: str
    by: str
    into: str


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """One incident is two: some of its alerts (by fingerprint) go on in a new one, which is the answer."""

    id: str
    by: str
    alerts: tuple[str, ...]
    title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class StartPostmortem:
    """Draw up a post-mortem from the timeline; ``anew`` replaces a draft's text. Answers with the ``Postmortem``."""

    id: str
    by: str
    anew: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class EditPostmortem:
    """Write the text; refused where somebody has changed it since ``version`` (0: whatever is there)."""

    id: str
    by: str
    text: str
    version: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class MovePostmortem:
    """To the state draft, review or done."""

    id: str
    by: str
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class PassMilestone:
    """The evidence is confirmed, or those involved have met; answers with the ``Milestone``."""

    id: str
    by: str
    name: str
    done: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class PostStatus:
    """Tell the public. Answers with the ``Post``.

    Attributes:
        topic: of earlier posts on the same; empty: that of the incident, or a new one.
        state: investigating, identified, monitoring or resolved.
        impact: none, degraded, partial or major.
        title: for the public; empty: as before.
        components: names; none: as before, or those of the incident's service.

    """

    by: str
    text: str
    state: str = "investigating"
    incident: str = ""
    topic: str = ""
    impact: str = ""
    title: str = ""
    components: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PlanMaintenance:
    """Announce maintenance for ``start_at <= t < end_at``. Answers with the ``Maintenance``."""

    by: str
    title: str
    start_at: Ms
    end_at: Ms
    text: str = ""
    components: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class CancelMaintenance:
    """It does not take place, or is over before its time."""

    id: str
    by: str
