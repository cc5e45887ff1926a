"""The verdict of a watch: one outcome a check, one a criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.deploys.checks import resolve
from hypercare.deploys.meter import Wanted
from hypercare.judge.findings import Level
from hypercare.judge.verdict import Conclusion, Outcome, State, conclude
from hypercare.model.time import SECOND, format_duration
from hypercare.model.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.config.deployments import Criterion
    from hypercare.deploys.meter import Measured
    from hypercare.deploys.observation import Observation, Seen
    from hypercare.deploys.store import Given, Watch
    from hypercare.model.time import Ms

_SAID: Final = {"pass": State.PASS, "concern": State.CONCERN, "fail": State.FAIL}


def asked(watch: Watch, now: Ms) -> tuple[Criterion, ...]:
    """The criteria of the verdict that is due at this instant."""
    since = now - watch.started_at
    return tuple(c for c in watch.plan.criteria if not c.at or since in c.at or since > watch.plan.end)


def wanted(watch: Watch, now: Ms) -> list[Wanted]:
    """What has to be measured for the criteria."""
    return [_wanted(watch, criterion, now) for criterion in asked(watch, now) if criterion.expr]


def _wanted(watch: Watch, criterion: Criterion, now: Ms) -> Wanted:
    window = format_duration((now - watch.started_at) // SECOND * SECOND)
    return Wanted(resolve(criterion.expr, watch, watch.service, window), now - SECOND, now, SECOND)


def concluded(
    observed: Observation, since: Ms, now: Ms, measured: Measured, answers: Mapping[str, Given]
) -> tuple[Conclusion, tuple[Outcome, ...]]:
    """The conclusion at an instant, and all outcomes.

    Args:
        observed: the watch.
        since: when the period began that is concluded about.
        now: its end.
        measured: for the criteria.
        answers: what people said.

    """
    outcomes = list(checks(observed, since, now))
    for criterion in asked(observed.watch, now):
        if criterion.expr:
            outcomes.append(_value(criterion, measured, _wanted(observed.watch, criterion, now)))
        else:
            outcomes.append(_answer(criterion, answers.get(criterion.name)))
    return conclude(outcomes), tuple(outcomes)


def checks(observed: Observation, since: Ms, now: Ms) -> tuple[Outcome, ...]:
    """How all checks stand over a period, without criteria."""
    return tuple(_check(observed, seen, since, now) for seen in observed.seen.values())


def _check(observed: Observation, seen: Seen, since: Ms, now: Ms) -> Outcome:
    """Critical and lasting fails; critical and passed, or a warning, is a concern; what cannot be seen is unknown."""
    row = seen.row
    found = [k for k in observed.book.kept if k.check == row.id and (k.until is None or k.until > since)]
    lasting = [k for k in found if k.level is Level.CRITICAL and k.until is None]
    required = row.check.required
    if lasting:
        return Outcome(
            row.id, State.FAIL, f"critical by {lasting[0].method} since {_ago(lasting[0].since, now)}", required
        )
    grave = [k for k in found if k.level is not Level.NOTE]
    unknown = observed.unknown(seen, since, now)
    if grave:
        worst = next((k for k in grave if k.level is Level.CRITICAL), grave[0])
        lasted = "lasts" if worst.until is None else f"lasted {format_duration(_whole(worst.until - worst.since))}"
        count = "1 finding" if len(grave) == 1 else f"{len(grave)} findings"
        text = f"{count}; {worst.level} by {worst.method}, {lasted}"
        return Outcome(row.id, State.CONCERN, text, required)
    if unknown:
        return Outcome(row.id, State.UNKNOWN, unknown, required)
    against = "limits" if seen.reference is None else "limits and baseline" if row.limits() else "baseline"
    return Outcome(row.id, State.PASS, f"within its {against}", required)


def _ago(then: Ms, now: Ms) -> str:
    return f"{format_duration(_whole(now - then))} ago"


def _whole(span: Ms) -> Ms:
    return span // SECOND * SECOND


def _value(criterion: Criterion, measured: Measured, wanted_one: Wanted) -> Outcome:
    curves = measured.get(wanted_one)
    if curves is None or curves.error:
        reason = f"the source is away: {curves.error}" if curves is not None else "not measured"
        return Outcome(criterion.name, State.UNKNOWN, reason, criterion.required)
    values = curves.alone()
    if not len(values) or not np.isfinite(values[-1]):
        return Outcome(criterion.name, State.UNKNOWN, "no data", criterion.required)
    value, unit = float(values[-1]), Unit(criterion.unit)
    for bound, wrong, word in (
        (criterion.min, criterion.min is not None and value < criterion.min, "below"),
        (criterion.max, criterion.max is not None and value > criterion.max, "above"),
    ):
        if wrong and bound is not None:
            shown, edge = unit.apart(value, bound)
            return Outcome(criterion.name, State.FAIL, f"{shown} is {word} {edge}", criterion.required)
    return Outcome(criterion.name, State.PASS, unit.of(value), criterion.required)


def _answer(criterion: Criterion, given: Given | None) -> Outcome:
    if given is None:
        return Outcome(criterion.name, State.WAITING, f"nobody has answered: {criterion.ask}", criterion.required)
    text = f"{given.by}: {given.note}" if given.note else f"said by {given.by}"
    return Outcome(criterion.name, _SAID[given.state], text, criterion.required)
