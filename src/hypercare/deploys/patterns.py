"""New kinds of errors in a watch: which ones the time before the deployment had, and what has come since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.deploys import baseline
from hypercare.deploys.meter import Curves, Wanted
from hypercare.judge.pattern import Bounds, Kinds
from hypercare.judge.series import Samples
from hypercare.model.time import DAY, HOUR, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.meter import Measured
    from hypercare.deploys.store import Watch
    from hypercare.judge.findings import Finding
    from hypercare.model.time import Ms

_LOOK_BACK: Final[Ms] = 7 * DAY
"""Kinds that other days and hours of the week had are not new."""
_MOST_SAMPLES: Final = 2016
_LEAST: Final[Ms] = HOUR
"""A shorter past says nothing about what is new."""
_SHARE: Final = 0.1
"""Of the watch's false alarms, for all checks of this kind together."""


class Pattern:
    """One row that looks for new kinds.

    Attributes:
        missing: why nothing can be said; empty where the baseline is known.

    """

    def __init__(self, row: CheckRow, watch: Watch) -> None:
        self.row = row
        self._watch = watch
        self._step = max(watch.plan.sample_every, -(-_LOOK_BACK // _MOST_SAMPLES // SECOND) * SECOND)
        self.kinds: Kinds | None = None
        self.missing = "the time before is not measured yet"
        self._waiting: list[tuple[Curves, Curves, Ms]] = []

    def past(self) -> list[Wanted]:
        """What is to be measured of the time before the deployment."""
        start = self._watch.started_at
        return [Wanted(expr, start - _LOOK_BACK, start, self._step) for expr in (self.row.expr, self.row.traffic)]

    def take_past(self, db: Connection, measured: Measured) -> None:
        """Learn which kinds there were; releases that failed do not count."""
        counters, traffic = (measured[wanted] for wanted in self.past())
        error = counters.error or traffic.error
        if error:
            self.missing = f"no baseline: {error}"
            return
        start = self._watch.started_at
        spoilt = baseline.spoilt(db, self._watch, start - _LOOK_BACK, start)
        good = np.ones(len(counters.times), dtype=np.bool_)
        for begun, ended in spoilt:
            good &= (counters.times <= begun) | (counters.times > ended)
        covered = int((np.isfinite(traffic.alone()) & good).sum()) * self._step
        if covered < _LEAST:
            self.missing = "no baseline: the service had no traffic before"
            return
        known = frozenset(
            labels.get(self.row.check.pattern) or ""
            for labels, values in counters.series
            if bool((np.nan_to_num(values[good]) > 0).any())
        )
        self.kinds = Kinds(known, covered, start)
        self.missing = ""
        # Counters go on from where they stood at the start.
        before = {labels.get(self.row.check.pattern) or "": _newest(values) for labels, values in counters.series}
        self.kinds.feed(start, before, 0.0)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self.take(*each)

    def take(self, counters: Curves, traffic: Curves, step: Ms) -> None:
        """Take samples of the watch; those that come before the past is known wait for it."""
        if self.kinds is None:
            self._waiting.append((counters, traffic, step))
            return
        label = self.row.check.pattern
        rates = traffic.alone()
        for place, at in enumerate(counters.times.tolist()):
            here = {s.get(label) or "": float(values[place]) for s, values in counters.series}
            events = float(np.nan_to_num(rates[place])) * step / SECOND
            self.kinds.feed(at, {k: v for k, v in here.items() if np.isfinite(v)}, events)

    def curve(self, counters: Curves, traffic: Curves) -> Samples:
        """The row as people see it: events of new kinds so far, where there is traffic at all."""
        rates = traffic.alone()
        count = self.kinds.events() if self.kinds is not None else np.nan
        return Samples(counters.times, np.where(np.isfinite(rates), count, np.nan), rates)

    def occurred_after(self, at: Ms) -> bool:
        """Whether a kind that the time before did not have occurred after this instant."""
        return self.kinds is None or any(tally.last > at for tally in self.kinds.new.values())

    def found(self, now: Ms, false_alarms: float, checks: int) -> Finding | None:
        """What is new and lasts."""
        if self.kinds is None:
            return None
        bounds, check = self.row.bounds, self.row.check
        chance = false_alarms * _SHARE / max(1, checks)
        return self.kinds.found(now, Bounds(check.events, bounds.warning or 0.0, bounds.critical, chance))


def thinned(curves: Curves, step: Ms) -> Curves:
    """Only the instants that are whole multiples of ``step``."""
    on_grid = curves.times % step == 0
    return Curves(curves.times[on_grid], tuple((labels, values[on_grid]) for labels, values in curves.series))


def pasts(patterns: Iterable[Pattern]) -> list[Wanted]:
    """What all of them want to know of the time before."""
    return [wanted for pattern in patterns for wanted in pattern.past()]


def _newest(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    whole = values[np.isfinite(values)]
    return float(whole[-1]) if len(whole) else 0.0
