"""What a metric, and the whole run, has come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypercare.judge.argo.model import Metric, MetricResult, Phase, Run, RunSummary, is_worse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.judge.argo.model import Measurement
    from hypercare.model.time import Ms

    Measure = Callable[[Metric, Measurement | None], Measurement]


def assess_metric(metric: Metric, result: MetricResult, *, terminating: bool) -> Phase:
    """The phase of a metric after its newest measurement."""
    if result.phase.completed:
        return result.phase
    last = result.last
    if last is None:
        return Phase.SUCCESSFUL if terminating else Phase.PENDING
    if not last.phase.completed:
        return Phase.RUNNING
    phase, _ = limits_exceeded(metric, result)
    if phase is not Phase.EMPTY:
        return phase
    wanted = metric.consecutive_success_limit
    if 0 < wanted <= result.consecutive_success:
        return Phase.SUCCESSFUL
    count = metric.effective_count
    if count is not None and result.count >= count:
        if wanted <= 0:
            return Phase.SUCCESSFUL
        # Neither too many failures nor enough successes: undecided, unless successes alone were asked for.
        return Phase.INCONCLUSIVE if metric.failure_limit >= 0 else Phase.FAILED
    return Phase.SUCCESSFUL if terminating else Phase.RUNNING


def limits_exceeded(metric: Metric, result: MetricResult) -> tuple[Phase, str]:
    """The phase and the reason where a counter is above its limit, else EMPTY; of several the last one counts."""
    phase, reason = Phase.EMPTY, ""
    if result.failed > metric.failure_limit >= 0:
        phase, reason = Phase.FAILED, f"failed ({result.failed}) > failureLimit ({metric.failure_limit})"
    if result.inconclusive > metric.inconclusive_limit:
        limit = metric.inconclusive_limit
        phase, reason = Phase.INCONCLUSIVE, f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({limit})"
    if result.consecutive_error > metric.consecutive_error_limit:
        limit, errors = metric.consecutive_error_limit, result.consecutive_error
        phase, reason = Phase.ERROR, f"consecutiveErrors ({errors}) > consecutiveErrorLimit ({limit})"
    return phase, reason


def assess_run(run: Run, now: Ms) -> Run:
    """The run with the phases of its metrics, its own phase, message and summaries.

    While a metric is not over, the run goes on, unless it is terminating; then its phase is the worst of its metrics
    that count.
    """
    terminating = run.terminating
    results = {result.name: result for result in run.results}
    worst, message = Phase.EMPTY, "Run Terminated" if run.terminate else ""
    over = True
    ends: list[tuple[bool, Phase]] = []
    for metric in run.metrics:
        result = results.get(metric.name)
        if result is None:
            over = False
            continue
        result = _assessed(metric, result, terminating=terminating)
        dry = metric.name in run.dry_run
        phase, reason = limits_exceeded(metric, result)
        if not result.phase.completed:
            over = False
        elif dry:
            ends.append((True, phase))
            worst = worst or Phase.SUCCESSFUL
            if reason:
                result = replace(result, message=f"Metric assessed {result.phase} due to {reason}")
        else:
            ends.append((False, phase))
            if is_worse(worst, result.phase):
                worst, message = result.phase, _message(metric, result, reason) or message
        results[metric.name] = result
    run = replace(
        run,
        results=tuple(results.values()),
        started_at=now if run.started_at is None else run.started_at,
        summary=_summary(run, ends, dry=False),
        dry_run_summary=_summary(run, ends, dry=True),
    )
    if terminating:
        return replace(run, phase=worst or Phase.SUCCESSFUL, message=message)
    if not over or worst is Phase.EMPTY:
        return replace(run, phase=Phase.RUNNING, message="")
    return replace(run, phase=worst, message=message)


def _assessed(metric: Metric, result: MetricResult, *, terminating: bool) -> MetricResult:
    phase = assess_metric(metric, result, terminating=terminating)
    if phase is result.phase:
        return result
    message = result.last.message if result.last is not None else result.message
    return replace(result, phase=phase, message=message)


def _message(metric: Metric, result: MetricResult, reason: str) -> str:
    if not reason:
        return ""
    said = f': "Error Message: {result.message}"' if result.message else ""
    return f'Metric "{metric.name}" assessed {result.phase} due to {reason}{said}'


def _summary(run: Run, ends: Sequence[tuple[bool, Phase]], *, dry: bool) -> RunSummary:
    phases = [phase for is_dry, phase in ends if is_dry is dry]
    bad = (Phase.FAILED, Phase.INCONCLUSIVE, Phase.ERROR)
    failed, inconclusive, error = (phases.count(phase) for phase in bad)
    return RunSummary(
        count=sum((metric.name in run.dry_run) is dry for metric in run.metrics),
        successful=len(phases) - failed - inconclusive - error,
        failed=failed,
        inconclusive=inconclusive,
        error=error,
    )
