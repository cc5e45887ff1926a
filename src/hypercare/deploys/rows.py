"""Writing watched deployments, within the transaction of a kernel step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.deploys import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.deploys.store import Watch
    from hypercare.judge.findings import Finding
    from hypercare.judge.series import Samples
    from hypercare.judge.verdict import Outcome
    from hypercare.kernel import Context
    from hypercare.model.time import Ms

MACHINE: Final = "hypercare"
_POINTS: Final = 240


def json_of(value: Any) -> str:
    """As JSON, as short as it can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def tell(ctx: Context, watch_id: str, kind: str, text: str, by: str = MACHINE) -> None:
    """Add to the journal."""
    row = {"watch_id": watch_id, "at": ctx.now, "kind": kind, "by": by, "text": text}
    ctx.db.execute(insert(tables.journal).values(row))


def has_told(ctx: Context, watch_id: str, beginning: str, since: Ms) -> bool:
    """Whether the journal has a line that begins like this, from an instant on; of an earlier process, too."""
    c = tables.journal.c
    query = select(tables.journal).where(c.watch_id == watch_id, c.at >= since)
    return any(row.text.startswith(beginning) for row in ctx.db.execute(query))


def change(ctx: Context, watch_id: str, **values: Any) -> None:
    """Change columns of a watch."""
    ctx.db.execute(update(tables.watches).where(tables.watches.c.id == watch_id).values(values))


def put_checkpoints(ctx: Context, watch: Watch, dues: list[tuple[Ms, str, bool]], first: int) -> None:
    """Write checkpoints to come, numbered from ``first``: when, in which phase, whether something is concluded."""
    found = [
        {
            "watch_id": watch.id, "number": first + index, "phase": phase, "due_at": due, "final": final,
            "readings": "{}", "notes": "", "action": "", "signed_by": "",
        }
        for index, (due, phase, final) in enumerate(dues)
    ]  # fmt: skip
    if found:
        ctx.db.execute(insert(tables.checkpoints), found)


def change_checkpoint(ctx: Context, watch_id: str, number: int, **values: Any) -> None:
    """Change columns of a checkpoint."""
    c = tables.checkpoints.c
    here = c.watch_id == watch_id, c.number == number
    ctx.db.execute(update(tables.checkpoints).where(*here).values(values))


def put_finding(ctx: Context, watch_id: str, check: tuple[str, str, str], finding: Finding, points: Samples) -> int:
    """Write a new finding of (check, service, query); its name."""
    name, service, query = check
    row = {
        "watch_id": watch_id, "check": name, "service": service, "query": query, "points": _points(points),
        "method": str(finding.method), "level": str(finding.level), "since": finding.since, "at": finding.at,
        "until": finding.until, "value": finding.value, "bound": finding.bound, "change": finding.change,
        "reason": finding.reason,
    }  # fmt: skip
    return int(ctx.db.execute(insert(tables.findings).values(row).returning(tables.findings.c.id)).scalar_one())


def change_finding(ctx: Context, finding_id: int, **values: Any) -> None:
    """Change columns of a finding."""
    ctx.db.execute(update(tables.findings).where(tables.findings.c.id == finding_id).values(values))


def _points(samples: Samples) -> str:
    times, values = samples.times[-_POINTS:].tolist(), samples.values[-_POINTS:].tolist()
    return json.dumps({"times": times, "values": [v if v == v else None for v in values]})  # noqa: PLR0124 - NaN


def put_baseline(ctx: Context, watch_id: str, check: str, samples: str | None, missing: str) -> None:
    """Write what a check is held against, or why there is nothing."""
    c = tables.baselines.c
    values = {"samples": samples, "missing": missing}
    here = c.watch_id == watch_id, c.check == check
    if not ctx.db.execute(update(tables.baselines).where(*here).values(values)).rowcount:
        ctx.db.execute(insert(tables.baselines).values(watch_id=watch_id, check=check, **values))


def put_verdict(ctx: Context, watch_id: str, verdict: str, outcomes: Sequence[Outcome], *, final: bool) -> None:
    """Write a conclusion with all outcomes; one at the same instant is replaced."""
    found = [{"name": o.name, "state": str(o.state), "reason": o.reason, "required": o.required} for o in outcomes]
    c = tables.verdicts.c
    values = {"verdict": verdict, "final": final, "outcomes": json.dumps(found)}
    here = c.watch_id == watch_id, c.at == ctx.now
    if not ctx.db.execute(update(tables.verdicts).where(*here).values(values)).rowcount:
        ctx.db.execute(insert(tables.verdicts).values(watch_id=watch_id, at=ctx.now, **values))


def put_answer(ctx: Context, watch_id: str, criterion: str, state: str, note: str, by: str) -> None:
    """Write what a person said; a later word replaces an earlier one."""
    c = tables.answers.c
    values = {"state": state, "note": note, "by": by, "at": ctx.now}
    here = c.watch_id == watch_id, c.criterion == criterion
    if not ctx.db.execute(update(tables.answers).where(*here).values(values)).rowcount:
        ctx.db.execute(insert(tables.answers).values(watch_id=watch_id, criterion=criterion, **values))


def put_request(ctx: Context, watch_id: str, request_id: str, action: str, check: str, reason: str) -> bool:
    """Write that an action is asked for; false where it was asked for before."""
    c = tables.requests.c
    if ctx.db.execute(select(c.id).where(c.id == request_id)).first() is not None:
        return False
    row = {
        "id": request_id, "watch_id": watch_id, "action": action, "check": check, "reason": reason, "asked_at": ctx.now,
        "state": "asked", "text": "",
    }  # fmt: skip
    ctx.db.execute(insert(tables.requests).values(row))
    return True


def change_request(ctx: Context, request_id: str, **values: Any) -> None:
    """Change columns of a request."""
    ctx.db.execute(update(tables.requests).where(tables.requests.c.id == request_id).values(values))
