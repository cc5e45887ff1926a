"""What the pages of services are made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.deploys.store import Checkpoint, StoredFinding, Watch
    from hypercare.incidents.store import Incident
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.reports.overview import AlertLine, Budget, TargetLine


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """Which version of a service runs, and how that is known (in words)."""

    name: str
    how: str


@dataclasses.dataclass(frozen=True, slots=True)
class Duty:
    """Who is reached by a step of the policy of a service's incidents.

    Attributes:
        after: ms after the opening of an incident.
        who: a schedule, ``everyone``, or whatever else the step names; empty: the person themselves.
        person: who is on call now; empty where nobody is, or it is no single person.
        email: of that person; may be empty.
        ways: the channels by which they are paged.
        until: the next hand-off; none where there is none.
        next_person: who takes over then; may be empty.

    """

    after: Ms
    who: str
    person: str
    full_name: str
    email: str
    ways: tuple[str, ...]
    until: Ms | None
    next_person: str


@dataclasses.dataclass(frozen=True, slots=True)
class WatchLine:
    """One deployment of the service, or a running one of another service whose plan checks this one, too.

    Attributes:
        own: whether it is the service's own.
        phase: in which it is; empty once it has ended.
        next: the checkpoint that comes next; none where there is none.
        lasting: what is wrong now: findings of this service alone where the watch is another's.
        unsigned: checkpoints that nobody has signed in time.

    """

    watch: Watch
    own: bool
    phase: str
    next: Checkpoint | None
    lasting: tuple[StoredFinding, ...]
    unsigned: int


@dataclasses.dataclass(frozen=True, slots=True)
class PendingAlert:
    """An alert that is about to fire.

    Attributes:
        since: when its expression began to hold.
        fires_at: when it fires unless that ends.

    """

    name: str
    severity: str
    summary: str
    labels: Labels
    since: Ms
    fires_at: Ms
    expr: str


@dataclasses.dataclass(frozen=True, slots=True)
class RunbookLink:
    """A runbook.

    Attributes:
        url: of the page; of what is no address just the text of the configuration.
        alerts: for which alerts it is; none: for the service.

    """

    title: str
    url: str
    alerts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SilenceLine:
    """A silence that touches the service.

    Attributes:
        state: active or pending.
        hits: how many of the service's firing alerts it holds back now.

    """

    id: str
    state: str
    matchers: str
    comment: str
    created_by: str
    starts_at: Ms
    ends_at: Ms
    every: str
    hits: int


@dataclasses.dataclass(frozen=True, slots=True)
class Happening:
    """One line of what happened lately; ``path`` is the page that tells more."""

    at: Ms
    kind: str
    text: str
    by: str
    path: str
    about: str


@dataclasses.dataclass(frozen=True, slots=True)
class ChartSpec:
    """Something worth drawing.

    Attributes:
        source: where the expression comes from, in words.
        op: how values are compared with the threshold; empty: there is none.
        by: a label by which the expression serves several services: only the series with this one's name count.

    """

    title: str
    source: str
    expr: str
    unit: str
    op: str = ""
    threshold: float | None = None
    by: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service in the list.

    Attributes:
        configured: whether the configuration names it; else only labels of what is watched do.
        status: ok, warning, critical or unknown, with the reasons for it.
        firing: alerts that fire and are held back by nothing.
        held: alerts that fire and are held back.
        pending: alerts that are about to fire.

    """

    name: str
    configured: bool
    tier: int
    owner: str
    description: str
    status: str
    reasons: tuple[str, ...]
    version: Version | None
    firing: int
    held: int
    pending: int
    incidents: tuple[Incident, ...]
    watch: WatchLine | None
    duties: tuple[Duty, ...]
    budgets: tuple[Budget, ...]

    @property
    def on_call(self) -> Duty | None:
        """Who is reached first."""
        return next((duty for duty in self.duties if duty.person), None)


@dataclasses.dataclass(frozen=True, slots=True)
class ServicePage:
    """Everything that is known of one service now.

    Attributes:
        runbook: as the configuration has it; may be no address.
        recent: incidents that were resolved, the newest first.
        policy: by which its incidents page.

    """

    at: Ms
    line: ServiceLine
    runbook: str
    targets: tuple[TargetLine, ...]
    alerts: tuple[AlertLine, ...]
    pending: tuple[PendingAlert, ...]
    recent: tuple[Incident, ...]
    watches: tuple[WatchLine, ...]
    policy: str
    runbooks: tuple[RunbookLink, ...]
    silences: tuple[SilenceLine, ...]
    happened: tuple[Happening, ...]
    charts: tuple[ChartSpec, ...]
