"""What a watch is held against: chosen at its start, recorded, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sqlalchemy import or_, select

from hypercare.deploys import rows, store, tables
from hypercare.deploys.checks import resolve
from hypercare.deploys.meter import Wanted
from hypercare.judge.reference import ENOUGH
from hypercare.judge.series import Samples
from hypercare.judge.verdict import Verdict
from hypercare.model.time import SECOND, WEEK, format_duration

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.meter import Curves, Measured
    from hypercare.deploys.store import Watch
    from hypercare.kernel import Context
    from hypercare.model.time import Ms

BY_TIME: Final = frozenset({"before", "week"})


def span(watch: Watch) -> tuple[Ms, Ms]:
    """From when to when the baseline of a watch lies (excluded, included)."""
    chosen = watch.plan.baseline
    if chosen.kind == "week":
        return watch.started_at - WEEK, watch.started_at - WEEK + watch.plan.end
    return watch.started_at - chosen.length, watch.started_at


def wanted(watch: Watch, watched: tuple[CheckRow, ...]) -> list[Wanted]:
    """What has to be measured for the baseline; nothing where it is not of the past."""
    if watch.plan.baseline.kind not in BY_TIME:
        return []
    start, end = span(watch)
    step = watch.plan.sample_every
    exprs = [text for row in watched if row.check.compare for text in (row.expr, row.traffic) if text]
    return [Wanted(expr, start, end, step) for expr in dict.fromkeys(exprs)]


def other_color(watch: Watch, row: CheckRow) -> tuple[str, str]:
    """The expressions of a row for the other colour."""
    texts = (row.check.expr, row.check.traffic)
    expr, traffic = (resolve(text, watch, row.service, swapped=True) for text in texts)
    return expr, traffic


def samples_of(row: CheckRow, curves: Curves, traffic: Curves | None, step: Ms) -> Samples:
    """One row's samples: values, and events a sample where the check knows its traffic."""
    label = row.curve_label()
    values = curves.alone() if label is None else curves.of(*label)
    if traffic is None:
        return Samples(curves.times, values)
    rates = traffic.alone() if label is None else traffic.of(*label)
    return Samples(curves.times, values, rates * (step / SECOND))


def keep(ctx: Context, watch: Watch, watched: tuple[CheckRow, ...], measured: Measured) -> None:
    """Write the baseline of every row that has one, and why the others have none."""
    start, end = span(watch)
    step = watch.plan.sample_every
    failed = spoilt(ctx.db, watch, start, end)
    for row in watched:
        if not row.check.compare or watch.plan.baseline.kind not in BY_TIME:
            continue
        curves = measured[Wanted(row.expr, start, end, step)]
        traffic = measured[Wanted(row.traffic, start, end, step)] if row.traffic else None
        error = curves.error or (traffic.error if traffic is not None else "")
        if error:
            rows.put_baseline(ctx, watch.id, row.id, None, f"no baseline: {error}")
            continue
        samples = _without(samples_of(row, curves, traffic, step), failed)
        count = len(samples.usable(row.measure(step).minimum_traffic))
        if count < ENOUGH:
            text = f"no baseline: {count} usable samples in {format_duration(end - start)}, {ENOUGH} are needed"
            rows.put_baseline(ctx, watch.id, row.id, None, text)
        else:
            rows.put_baseline(ctx, watch.id, row.id, store.dump_samples(samples), "")


def spoilt(db: Connection, watch: Watch, start: Ms, end: Ms) -> list[tuple[Ms, Ms]]:
    """When releases of the service that failed were out: they are never a baseline."""
    c = tables.watches.c
    query = select(c.started_at, c.ended_at, c.ends_at).where(
        c.service == watch.service,
        c.id != watch.id,
        c.verdict == str(Verdict.FAILURE),
        c.started_at < end,
        or_(c.ended_at.is_(None), c.ended_at > start),
    )
    return [(row.started_at, row.ended_at or row.ends_at) for row in db.execute(query)]


def _without(samples: Samples, spans: list[tuple[Ms, Ms]]) -> Samples:
    keep_these = np.ones(len(samples), dtype=np.bool_)
    for start, end in spans:
        keep_these &= (samples.times <= start) | (samples.times > end)
    traffic = None if samples.traffic is None else samples.traffic[keep_these]
    return Samples(samples.times[keep_these], samples.values[keep_these], traffic)
