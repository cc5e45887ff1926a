"""Everything that is known of a deployment's watch, put together: rows, and the curves of its checks."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.deploys import baseline, store
from hypercare.deploys.checks import rows_of
from hypercare.deploys.meter import Curves, Wanted, placed, question_of
from hypercare.judge.series import Samples
from hypercare.model.units import PLAIN
from hypercare.promql import PromqlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypercare.app import App
    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.observation import Column, Observation
    from hypercare.deploys.store import Checkpoint, Entry, Given, Request, StoredFinding, StoredVerdict, Watch
    from hypercare.model.samples import SampleSource
    from hypercare.model.time import Ms
    from hypercare.model.units import Unit

MEMORY: Final = "memory"
METRICS: Final = "metrics"
CHECKPOINTS: Final = "checkpoints"
_KEPT: Final = 8
_WAIT: Final = 10.0
"""Seconds that a page or a report waits for another server's samples of two days."""
_GRAVITY: Final = {"note": 0, "warning": 1, "critical": 2}


@dataclasses.dataclass(frozen=True, slots=True)
class CheckCurves:
    """What one check measured.

    Attributes:
        during: since the version went out.
        before: the recorded baseline; none where there is none.
        other: the other colour at the same time; none unless the plan compares with it.
        missing: why there is no baseline; empty where there is one or none is wanted.
        source: where ``during`` comes from: ``memory`` of a running watch, ``metrics``, or the readings of the
            ``checkpoints`` where the metrics are gone (or another server that has them is away).

    """

    row: CheckRow
    during: Samples
    before: Samples | None = None
    other: Samples | None = None
    missing: str = ""
    source: str = METRICS

    @property
    def against(self) -> Samples | None:
        """What the check is held against: the other colour, or what was recorded before."""
        return self.before if self.other is None else self.other


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """One watch, whole, as it is at ``now``."""

    watch: Watch
    now: Ms
    checks: tuple[CheckCurves, ...]
    checkpoints: tuple[Checkpoint, ...]
    findings: tuple[StoredFinding, ...]
    verdicts: tuple[StoredVerdict, ...]
    answers: dict[str, Given]
    requests: tuple[Request, ...]
    journal: tuple[Entry, ...]

    @property
    def running(self) -> bool:
        """Whether the watch goes on."""
        return self.watch.status == store.RUNNING

    @property
    def end(self) -> Ms:
        """Until when there is something to tell: its end, or now."""
        return min(self.now, self.watch.ends_at) if self.watch.ended_at is None else self.watch.ended_at

    @property
    def next_checkpoint(self) -> Checkpoint | None:
        """The one that comes next; none after the last, and once the watch has ended."""
        return next((p for p in self.checkpoints if p.taken_at is None), None) if self.running else None

    def findings_of(self, check: str) -> tuple[StoredFinding, ...]:
        """Those of one check."""
        return tuple(f for f in self.findings if f.check == check)

    def state_of(self, check: str) -> str:
        """How a check stands: ok, note, warning, critical, or unknown where nothing was measured.

        While the watch runs that is what lasts; afterwards the worst there was.
        """
        found = [f.level for f in self.findings_of(check) if not self.running or f.until is None]
        if found:
            return max(found, key=lambda level: _GRAVITY.get(level, 0))
        curves = next((c for c in self.checks if c.row.id == check), None)
        return "ok" if curves is not None and np.isfinite(curves.during.values).any() else "unknown"

    def unit_of(self, check: str) -> Unit:
        """Of a check's values."""
        return next((c.row.unit for c in self.checks if c.row.id == check), PLAIN)

    def reading_of(self, check: str) -> dict[str, Any]:
        """The newest reading at a checkpoint; empty before the first."""
        for point in reversed(self.checkpoints):
            if check in point.readings:
                found: dict[str, Any] = point.readings[check]
                return found
        return {}


class Stories:
    """Puts stories together; the curves of watches that have ended are kept, for they change no more."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept: dict[tuple[str, Ms], tuple[CheckCurves, ...]] = {}

    def of(self, watch: Watch) -> Story:
        """The story of a watch; its curves come from memory, metrics or checkpoints, whichever has them."""
        app, now = self._app, self._app.ports.clock.now()
        with app.state.read() as db:
            checkpoints = store.load_checkpoints(db, watch.id)
            findings = store.load_findings(db, watch.id)
            verdicts = store.load_verdicts(db, watch.id)
            answers, requests = store.load_answers(db, watch.id), store.load_requests(db, watch.id)
            journal = store.load_journal(db, watch.id)
            recorded = store.load_baselines(db, watch.id)
        curves = self._curves(watch, recorded, checkpoints, now)
        return Story(watch, now, curves, checkpoints, findings, verdicts, answers, requests, journal)

    def _curves(
        self,
        watch: Watch,
        recorded: Mapping[str, tuple[Samples | None, str]],
        checkpoints: tuple[Checkpoint, ...],
        now: Ms,
    ) -> tuple[CheckCurves, ...]:
        observed = self._app.deploys.observed.get(watch.id)
        if observed is not None:
            return tuple(_remembered(observed, row, recorded) for row in rows_of(watch))
        key = watch.id, watch.ended_at or 0
        if watch.ended_at is None or key not in self._kept:
            found = _measured(self._app, watch, recorded, checkpoints, watch.ended_at or now)
            # Another server may be back when it is looked at again.
            away = self._app.backend.settings is not None and any(c.source == CHECKPOINTS for c in found)
            if watch.ended_at is None or away:
                return found
            while len(self._kept) >= _KEPT:
                # Several threads answer at once: another may have taken it out already.
                self._kept.pop(next(iter(tuple(self._kept)), key), None)
            self._kept[key] = found
            return found
        return self._kept[key]


def _remembered(
    observed: Observation, row: CheckRow, recorded: Mapping[str, tuple[Samples | None, str]]
) -> CheckCurves:
    """From the running watch; its columns only grow, and are read while they do."""
    seen = observed.seen[row.id]
    before, missing = recorded.get(row.id, (None, ""))
    other = _copied(seen.other) if observed.watch.plan.baseline.kind == "other_color" and row.check.compare else None
    return CheckCurves(row, _copied(seen.coarse), before, other, seen.missing or missing, MEMORY)


def _copied(column: Column) -> Samples:
    times, values = list(column.times), list(column.values)
    traffic = None if column.traffic is None else list(column.traffic)
    # The thread of the watch appends one list after the other.
    count = min(len(times), len(values), len(times) if traffic is None else len(traffic))
    weights = None if traffic is None else np.array(traffic[:count], dtype=np.float64)
    return Samples(np.array(times[:count], dtype=np.int64), np.array(values[:count], dtype=np.float64), weights)


def _measured(
    app: App,
    watch: Watch,
    recorded: Mapping[str, tuple[Samples | None, str]],
    checkpoints: tuple[Checkpoint, ...],
    end: Ms,
) -> tuple[CheckCurves, ...]:
    """From the metrics; from the checkpoints where those are gone."""
    step = watch.plan.sample_every
    comparing = watch.plan.baseline.kind == "other_color"
    pairs: list[tuple[CheckRow, tuple[str, str] | None]] = [
        (row, baseline.other_color(watch, row) if comparing and row.check.compare else None) for row in rows_of(watch)
    ]
    texts = [text for row, other in pairs for text in (row.expr, row.traffic, *(other or ())) if text]
    known = _ranges(app, [Wanted(text, watch.started_at, end, step) for text in dict.fromkeys(texts)])

    def samples(row: CheckRow, expr: str, traffic: str) -> Samples:
        return baseline.samples_of(row, known[expr], known[traffic] if traffic else None, step)

    found: list[CheckCurves] = []
    for row, compared in pairs:
        during, origin = samples(row, row.expr, row.traffic), METRICS
        if not np.isfinite(during.values).any():
            during, origin = _read(row.id, checkpoints), CHECKPOINTS
        other = samples(row, *compared) if compared is not None else None
        before, missing = recorded.get(row.id, (None, ""))
        found.append(CheckCurves(row, during, before, other, missing, origin))
    return tuple(found)


def _ranges(app: App, wanted: Sequence[Wanted]) -> dict[str, Curves]:
    """What expressions gave, by their texts."""
    if app.backend.settings is not None:
        asked = {each: question_of(each) for each in wanted}
        told = app.backend.look(list(asked.values()), _WAIT)
        return {each.expr: placed(each, told.get(question)) for each, question in asked.items()}
    source = app.tsdb.snapshot()
    return {each.expr: _range(app, source, each) for each in wanted}


def _range(app: App, source: SampleSource, wanted: Wanted) -> Curves:
    times = wanted.times
    if not len(times):
        return Curves(times)
    try:
        result = app.engine.range(source, wanted.expr, int(times[0]), int(times[-1]), wanted.step)
    except PromqlError as error:
        return Curves(times, error=str(error))
    triples = zip(result.labels, result.values, result.present, strict=True)
    return Curves(times, tuple((labels, np.where(present, values, np.nan)) for labels, values, present in triples))


def _read(check: str, checkpoints: Iterable[Checkpoint]) -> Samples:
    """One sample a checkpoint, as it was read then."""
    pairs = [
        (point.taken_at, point.readings[check].get("value"))
        for point in checkpoints
        if point.taken_at is not None and check in point.readings
    ]
    times = np.array([at for at, _ in pairs], dtype=np.int64)
    return Samples(times, np.array([math.nan if v is None else v for _, v in pairs], dtype=np.float64))
