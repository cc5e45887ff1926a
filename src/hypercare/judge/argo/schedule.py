"""Which metrics are measured now, and when to look again; one look at a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypercare.judge.argo.assess import assess_run
from hypercare.judge.argo.model import ERROR_RETRY, Measurement, Metric, MetricResult, Phase, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms


def due(run: Run, now: Ms) -> tuple[Metric, ...]:
    """The metrics to measure now, those among them whose last measurement is to be carried on."""
    return tuple(metric for metric in run.metrics if _is_due(run, metric, now))


def _is_due(run: Run, metric: Metric, now: Ms) -> bool:
    result = run.result(metric.name)
    if result is not None and result.phase.completed:
        return False
    last = None if result is None else result.last
    if last is not None and last.finished_at is None:
        return last.resume_at is None or last.resume_at <= now
    if run.terminating:
        return False
    if result is None or last is None or last.finished_at is None:
        if metric.initial_delay is None:
            return not metric.bad_delay
        return run.started_at is not None and run.started_at + metric.initial_delay <= now
    if _enough(metric, result):
        return False
    if last.phase is Phase.ERROR:
        return now > last.finished_at + ERROR_RETRY
    interval = ERROR_RETRY if metric.interval is None else metric.interval
    return not metric.bad_interval and now > last.finished_at + interval


def _enough(metric: Metric, result: MetricResult) -> bool:
    count = metric.effective_count
    return count is not None and result.count >= count


def next_look(run: Run, now: Ms) -> Ms | None:
    """When to look at the run again; None where nothing is to come."""
    times = [_next(run, metric, now) for metric in run.metrics]
    return min((at for at in times if at is not None), default=None)


def _next(run: Run, metric: Metric, now: Ms) -> Ms | None:
    result = run.result(metric.name)
    if result is not None and result.phase.completed:
        return None
    last = None if result is None else result.last
    if result is None or last is None:
        if metric.initial_delay is None:
            return None
        return (now if run.started_at is None else run.started_at) + metric.initial_delay
    if last.finished_at is None:
        return last.resume_at
    if _enough(metric, result):
        return None
    if last.phase is Phase.ERROR:
        return last.finished_at + ERROR_RETRY
    return None if metric.interval is None else last.finished_at + metric.interval


def look(run: Run, now: Ms, measure: Callable[[Metric, Measurement | None], Measurement]) -> Run:
    """One look at a run: what is due is measured, then all is assessed.

    Args:
        run: as it was left.
        now: the time.
        measure: takes a measurement, or carries on the one given.

    """
    if run.phase.completed:
        return run
    for metric in due(run, now):
        result = run.result(metric.name) or MetricResult(
            name=metric.name, phase=Phase.RUNNING, dry_run=metric.name in run.dry_run
        )
        last = result.last
        unfinished = last if last is not None and last.finished_at is None else None
        run = _with(run, taken(result, measure(metric, unfinished), now, carried_on=unfinished is not None))
    return assess_run(run, now)


def taken(result: MetricResult, measurement: Measurement, now: Ms, *, carried_on: bool = False) -> MetricResult:
    """The result with one more measurement, which takes the place of the last one where that is carried on."""
    before = result.measurements[:-1] if carried_on else result.measurements
    phase = measurement.phase
    if not phase.completed:
        return replace(result, measurements=(*before, measurement))
    finished = replace(measurement, finished_at=now) if measurement.finished_at is None else measurement
    error = phase is Phase.ERROR
    success = phase is Phase.SUCCESSFUL
    return replace(
        result,
        measurements=(*before, finished),
        count=result.count + (not error),
        successful=result.successful + success,
        failed=result.failed + (phase is Phase.FAILED),
        inconclusive=result.inconclusive + (phase is Phase.INCONCLUSIVE),
        error=result.error + error,
        consecutive_error=result.consecutive_error + 1 if error else 0,
        consecutive_success=result.consecutive_success + 1 if success else 0,
    )


def _with(run: Run, result: MetricResult) -> Run:
    results = {found.name: found for found in run.results}
    results[result.name] = result
    return replace(run, results=tuple(results.values()))
