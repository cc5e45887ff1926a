"""An analysis over the past: the looks it would have taken, one after the other, under a virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hypercare.judge.argo.conditions import evaluate_result
from hypercare.judge.argo.model import Measurement, Phase, Run
from hypercare.judge.argo.schedule import look, next_look

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.judge.argo.model import Metric
    from hypercare.judge.argo.template import Template
    from hypercare.model.time import Ms

MAX_LOOKS: Final = 10_000
"""Looks at one run; a week every minute."""


class QueryError(Exception):
    """A query has no answer; the text is for the user."""


def replay(template: Template, start: Ms, end: Ms, ask: Callable[[str, Ms], Any]) -> Run:
    """The run that would have started at `start`; what still runs at `end` is terminated, as a roll-out's end does.

    Args:
        template: what is measured.
        start: ms.
        end: ms; not looked at beyond.
        ask: the answer to a query at an instant: a list of floats (a vector) or a float (a scalar). Raises QueryError.

    """
    now = start

    def measure(metric: Metric, _last: Measurement | None) -> Measurement:
        return _measure(metric, now, ask)

    run = Run(template.metrics, template.dry_run, started_at=start)
    for _ in range(MAX_LOOKS):
        run = look(run, now, measure)
        upcoming = next_look(run, now)
        if run.phase.completed or upcoming is None or upcoming > end:
            break
        # A measurement is due after its interval, not at its very end.
        now = max(upcoming, now) + 1
    return run if run.phase.completed else _ended(run, end, measure)


def _ended(run: Run, end: Ms, measure: Callable[[Metric, Measurement | None], Measurement]) -> Run:
    return look(replace(run, terminate=True), end, measure)


def _measure(metric: Metric, now: Ms, ask: Callable[[str, Ms], Any]) -> Measurement:
    try:
        value = ask(metric.query, now)
    except QueryError as error:
        return Measurement(Phase.ERROR, "", str(error), now, now)
    phase, message = evaluate_result(value, metric)
    return Measurement(phase, _shown(value), message, now, now)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(f"{number:g}" for number in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
