"""The status page as the public sees it. Nothing here tells names of services, alerts, hosts or people."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from hypercare.incidents import store
from hypercare.incidents.settings import Component
from hypercare.incidents.tables import maintenance, posts
from hypercare.model.severity import Severity
from hypercare.model.time import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from hypercare.incidents.settings import StatusPage
    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms

STATES: Final = ("investigating", "identified", "monitoring", "resolved")
RESOLVED: Final = "resolved"
OPERATIONAL, UNDER_MAINTENANCE, DEGRADED, PARTIAL, MAJOR = (
    "operational",
    "maintenance",
    "degraded",
    "partial",
    "major",
)
ORDER: Final = (OPERATIONAL, UNDER_MAINTENANCE, DEGRADED, PARTIAL, MAJOR)
IMPACTS: Final = ("none", DEGRADED, PARTIAL, MAJOR)
_BY_SEVERITY: Final = {Severity.P0: MAJOR, Severity.P1: PARTIAL, Severity.P2: DEGRADED, Severity.P3: "none"}
_MOST: Final = 1000
_AHEAD: Final = 60 * DAY


@dataclasses.dataclass(frozen=True, slots=True)
class Post:
    """One thing said; ``incident_id`` and ``by`` are for us."""

    id: int
    topic: str
    incident_id: str
    at: Ms
    state: str
    impact: str
    title: str
    text: str
    components: tuple[str, ...]
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Maintenance:
    """Announced work; ``by`` and ``cancelled_by`` are for us."""

    id: str
    title: str
    text: str
    components: tuple[str, ...]
    start_at: Ms
    end_at: Ms
    by: str
    created_at: Ms
    cancelled_by: str
    cancelled_at: Ms | None


@dataclasses.dataclass(frozen=True, slots=True)
class PublicPost:
    """One thing said, for the public."""

    at: Ms
    state: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class PublicIncident:
    """A problem, for the public; ``posts`` newest first."""

    id: str
    title: str
    state: str
    impact: str
    components: tuple[str, ...]
    started_at: Ms
    updated_at: Ms
    posts: tuple[PublicPost, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PublicMaintenance:
    """Announced work, for the public; ``state``: scheduled, in progress, completed."""

    id: str
    title: str
    text: str
    components: tuple[str, ...]
    start_at: Ms
    end_at: Ms
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class PublicComponent:
    """A part of the platform and its state."""

    name: str
    description: str
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class StatusView:
    """The whole page.

    Attributes:
        state: the worst of the components and open problems.
        updated_at: when something was said last; 0: never.

    """

    title: str
    url: str
    state: str
    components: tuple[PublicComponent, ...]
    incidents: tuple[PublicIncident, ...]
    past: tuple[PublicIncident, ...]
    maintenance: tuple[PublicMaintenance, ...]
    updated_at: Ms


def impact_of(severity: Severity) -> str:
    """What an incident of a severity means to the public."""
    return _BY_SEVERITY[severity]


def load_topic(db: Connection, topic: str) -> tuple[Post, ...]:
    """The posts of a topic, oldest first."""
    if not topic:
        return ()
    return tuple(_post(row) for row in db.execute(select(posts).where(posts.c.topic == topic).order_by(posts.c.id)))


def load_topic_of(db: Connection, incident_id: str) -> str:
    """The newest topic about an incident; empty: the public was told nothing of it."""
    query = select(posts.c.topic).where(posts.c.incident_id == incident_id).order_by(posts.c.id.desc()).limit(1)
    return str(db.execute(query).scalar() or "")


def load_posts(db: Connection, since: Ms) -> tuple[Post, ...]:
    """All posts of topics that are not resolved, or about which something was said since; oldest first."""
    newest = select(func.max(posts.c.id)).group_by(posts.c.topic)
    live = select(posts.c.topic).where(posts.c.id.in_(newest))
    live = live.where((posts.c.state != RESOLVED) | (posts.c.at >= since))
    query = select(posts).where(posts.c.topic.in_(live)).order_by(posts.c.id.desc()).limit(_MOST)
    return tuple(_post(row) for row in reversed(db.execute(query).all()))


def load_maintenance(db: Connection, since: Ms) -> tuple[Maintenance, ...]:
    """Announced work that is not over since, by start."""
    c = maintenance.c
    query = select(maintenance).where(c.end_at >= since).order_by(c.start_at, c.id).limit(_MOST)
    return tuple(_work(row) for row in db.execute(query))


def status_view(db: Connection, page: StatusPage, now: Ms) -> StatusView:
    """The page as it is now."""
    topics: dict[str, list[Post]] = {}
    for post in load_posts(db, now - page.history):
        topics.setdefault(post.topic, []).append(post)
    incidents = [_public(of) for of in topics.values()]
    going = tuple(sorted((i for i in incidents if i.state != RESOLVED), key=lambda i: (-i.started_at, i.id)))
    past = tuple(sorted((i for i in incidents if i.state == RESOLVED), key=lambda i: (-i.started_at, i.id)))
    work = [m for m in load_maintenance(db, now - page.history) if m.cancelled_at is None]
    internal = store.load_incidents(db, "unresolved", _MOST) if page.automatic else ()
    covered = {post.incident_id for of in topics.values() if of[-1].state != RESOLVED for post in of}
    # What somebody has told the public stands; the rest shows by itself.
    untold = [i for i in internal if i.id not in covered]
    components = page.components or (Component(page.title),)
    shown = tuple(_component(c, page, going, untold, work, now) for c in components)
    alone = [i.impact for i in going if not i.components and i.impact in ORDER]
    said = [post.at for of in topics.values() for post in of] + [m.created_at for m in work]
    return StatusView(
        title=page.title,
        url=page.url,
        state=worst([*(c.state for c in shown), *alone]),
        components=shown,
        incidents=going,
        past=past,
        maintenance=tuple(_public_work(m, now) for m in work if m.start_at <= now + _AHEAD),
        updated_at=max(said, default=0),
    )


def worst(states: Iterable[str]) -> str:
    """The worst of some states; operational where there are none."""
    return max(states, key=ORDER.index, default=OPERATIONAL)


def _component(
    component: Component,
    page: StatusPage,
    going: Sequence[PublicIncident],
    untold: Sequence[Incident],
    work: Sequence[Maintenance],
    now: Ms,
) -> PublicComponent:
    # Where none are configured, the one stands for the whole platform.
    whole = not page.components
    states = [i.impact for i in going if whole or component.name in i.components]
    states += [impact_of(i.severity) for i in untold if whole or i.service in component.services]
    running = [m for m in work if m.start_at <= now < m.end_at]
    states += [UNDER_MAINTENANCE for m in running if whole or component.name in m.components]
    return PublicComponent(component.name, component.description, worst(s for s in states if s in ORDER))


def public_id(internal: str) -> str:
    """The name of something on the page: always the same, and it leads to nothing of ours."""
    return hashlib.blake2b(internal.encode(), digest_size=8, person=b"statuspage").hexdigest()


def _public(of: Sequence[Post]) -> PublicIncident:
    last = of[-1]
    return PublicIncident(
        id=public_id(last.topic),
        title=last.title,
        state=last.state,
        impact=last.impact,
        components=last.components,
        started_at=of[0].at,
        updated_at=last.at,
        posts=tuple(PublicPost(p.at, p.state, p.text) for p in reversed(of)),
    )


def _public_work(m: Maintenance, now: Ms) -> PublicMaintenance:
    state = "scheduled" if now < m.start_at else "in progress" if now < m.end_at else "completed"
    return PublicMaintenance(public_id(m.id), m.title, m.text, m.components, m.start_at, m.end_at, state)


def _post(r: Row[Any]) -> Post:
    components = tuple(json.loads(r.components))
    return Post(r.id, r.topic, r.incident_id, r.at, r.state, r.impact, r.title, r.text, components, r.by)


def _work(r: Row[Any]) -> Maintenance:
    return Maintenance(
        r.id, r.title, r.text, tuple(json.loads(r.components)), r.start_at, r.end_at, r.by, r.created_at,
        r.cancelled_by, r.cancelled_at,
    )  # fmt: skip
