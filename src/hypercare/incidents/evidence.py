"""What was seen when an incident opened, kept as rows: graphs of the alerts' expressions, deployments, other alerts.

Data by kind of evidence:

- ``graph``: ``expr``, ``op`` and ``threshold`` (where the expression compares with a number), ``start``, ``step`` (ms),
  ``series``: each ``labels`` and ``values`` (none where there is no sample), ``more``: how many series were left out.
- ``deployments``: ``items``, each ``at``, ``service``, ``version``, ``by``, ``url``.
- ``alerts``: ``items``, each ``labels``, ``since``, ``summary``, ``shares`` (labels it has in common).
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import insert, select

from hypercare.incidents import rows, store
from hypercare.incidents.tables import deployments, evidence
from hypercare.model.alerts import Alert
from hypercare.model.events import Deployed, IncidentChanged, IncidentOpened
from hypercare.model.time import DAY, HOUR, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from hypercare.incidents.asking import Asker
    from hypercare.incidents.current import Current
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.rules.answers import Elsewhere

GRAPH: Final = "graph"
DEPLOYMENTS: Final = "deployments"
ALERTS: Final = "alerts"
_KIND: Final = "incidents.evidence"
_BEFORE: Final = HOUR
_STEP: Final = 30 * SECOND
GRAPHS: Final = 6
_ITEMS: Final = 50
_RECENT: Final = DAY
_KEPT: Final = 30 * DAY


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """One expression over a span; ``values`` of each series stand at ``start + i * step``, none where there is none.

    Attributes:
        op: how the expression is compared with ``threshold``; empty: it is not.
        more: how many series were left out.
        error: why there is none.

    """

    expr: str
    start: Ms
    step: Ms
    series: tuple[tuple[Labels, tuple[float | None, ...]], ...] = ()
    op: str = ""
    threshold: float | None = None
    more: int = 0
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Instruments:
    """What evidence is gathered with.

    Attributes:
        expressions: what an alert's rule evaluates; empty where it is not known.
        graphs: the parts of an expression over a span (start, end, step), nearest to some labels first.
        firing: all alerts that fire now.
        elsewhere: another server that has the samples; none: ``graphs`` draws from our own.

    """

    expressions: Callable[[Alert], str]
    graphs: Callable[[str, Labels, Ms, Ms, Ms], Sequence[Graph]]
    firing: Callable[[Connection, Ms], Sequence[Alert]]
    elsewhere: Callable[[], Elsewhere | None]


class Subject(NamedTuple):
    """What graphs are drawn of: the expression of an alert, and the labels that are looked for."""

    title: str
    expr: str
    near: Labels


class Keeper:
    """Keeps evidence right after the opening, in a step of its own: nobody is paged later because of it."""

    def __init__(self, settings: Current, instruments: Instruments | None, asker: Asker | None) -> None:
        self._settings = settings
        self._instruments = instruments
        self._asker = asker

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(Deployed, self._on_deployed)
        kernel.on_timer(_KIND, self._settings.patient(_KIND, self._gather))
        if self._asker is not None:
            self._asker.register(kernel)

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        if self._instruments is not None and store.load_incident(ctx.db, event.incident_id) is not None:
            ctx.set_timer(f"{_KIND}:{event.incident_id}", ctx.now, _KIND)

    def _on_deployed(self, ctx: Context, event: Deployed) -> None:
        old = deployments.c.at < ctx.now - _KEPT
        ctx.db.execute(deployments.delete().where(old))
        values = {"service": event.service, "version": event.version, "by": event.by, "url": event.url, "at": ctx.now}
        ctx.db.execute(insert(deployments).values(values))

    def _gather(self, ctx: Context, key: str) -> None:
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_KIND}:"))
        if incident is None or self._instruments is None:
            return
        alerts = store.load_alerts(ctx.db, incident.id)
        firing = self._instruments.firing(ctx.db, ctx.now)
        drawn = self._graphs(ctx, incident, self._instruments, firing)
        deployed = recent_deployments(ctx.db, incident.service, ctx.now)
        _put(ctx, incident.id, DEPLOYMENTS, f"deployments of the last {_RECENT // HOUR} h", {"items": deployed})
        own = {alert.fingerprint for alert in alerts}
        others = [a for a in firing if a.fingerprint not in own]
        related = [_related(alert, incident) for alert in others]
        related.sort(key=lambda item: (-len(item["shares"]), item["since"]))
        _put(ctx, incident.id, ALERTS, "other alerts that fired", {"items": related[:_ITEMS], "total": len(related)})
        text = f"evidence kept: {drawn}, {count(len(deployed), 'deployment')}, {count(len(related), 'other alert')}"
        rows.tell(ctx, incident.id, "evidence", text)
        ctx.publish(IncidentChanged(incident.id, "evidence", rows.MACHINE))

    def _graphs(self, ctx: Context, incident: Incident, instruments: Instruments, firing: Sequence[Alert]) -> str:
        """Keep the graphs, or ask for them; what is told of it."""
        server = instruments.elsewhere()
        if server is not None and self._asker is not None:
            return "graphs to come" if self._asker.begin(ctx, incident, server) else count(0, "graph")
        span = span_of(incident, ctx.now)
        found: dict[str, tuple[str, Graph]] = {}
        for subject in subjects(instruments, alerts_of(ctx.db, incident, firing)):
            for graph in instruments.graphs(subject.expr, subject.near, *span):
                found.setdefault(graph.expr, (subject.title, graph))
        kept = list(found.values())[:GRAPHS]
        for title, graph in kept:
            keep_graph(ctx, incident.id, title, graph)
        return count(len(kept), "graph")


def alerts_of(db: Connection, incident: Incident, firing: Sequence[Alert]) -> list[Alert]:
    """The alerts of an incident; one that has ended meanwhile is known by its labels alone."""
    known = {alert.fingerprint: alert for alert in firing}
    alerts = store.load_alerts(db, incident.id)
    return [known.get(a.fingerprint) or Alert(a.labels, a.annotations, a.starts_at) for a in alerts]


def subjects(instruments: Instruments, alerts: Sequence[Alert]) -> list[Subject]:
    """What is drawn of alerts whose expressions are known."""
    pairs = [(alert, instruments.expressions(alert)) for alert in alerts]
    return [Subject(alert.name, expr, alert.labels) for alert, expr in pairs if expr]


def span_of(incident: Incident, now: Ms) -> tuple[Ms, Ms, Ms]:
    """Start, end and step of the graphs: from an hour before the first alert, at most six hours; to the very moment."""
    start = max(now - 6 * _BEFORE, min(now, incident.started_at) - _BEFORE)
    step = _STEP * max(1, -(-(now - start) // (240 * _STEP)))
    return now - -(-(now - start) // step) * step, now, step


def has_graphs(db: Connection, incident_id: str) -> bool:
    """Whether graphs of an incident were kept."""
    c = evidence.c
    query = select(c.id).where(c.incident_id == incident_id, c.kind == GRAPH).limit(1)
    return db.execute(query).first() is not None


def keep_graph(ctx: Context, incident_id: str, title: str, graph: Graph) -> None:
    """Keep one graph."""
    _put(ctx, incident_id, GRAPH, title, _graph_data(graph))


def recent_deployments(db: Connection, service: str, now: Ms) -> list[dict[str, Any]]:
    """Deployments of the last day, those of the service first, then the newest first."""
    c = deployments.c
    found = db.execute(select(deployments).where(c.at > now - _RECENT).order_by(c.at.desc(), c.id.desc()).limit(_ITEMS))
    items = [{"at": r.at, "service": r.service, "version": r.version, "by": r.by, "url": r.url} for r in found]
    return sorted(items, key=lambda item: item["service"] != service)


def _related(alert: Alert, incident: Incident) -> dict[str, Any]:
    shares = [name for name, value in alert.labels if name != "severity" and incident.labels.get(name) == value]
    return {
        "labels": alert.labels.as_dict(),
        "since": alert.starts_at,
        "summary": alert.annotations.get("summary"),
        "shares": shares,
    }


def _graph_data(graph: Graph) -> dict[str, Any]:
    series = [{"labels": labels.as_dict(), "values": list(values)} for labels, values in graph.series]
    return {
        "expr": graph.expr, "op": graph.op, "threshold": graph.threshold, "start": graph.start, "step": graph.step,
        "series": series, "more": graph.more, "error": graph.error,
    }  # fmt: skip


def _put(ctx: Context, incident_id: str, kind: str, title: str, data: dict[str, Any]) -> None:
    values = {"incident_id": incident_id, "at": ctx.now, "kind": kind, "title": title}
    ctx.db.execute(insert(evidence).values(**values, data=json.dumps(data, ensure_ascii=False, allow_nan=False)))


def count(number: int, noun: str) -> str:
    """``2 graphs``, ``1 graph``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
