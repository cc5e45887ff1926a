"""Reading watched deployments."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from sqlalchemy import or_, select

from hypercare.config.deployments import DeployPlan
from hypercare.deploys import tables
from hypercare.judge.series import Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from hypercare.model.time import Ms

RUNNING: Final = "running"
DONE: Final = "done"
CANCELLED: Final = "cancelled"
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class Watch:
    """One deployment under watch; see ``tables.watches``."""

    number: int
    id: str
    service: str
    version: str
    previous: str
    color: str
    other_color: str
    url: str
    by: str
    plan_name: str
    plan_json: str
    status: str
    verdict: str
    started_at: Ms
    ends_at: Ms
    ended_at: Ms | None
    extensions: int

    @property
    def plan(self) -> DeployPlan:
        """The plan it was started with."""
        return _plan(self.plan_json)

    @property
    def title(self) -> str:
        """Service and version."""
        return f"{self.service} {self.version}"


@functools.lru_cache(maxsize=64)
def _plan(text: str) -> DeployPlan:
    return DeployPlan.model_validate_json(text)


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint; ``readings`` by check."""

    number: int
    phase: str
    due_at: Ms
    final: bool
    taken_at: Ms | None
    readings: dict[str, Any]
    notes: str
    action: str
    signed_by: str
    signed_at: Ms | None
    missed_at: Ms | None


@dataclasses.dataclass(frozen=True, slots=True)
class StoredFinding:
    """One finding; ``points`` are what led to it."""

    id: int
    check: str
    service: str
    method: str
    level: str
    since: Ms
    at: Ms
    until: Ms | None
    value: float
    bound: float
    change: float | None
    reason: str
    query: str
    points: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One conclusion with its outcomes."""

    at: Ms
    verdict: str
    final: bool
    outcomes: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """What a person said to a criterion."""

    criterion: str
    state: str
    note: str
    by: str
    at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """An action that was asked for."""

    id: str
    action: str
    check: str
    reason: str
    asked_at: Ms
    state: str
    text: str
    ended_at: Ms | None


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal."""

    at: Ms
    kind: str
    by: str
    text: str


def _made(kind: type[_T], row: Row[Any], **parsed: Any) -> _T:
    values = {f.name: getattr(row, f.name) for f in dataclasses.fields(kind) if f.name not in parsed}  # type: ignore[arg-type]
    return kind(**values, **parsed)


def _watch(row: Row[Any]) -> Watch:
    return _made(Watch, row, plan_json=row.plan)


def load_watches(db: Connection, status: str | None = None, service: str = "", limit: int = 100) -> tuple[Watch, ...]:
    """The newest first."""
    query = select(tables.watches).order_by(tables.watches.c.number.desc()).limit(limit)
    if status:
        query = query.where(tables.watches.c.status == status)
    if service:
        query = query.where(tables.watches.c.service == service)
    return tuple(_watch(row) for row in db.execute(query))


def load_watch(db: Connection, ref: str) -> Watch | None:
    """By number, id, or the name of a service (its newest)."""
    c = tables.watches.c
    ref = ref.removeprefix("#")
    wanted = c.number == int(ref) if ref.isdecimal() and len(ref) < 10 else or_(c.id == ref, c.service == ref)
    row = db.execute(select(tables.watches).where(wanted).order_by(c.number.desc()).limit(1)).first()
    return None if row is None else _watch(row)


def load_checkpoints(db: Connection, watch_id: str) -> tuple[Checkpoint, ...]:
    """All that were made so far, in order."""
    c = tables.checkpoints.c
    rows = db.execute(select(tables.checkpoints).where(c.watch_id == watch_id).order_by(c.number))
    return tuple(_made(Checkpoint, row, readings=json.loads(row.readings)) for row in rows)


def load_findings(db: Connection, watch_id: str) -> tuple[StoredFinding, ...]:
    """In the order in which they were established."""
    c = tables.findings.c
    rows = db.execute(select(tables.findings).where(c.watch_id == watch_id).order_by(c.at, c.id))
    return tuple(_made(StoredFinding, row, points=json.loads(row.points)) for row in rows)


def load_verdicts(db: Connection, watch_id: str) -> tuple[StoredVerdict, ...]:
    """In order."""
    c = tables.verdicts.c
    rows = db.execute(select(tables.verdicts).where(c.watch_id == watch_id).order_by(c.at))
    return tuple(_made(StoredVerdict, row, outcomes=json.loads(row.outcomes)) for row in rows)


def load_answers(db: Connection, watch_id: str) -> dict[str, Given]:
    """By criterion."""
    rows = db.execute(select(tables.answers).where(tables.answers.c.watch_id == watch_id))
    return {row.criterion: _made(Given, row) for row in rows}


def load_requests(db: Connection, watch_id: str) -> tuple[Request, ...]:
    """In order of asking; what was refused at once stands before what was asked for instead in the same instant."""
    c = tables.requests.c
    order = (c.asked_at, c.ended_at.is_(None), c.ended_at, c.id)
    rows = db.execute(select(tables.requests).where(c.watch_id == watch_id).order_by(*order))
    return tuple(_made(Request, row) for row in rows)


def load_request(db: Connection, request_id: str) -> tuple[str, Request | None]:
    """One request and the id of its watch; empty and none where there is no such request."""
    row = db.execute(select(tables.requests).where(tables.requests.c.id == request_id)).first()
    return ("", None) if row is None else (row.watch_id, _made(Request, row))


def load_journal(db: Connection, watch_id: str) -> tuple[Entry, ...]:
    """In order."""
    c = tables.journal.c
    rows = db.execute(select(tables.journal).where(c.watch_id == watch_id).order_by(c.seq))
    return tuple(_made(Entry, row) for row in rows)


def load_baselines(db: Connection, watch_id: str) -> dict[str, tuple[Samples | None, str]]:
    """By check: what was recorded, or why there is none."""
    rows = db.execute(select(tables.baselines).where(tables.baselines.c.watch_id == watch_id))
    return {row.check: (None if row.samples is None else read_samples(row.samples), row.missing) for row in rows}


def dump_samples(samples: Samples) -> str:
    """As JSON; NaN is null."""

    def plain(values: Sequence[float]) -> list[float | None]:
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN

    traffic = None if samples.traffic is None else plain(samples.traffic.tolist())
    return json.dumps({"times": samples.times.tolist(), "values": plain(samples.values.tolist()), "traffic": traffic})


def read_samples(text: str) -> Samples:
    """What ``dump_samples`` wrote."""
    found = json.loads(text)

    def array(values: list[float | None]) -> Any:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    traffic = None if found["traffic"] is None else array(found["traffic"])
    return Samples(np.array(found["times"], dtype=np.int64), array(found["values"]), traffic)
