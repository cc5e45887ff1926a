"""How incidents went: times to detect, acknowledge and resolve; how many by severity, service and cause."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, literal_column, select

from hypercare.incidents import store
from hypercare.incidents.tables import incidents
from hypercare.model.events import IncidentAcknowledged, IncidentChanged, IncidentOpened, IncidentResolved
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms

_ALL: Final = 1_000_000
_KEY: Final = "incidents.stats"
_CAUSES: Final = 50
_TEXT: Final = 80
UNKNOWN: Final = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """A distribution of durations, ms; all 0 where there is none."""

    count: int
    mean: Ms
    median: Ms
    p95: Ms
    longest: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Incidents that share something."""

    name: str
    incidents: int
    unresolved: int
    detect: Times
    acknowledge: Times
    resolve: Times


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """The incidents that opened in a span; those merged into others do not count."""

    since: Ms
    until: Ms
    whole: Part
    by_severity: tuple[Part, ...]
    by_service: tuple[Part, ...]
    by_cause: tuple[Part, ...]


def times_of(values: Iterable[Ms]) -> Times:
    """The distribution: the median between two is their mean; p95 is the smallest that 95 % do not exceed."""
    found = sorted(values)
    if not found:
        return Times(0, 0, 0, 0, 0)
    n = len(found)
    median = (found[(n - 1) // 2] + found[n // 2]) // 2
    return Times(n, sum(found) // n, median, found[-(-n * 95 // 100) - 1], found[-1])


def _part(name: str, found: Sequence[Incident]) -> Part:
    return Part(
        name,
        len(found),
        sum(i.status != store.RESOLVED for i in found),
        times_of(i.time_to_detect for i in found),
        times_of(t for i in found if (t := i.time_to_acknowledge) is not None),
        times_of(t for i in found if (t := i.time_to_resolve) is not None),
    )


def _parts(found: Sequence[Incident], names: Sequence[str]) -> tuple[Part, ...]:
    groups: dict[str, list[Incident]] = {}
    for name, incident in zip(names, found, strict=True):
        groups.setdefault(name, []).append(incident)
    parts = [_part(name, of) for name, of in groups.items()]
    return tuple(sorted(parts, key=lambda part: (-part.incidents, part.name)))


def stats_of(found: Sequence[Incident], since: Ms, until: Ms) -> Stats:
    """Statistics of incidents, by severity in its order, else the most frequent first."""
    return Stats(
        since,
        until,
        _part("all", found),
        tuple(sorted(_parts(found, [str(i.severity) for i in found]), key=lambda part: part.name)),
        _parts(found, [i.service or UNKNOWN for i in found]),
        _parts(found, [i.cause or UNKNOWN for i in found]),
    )


def load_stats(db: Connection, since: Ms, until: Ms) -> Stats:
    """Statistics of the incidents that opened with ``since <= t < until``."""
    found = store.load_opened(db, since, until)
    return stats_of([i for i in found if not i.merged_into], since, until)


class Exported:
    """What ``/metrics`` tells of incidents: counted anew in each step that changes one, read from any thread."""

    def __init__(self) -> None:
        self._readings: tuple[Reading, ...] = ()

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        for kind in (IncidentOpened, IncidentAcknowledged, IncidentResolved, IncidentChanged):
            kernel.subscribe(kind, self._on_change)

    def _on_change(self, ctx: Context, event: DomainEvent) -> None:
        del event
        self.refresh(ctx)

    def refresh(self, ctx: Context) -> None:
        """Count when the step ends."""
        ctx.settle(_KEY, self._count)

    def _count(self, ctx: Context) -> None:
        readings = (*_by_status(ctx.db), *_by_cause(ctx.db))
        ctx.after_commit(lambda: self._take(readings))

    def _take(self, readings: tuple[Reading, ...]) -> None:
        self._readings = readings

    def readings(self) -> tuple[Reading, ...]:
        """The metrics as they stand."""
        return self._readings


def _by_status(db: Connection) -> Iterator[Reading]:
    c = incidents.c
    spans = {
        "detect": ("From the first alert's start to the opening.", c.opened_at - c.started_at),
        "acknowledge": ("From the opening to the acknowledgement.", c.acknowledged_at - c.opened_at),
        "resolve": ("From the opening to the resolution.", c.resolved_at - c.opened_at),
    }
    columns = [f(span) for _, span in spans.values() for f in (func.sum, func.count)]
    query = select(c.severity, c.status, func.count(), *columns).where(c.merged_into.is_(None))
    found = db.execute(query.group_by(c.severity, c.status).order_by(c.severity, c.status)).all()
    counted = tuple(((("severity", row[0]), ("status", row[1])), float(row[2])) for row in found)
    yield Reading("hypercare_incidents", "gauge", "Incidents, by severity and status.", counted)
    for index, (name, (text, _)) in enumerate(spans.items()):
        sums: dict[str, tuple[float, float]] = {}
        for row in found:
            total, count = sums.get(row[0], (0.0, 0.0))
            sums[row[0]] = total + float(row[3 + 2 * index] or 0) / 1000, count + float(row[4 + 2 * index])
        samples: list[tuple[tuple[tuple[str, str], ...], float]] = []
        for severity, (total, count) in sums.items():
            samples.append(((("", "_sum"), ("severity", severity)), total))
            samples.append(((("", "_count"), ("severity", severity)), count))
        yield Reading(f"hypercare_incident_time_to_{name}_seconds", "summary", text, tuple(samples))


def _by_cause(db: Connection) -> Iterator[Reading]:
    c = incidents.c
    # A bound value would be another one in GROUP BY than in SELECT.
    cause = func.coalesce(c.cause, literal_column("''"))
    query = select(c.service, cause, func.count()).where(c.merged_into.is_(None)).group_by(c.service, cause)
    found = db.execute(query.order_by(func.count().desc(), c.service, cause).limit(_CAUSES)).all()
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for service, why, count in ((str(row[0]), str(row[1]), int(row[2])) for row in found):
        # Causes are free texts: cut short, two of them may be one.
        key = (("cause", (why or UNKNOWN)[:_TEXT]), ("service", service or UNKNOWN))
        counts[key] = counts.get(key, 0.0) + count
    text = "Incidents by service and cause, the most frequent ones."
    yield Reading("hypercare_incident_causes", "gauge", text, tuple(counts.items()))
