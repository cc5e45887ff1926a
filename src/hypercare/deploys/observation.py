"""One watch as it is seen: what was measured since it began, and what the judge finds in it."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.deploys import baseline, freshness
from hypercare.deploys.checks import rows_of
from hypercare.deploys.meter import Wanted
from hypercare.deploys.patterns import Pattern, thinned
from hypercare.judge.burn import SLOWEST_CRITICAL, burning
from hypercare.judge.drift import SEVERE
from hypercare.judge.findings import Level, Method
from hypercare.judge.limits import Crossing
from hypercare.judge.panel import Panel
from hypercare.judge.reference import understand
from hypercare.judge.series import Samples
from hypercare.judge.trend import Leak, leak, slope
from hypercare.model.time import HOUR, MINUTE
from hypercare.promql import Together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from hypercare.deploys.book import Book, Kept
    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.meter import Curves, Measured
    from hypercare.deploys.store import Watch
    from hypercare.judge.reference import Reference
    from hypercare.kernel import Context
    from hypercare.model.time import Ms

_BEFORE: Final = 12
"""Samples before the one in hand that an excursion may have begun in."""
_SHOWN: Final = 60
_ENDS: Final = 5
"""So many samples at either end of a rise."""
_MINIMUM_LEAK: Final = 2 * HOUR


class Column:
    """Samples of one row, growing."""

    __slots__ = ("times", "traffic", "values")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: list[float] = []
        self.traffic: list[float] | None = None

    def add(self, samples: Samples) -> None:
        """Append what is newer than the newest."""
        last = self.times[-1] if self.times else -1
        if len(samples) == 1:
            # What a look brings, mostly.
            at = int(samples.times[0])
            if at > last:
                self.times.append(at)
                self.values.append(float(samples.values[0]))
                if samples.traffic is not None:
                    self.traffic = self.traffic if self.traffic is not None else []
                    self.traffic.append(float(samples.traffic[0]))
            return
        fresh = samples.times > last
        self.times += samples.times[fresh].tolist()
        self.values += samples.values[fresh].tolist()
        if samples.traffic is not None:
            self.traffic = (self.traffic or []) + samples.traffic[fresh].tolist()

    def newest(self, count: int) -> Samples:
        """The newest ``count``; all of them with a large number."""
        return self._made(slice(-count, None))

    def since(self, start: Ms) -> Samples:
        """Those with a time after ``start``."""
        return self._made(slice(bisect_right(self.times, start), None))

    def drop_before(self, start: Ms) -> None:
        """Forget what is older."""
        cut = bisect_left(self.times, start)
        del self.times[:cut], self.values[:cut]
        if self.traffic is not None:
            del self.traffic[:cut]

    def _made(self, part: slice) -> Samples:
        traffic = None if self.traffic is None else np.array(self.traffic[part], dtype=np.float64)
        return Samples(
            np.array(self.times[part], dtype=np.int64), np.array(self.values[part], dtype=np.float64), traffic
        )


@dataclasses.dataclass(slots=True)
class Seen:
    """One row as it is seen.

    Attributes:
        fine: every look, the last hour of it.
        coarse: every ``sample_every``, from the beginning.
        reference: the baseline, understood; none where there is none.
        other: the other colour at the same time.
        missing: why there is no reference.
        pattern: looks for new kinds, where the row is a check of that sort.
        away: why the newest look has no answer; empty where it has one.
        evidence: when the samples were taken of the newest look that had a usable value, while an action is followed.

    """

    row: CheckRow
    crossing: Crossing
    fine: Column = dataclasses.field(default_factory=Column)
    coarse: Column = dataclasses.field(default_factory=Column)
    other: Column = dataclasses.field(default_factory=Column)
    reference: Reference | None = None
    missing: str = ""
    away: str = ""
    pattern: Pattern | None = None
    usual_rise: float = 0.0
    evidence: Ms = -1

    def usable(self) -> Samples:
        """The looks that say something: with a value, and with enough traffic."""
        return self.fine.newest(1_000_000).usable(self.row.minimum_traffic if self.row.traffic else 0.0)

    @property
    def sources(self) -> tuple[str, ...]:
        """What tells how new the samples are that it reads."""
        return freshness.sources(self.row.expr, self.row.traffic)

    @property
    def reach(self) -> Ms:
        """How far apart its samples may be for it to have a value at all."""
        return freshness.reach(self.row.expr, self.row.traffic)


class Observation:
    """A running watch in memory; all of it can be measured again after a restart.

    Attributes:
        looks: when its checkpoints are, ms since it began.
        taken_up: when this process began to look.
        followed: ids of actions whose effect is waited for.
        together: what its checks ask for again and again.

    """

    def __init__(self, watch: Watch, book: Book, looks: tuple[Ms, ...], taken_up: Ms) -> None:
        self.taken_up = taken_up
        plan = watch.plan
        self.watch = watch
        self.book = book
        self.looks = looks
        self.step = plan.sample_every
        self.seen = {row.id: Seen(row, Crossing(row.limits(), plan.evaluate_every)) for row in rows_of(watch)}
        for seen in self.seen.values():
            if seen.row.check.pattern:
                seen.pattern = Pattern(seen.row, watch)
        self.measured_until: Ms = watch.started_at
        self.sampled_until: Ms = watch.started_at
        self.busy = False
        self.followed: set[str] = set()
        self.together = Together()

    @property
    def panel(self) -> Panel:
        """How the false alarms are shared out."""
        compared = sum(1 for seen in self.seen.values() if seen.row.check.compare)
        plan = self.watch.plan
        samples = (self.watch.ends_at - self.watch.started_at) // self.step
        return Panel(compared, self.looks, samples, self.step, plan.false_alarms)

    def take_baselines(self, kept: dict[str, tuple[Samples | None, str]]) -> None:
        """Understand what was recorded."""
        for name, (samples, missing) in kept.items():
            seen = self.seen.get(name)
            if seen is None:
                continue
            seen.missing = missing
            if samples is not None:
                seen.reference = understand(samples, seen.row.measure(self.step))
                rise = slope(samples, 0.05)
                seen.usual_rise = max(0.0, rise.high) if rise is not None and seen.row.check.leak else 0.0

    @property
    def patterns(self) -> list[Pattern]:
        """The rows that look for new kinds."""
        return [seen.pattern for seen in self.seen.values() if seen.pattern is not None]

    def take_pasts(self, db: Connection, measured: Mapping[Wanted, Curves]) -> None:
        """Learn which kinds the time before the deployment had."""
        for pattern in self.patterns:
            pattern.take_past(db, measured)

    # -- measuring ---------------------------------------------------------------------------------------------

    def wanted(self, now: Ms) -> list[Wanted]:
        """What is to be measured up to now."""
        plan = self.watch.plan
        every = plan.evaluate_every
        exprs = dict.fromkeys(t for seen in self.seen.values() for t in (seen.row.expr, seen.row.traffic) if t)
        found = [Wanted(expr, self.measured_until, now, every) for expr in exprs]
        if now - self.sampled_until >= self.step and plan.baseline.kind == "other_color":
            others = (t for seen in self.seen.values() for t in baseline.other_color(self.watch, seen.row) if t)
            found += [Wanted(expr, self.sampled_until, now, self.step) for expr in dict.fromkeys(others)]
        if self.followed:
            found += [each for seen in self._grave() for each in self._sources(seen, now)]
        return found

    def _grave(self) -> list[Seen]:
        """What has been critical at any time: of the others no action is asked whether it helped."""
        names = {kept.check for kept in self.book.kept if kept.level is Level.CRITICAL}
        return [seen for name, seen in self.seen.items() if name in names]

    def _sources(self, seen: Seen, now: Ms) -> list[Wanted]:
        """How new the samples are that the newest look reads."""
        every = self.watch.plan.evaluate_every
        last = now - now % every
        return [Wanted(expr, last - every, last, every) for expr in seen.sources] if last > self.measured_until else []

    def _witness(self, now: Ms, measured: Measured) -> None:
        """Keep how new the samples are of what this look has a usable value of."""
        last = now - now % self.watch.plan.evaluate_every
        if last <= self.measured_until:
            return
        for seen in self._grave():
            newest = seen.usable()
            if seen.away or not len(newest) or int(newest.times[-1]) != last:
                continue
            asked = self._sources(seen, now)
            # What began to be followed while another server answered is asked for at the next look.
            if all(each in measured for each in asked):
                at = freshness.newest([measured[each] for each in asked], last)
                seen.evidence = seen.evidence if at is None else max(seen.evidence, at)

    def resume_from(self, since: Ms) -> list[Wanted]:
        """After a restart: limits are looked at again from this instant on; what is measured of the time before."""
        every = self.watch.plan.evaluate_every
        self.measured_until = since - since % every
        self.sampled_until = self.measured_until - self.measured_until % self.step
        exprs = dict.fromkeys(t for seen in self.seen.values() for t in (seen.row.expr, seen.row.traffic) if t)
        found = [Wanted(expr, self.watch.started_at, self.measured_until, self.step) for expr in exprs]
        if self.watch.plan.baseline.kind == "other_color":
            others = (t for seen in self.seen.values() for t in baseline.other_color(self.watch, seen.row) if t)
            found += [Wanted(e, self.watch.started_at, self.sampled_until, self.step) for e in dict.fromkeys(others)]
        return found

    def retake(self, ctx: Context, measured: Measured) -> None:
        """Take what ``resume_from`` asked for; excursions in it that nobody has seen are found now."""
        self.busy = False
        for seen in self.seen.values():
            curves = measured[Wanted(seen.row.expr, self.watch.started_at, self.measured_until, self.step)]
            rates = None
            if seen.row.traffic:
                rates = measured[Wanted(seen.row.traffic, self.watch.started_at, self.measured_until, self.step)]
            if seen.pattern is not None and rates is not None:
                self._take_pattern(seen, seen.pattern, curves, rates)
                continue
            seen.coarse.add(baseline.samples_of(seen.row, curves, rates, self.step))
            if self.watch.plan.baseline.kind == "other_color" and seen.row.check.compare:
                expr, traffic = baseline.other_color(self.watch, seen.row)
                span = self.watch.started_at, self.sampled_until, self.step
                more = measured[Wanted(traffic, *span)] if traffic else None
                seen.other.add(baseline.samples_of(seen.row, measured[Wanted(expr, *span)], more, self.step))
            if seen.reference is not None:
                whole = seen.coarse.newest(1_000_000)
                self.book.history(ctx, seen.row, self.panel.excursions(whole, seen.reference), whole)

    def take(self, ctx: Context, now: Ms, measured: Measured) -> None:
        """Take what was measured up to ``now``: limits at each sample, excursions at each coarse one."""
        plan = self.watch.plan
        every = plan.evaluate_every
        sampling = now - self.sampled_until >= self.step
        for seen in self.seen.values():
            curves = measured[Wanted(seen.row.expr, self.measured_until, now, every)]
            traffic = measured[Wanted(seen.row.traffic, self.measured_until, now, every)] if seen.row.traffic else None
            seen.away = curves.error or (traffic.error if traffic is not None else "")
            if seen.pattern is not None and traffic is not None:
                self._take_pattern(seen, seen.pattern, curves, traffic)
                continue
            # Limits count events a second, as people write them.
            fine = baseline.samples_of(seen.row, curves, traffic, 1000)
            seen.fine.add(fine)
            if seen.crossing:
                self._limits(ctx, seen, fine)
            seen.fine.drop_before(now - HOUR)
            if any(at % self.step == 0 for at in fine.times.tolist()):
                seen.coarse.add(self._thinned(fine))
        if sampling:
            if plan.baseline.kind == "other_color":
                self._take_other(now, measured)
            self.sampled_until = now - now % self.step
            for seen in self.seen.values():
                self._excursions(ctx, seen)
                self._new_kinds(ctx, seen, now)
        if self.followed:
            self._witness(now, measured)
        self.measured_until = now - now % every

    def _take_pattern(self, seen: Seen, pattern: Pattern, counters: Curves, traffic: Curves) -> None:
        if seen.away:
            return
        pattern.take(thinned(counters, self.step), thinned(traffic, self.step), self.step)
        fine = pattern.curve(counters, traffic)
        seen.fine.add(fine)
        if len(fine):
            seen.fine.drop_before(int(fine.times[-1]) - HOUR)
        seen.coarse.add(self._thinned(fine))

    def _new_kinds(self, ctx: Context, seen: Seen, now: Ms) -> None:
        if seen.pattern is not None and not seen.away:
            found = seen.pattern.found(now, self.watch.plan.false_alarms, len(self.patterns))
            self.book.now(ctx, seen.row, Method.PATTERN, found, seen.coarse.newest(_SHOWN), now)

    def _thinned(self, fine: Samples) -> Samples:
        on_grid = fine.times % self.step == 0
        traffic = None if fine.traffic is None else fine.traffic[on_grid] * (self.step / 1000)
        return Samples(fine.times[on_grid], fine.values[on_grid], traffic)

    def _limits(self, ctx: Context, seen: Seen, fine: Samples) -> None:
        traffic: Sequence[float | None] = [None] * len(fine) if fine.traffic is None else fine.traffic.tolist()
        for at, value, events in zip(fine.times.tolist(), fine.values.tolist(), traffic, strict=True):
            finding = seen.crossing.feed(at, value, events)
            if finding is not None or self.book.open(seen.row.id, Method.LIMIT):
                self.book.now(ctx, seen.row, Method.LIMIT, finding, seen.fine.newest(_SHOWN), at)

    def _take_other(self, now: Ms, measured: Measured) -> None:
        for seen in self.seen.values():
            if not seen.row.check.compare:
                continue
            expr, traffic = baseline.other_color(self.watch, seen.row)
            curves = measured[Wanted(expr, self.sampled_until, now, self.step)]
            rates = measured[Wanted(traffic, self.sampled_until, now, self.step)] if traffic else None
            seen.other.add(baseline.samples_of(seen.row, curves, rates, self.step))
            everything = seen.other.newest(1_000_000)
            seen.reference = understand(everything, seen.row.measure(self.step))
            seen.missing = "" if seen.reference else "the other colour has too few samples yet"

    def _excursions(self, ctx: Context, seen: Seen) -> None:
        if seen.reference is None or not seen.row.check.compare:
            return
        lasting = self.book.open(seen.row.id, Method.EXCURSION)
        recent = seen.coarse.since(lasting[0].since - 3 * self.step) if lasting else seen.coarse.newest(_BEFORE)
        found = self.panel.excursions(recent, seen.reference)
        if found or lasting:
            self.book.history(ctx, seen.row, found, seen.coarse.newest(_SHOWN))

    # -- looks -------------------------------------------------------------------------------------------------

    def look(self, ctx: Context) -> None:
        """At a checkpoint: drift, trends, burn rates."""
        panel = self.panel
        for seen in self.seen.values():
            whole = seen.coarse.newest(1_000_000)
            row = seen.row
            if seen.reference is not None and row.check.compare:
                lasting = bool(self.book.open(row.id, Method.DRIFT))
                found = panel.drifting(whole, seen.reference, ctx.now, self.watch.started_at, lasting=lasting)
                self.book.now(ctx, row, Method.DRIFT, found, whole, ctx.now)
            if row.check.leak and ctx.now - self.watch.started_at >= _MINIMUM_LEAK:
                rule = Leak(limit=row.bounds.critical, usual=seen.usual_rise, unit=row.unit)
                self.book.now(ctx, row, Method.TREND, leak(whole, rule, max(panel.trend, 1e-4)), whole, ctx.now)
            if row.check.slo is not None:
                burnt = burning(seen.coarse.newest(1_000_000), row.check.slo / 100, ctx.now)
                self.book.now(ctx, row, Method.BURN, burnt, whole, ctx.now)

    def shows(self, kept: Kept, since: Ms) -> bool:
        """Whether the newest look that says something still shows what a critical finding is about.

        Limits hold at every look. The other ways look back over hours, or need calm samples before they say that it
        has passed: of them the newest value counts (a leak is gone when half of its rise is), or whether new kinds have
        gone on occurring since this instant.
        """
        seen = self.seen[kept.check]
        if kept.method is Method.LIMIT:
            return True
        if kept.method is Method.PATTERN and seen.pattern is not None:
            return seen.pattern.occurred_after((since + self.measured_until) // 2)
        newest = seen.usable().values[-1:]
        if not len(newest):
            return True
        if kept.method is Method.BURN and seen.row.check.slo is not None:
            return float(newest[0]) >= (1 - seen.row.check.slo / 100) * SLOWEST_CRITICAL
        if kept.method is Method.TREND:
            return _risen(seen.coarse.newest(1_000_000).usable(), float(newest[0]), since)
        if seen.reference is None:
            return True
        change = seen.reference.change(float(seen.reference.compare(newest)[0]))
        signs = seen.reference.measure.direction.signs
        return max(sign * change for sign in signs) >= SEVERE * seen.reference.measure.tolerance

    def given_way(self, check: str, since: Ms) -> bool:
        """Whether the new colour shows nothing any more and the other one does: its traffic has gone back."""
        seen = self.seen[check]
        if self.watch.plan.baseline.kind != "other_color" or seen.away:
            return False
        own, other = seen.fine.newest(1), seen.other.newest(1)
        gone = len(own) > 0 and int(own.times[-1]) > since and not np.isfinite(own.values[-1])
        return gone and len(other) > 0 and int(other.times[-1]) > since and bool(np.isfinite(other.values[-1]))

    def unknown(self, seen: Seen, since: Ms, now: Ms) -> str:
        """Why a row cannot be judged over a period; empty where it can."""
        if seen.away:
            return f"the source is away: {seen.away}"
        part = seen.coarse.since(since)
        # A version that is out for less than a few samples is judged by what is there.
        expected = max(seen.row.check.minimum_samples, int(0.5 * (now - since) // self.step))
        present = int(np.isfinite(part.values).sum())
        usable = len(part.usable(seen.row.measure(self.step).minimum_traffic))
        if present < min(expected, seen.row.check.minimum_samples):
            return f"no data: {present} samples since {(now - since) // MINUTE} min ago"
        if usable < expected:
            if usable < present:
                least = seen.row.minimum_traffic
                return f"too little traffic: {usable} of {len(part)} samples have {least:g} events a second or more"
            return f"too few samples: {usable} of {len(part)}, {expected} are needed"
        if seen.pattern is not None and seen.pattern.missing:
            return seen.pattern.missing
        if seen.row.check.compare and seen.reference is None and not seen.row.limits():
            return seen.missing or "there is no baseline, and no limits"
        return ""

    def reading(self, seen: Seen) -> dict[str, object]:
        """The row's newest value beside what it is held against, for a checkpoint."""
        newest = seen.fine.newest(1)
        value = float(newest.values[0]) if len(newest) and np.isfinite(newest.values[0]) else None
        traffic = None
        if newest.traffic is not None and len(newest) and np.isfinite(newest.traffic[0]):
            traffic = float(newest.traffic[0])
        bounds, check = seen.row.bounds, seen.row.check
        usual = bounds.baseline
        if seen.reference is not None:
            usual = float(np.exp(seen.reference.centre)) if seen.reference.logarithmic else seen.reference.centre
        lasting = self.book.open(seen.row.id)
        state = "ok" if value is not None else "unknown"
        for level in (Level.WARNING, Level.CRITICAL):
            if any(kept.level is level for kept in lasting):
                state = str(level)
        return {
            "value": value, "traffic": traffic, "unit": check.unit, "service": seen.row.service, "baseline": usual,
            "target": bounds.target, "warning": bounds.warning, "critical": bounds.critical, "state": state,
            "direction": check.direction,
        }  # fmt: skip


def _risen(samples: Samples, newest: float, since: Ms) -> bool:
    """Whether a value that had risen until an instant has come down by less than half of the rise."""
    before = samples.values[samples.times <= since]
    return not len(before) or newest > float(np.median(before[:_ENDS]) + np.median(before[-_ENDS:])) / 2
