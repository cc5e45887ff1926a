"""Reading runs, for the API, the pages and the guards."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from hypercare.actions.tables import outputs, runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.time import Ms

WANTED, WAITING, RUNNING = "wanted", "waiting", "running"
DONE, FAILED, REFUSED, INTERRUPTED = "done", "failed", "refused", "interrupted"
OPEN: Final = (WAITING, WANTED, RUNNING)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One time that an action was asked for; the fields are those of the table."""

    number: int
    request_id: str
    action: str
    service: str
    context: dict[str, str]
    reason: str
    by: str
    incident_id: str
    state: str
    decided_by: str
    wanted_at: Ms
    decide_by: Ms | None
    started_at: Ms | None
    ended_at: Ms | None
    step: int
    steps: int
    attempt: int
    repeats: int
    exit_code: int | None
    text: str
    dry_run: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """What one program or request of a run said; the fields are those of the table."""

    run: int
    seq: int
    step: int
    attempt: int
    what: str
    started_at: Ms
    ended_at: Ms | None
    state: str
    exit_code: int | None
    text: str
    output: str


_RUN: Final = tuple(field.name for field in dataclasses.fields(Run))
_OUTPUT: Final = tuple(field.name for field in dataclasses.fields(Output))


def _run(row: object) -> Run:
    values = {name: getattr(row, name) for name in _RUN}
    return Run(**values | {"context": json.loads(values["context"])})


def load_run(db: Connection, number: int) -> Run | None:
    """A run by its number."""
    row = db.execute(select(runs).where(runs.c.number == number)).first()
    return None if row is None else _run(row)


def by_request(db: Connection, request_id: str) -> Run | None:
    """The run of a request."""
    row = db.execute(select(runs).where(runs.c.request_id == request_id)).first()
    return None if row is None else _run(row)


def load_runs(
    db: Connection, *, states: tuple[str, ...] = (), action: str = "", incident_id: str = "", limit: int = 100
) -> tuple[Run, ...]:
    """Runs, the newest first; of some states, of one action, of one incident."""
    query = select(runs).order_by(runs.c.number.desc()).limit(limit)
    if states:
        query = query.where(runs.c.state.in_(states))
    if action:
        query = query.where(runs.c.action == action)
    if incident_id:
        query = query.where(runs.c.incident_id == incident_id)
    return tuple(_run(row) for row in db.execute(query))


def load_outputs(db: Connection, numbers: tuple[int, ...]) -> dict[int, tuple[Output, ...]]:
    """What runs said, in order, by their number."""
    found: dict[int, list[Output]] = {number: [] for number in numbers}
    query = select(outputs).where(outputs.c.run.in_(numbers)).order_by(outputs.c.run, outputs.c.seq)
    for row in db.execute(query) if numbers else ():
        found[row.run].append(Output(**{name: getattr(row, name) for name in _OUTPUT}))
    return {number: tuple(rows) for number, rows in found.items()}


def purge(db: Connection, before: Ms, limit: int) -> int:
    """Forget runs that ended before an instant, with what they said, the oldest first; how many went."""
    old = select(runs.c.number).where(runs.c.state.not_in(OPEN), runs.c.ended_at < before)
    gone: list[int] = list(db.execute(old.order_by(runs.c.number).limit(limit)).scalars())
    if gone:
        db.execute(delete(outputs).where(outputs.c.run.in_(gone)))
        db.execute(delete(runs).where(runs.c.number.in_(gone)))
    return len(gone)


def running_for(db: Connection, action: str, service: str) -> int | None:
    """The number of a run of an action for a service that waits or runs now, if there is one."""
    c = runs.c
    query = select(c.number).where(c.action == action, c.service == service, c.state.in_(OPEN)).order_by(c.number)
    return db.execute(query.limit(1)).scalar()


def last_start(db: Connection, action: str, service: str) -> tuple[int, Ms] | None:
    """Number and time of the last run of an action for a service that really began; dry runs do not count."""
    c = runs.c
    where = c.action == action, c.service == service, c.started_at.is_not(None), c.dry_run.is_(False)
    query = select(c.number, c.started_at).where(*where).order_by(c.started_at.desc(), c.number.desc())
    row = db.execute(query.limit(1)).first()
    return None if row is None else (row.number, row.started_at)


def count_since(db: Connection, action: str, since: Ms) -> int:
    """How many runs of an action began after an instant; dry runs do not count."""
    c = runs.c
    query = select(func.count()).where(c.action == action, c.started_at > since, c.dry_run.is_(False))
    return int(db.execute(query).scalar() or 0)
