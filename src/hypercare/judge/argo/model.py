"""The words of an analysis: phases, metrics, measurements, results, runs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from hypercare.model.time import Ms

ERROR_RETRY: Final = 10 * SECOND
"""How soon a measurement that had an error is tried again."""


class Phase(enum.StrEnum):
    """What became of a measurement, a metric or a run; EMPTY where nothing is known yet."""

    EMPTY = ""
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"

    @property
    def completed(self) -> bool:
        """Whether it is over."""
        return self in {Phase.SUCCESSFUL, Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE}


_WORSE: Final = (
    Phase.SUCCESSFUL,
    Phase.RUNNING,
    Phase.PENDING,
    Phase.INCONCLUSIVE,
    Phase.ERROR,
    Phase.FAILED,
)


def is_worse(current: Phase, new: Phase) -> bool:
    """Whether `new` is worse than `current`; anything is worse than EMPTY."""
    return current is Phase.EMPTY or _WORSE.index(new) > _WORSE.index(current)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, and what its outcomes mean.

    Attributes:
        name: within the run.
        success_condition: expression over `result`; empty for none.
        failure_condition: the same.
        failure_limit: more failures than this fail the metric; below zero there is no limit.
        inconclusive_limit: the same for inconclusive ones, which leave it inconclusive.
        consecutive_error_limit: the same for errors in a row.
        consecutive_success_limit: so many successes in a row end it well; 0 for none.
        count: measurements to take; None: one without an interval, else no end.
        interval: between measurements, ms; None for none.
        initial_delay: before the first one, ms.
        bad_interval: it has an interval that is no duration: it is measured once.
        bad_delay: it has an initial delay that is no duration: it is never measured.
        query: PromQL of the prometheus provider; empty where there is none.

    """

    name: str = ""
    success_condition: str = ""
    failure_condition: str = ""
    failure_limit: int = 0
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int = 0
    count: int | None = None
    interval: Ms | None = None
    initial_delay: Ms | None = None
    bad_interval: bool = False
    bad_delay: bool = False
    query: str = ""

    @property
    def effective_count(self) -> int | None:
        """Measurements to take; None for no end. A count of zero is none."""
        if self.count:
            return self.count
        return 1 if self.interval is None and not self.bad_interval else None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement; times in ms since the epoch, None where it has not started, finished, or is not resumed."""

    phase: Phase = Phase.EMPTY
    value: str = ""
    message: str = ""
    started_at: Ms | None = None
    finished_at: Ms | None = None
    resume_at: Ms | None = None


@dataclass(frozen=True, slots=True)
class MetricResult:
    """What a metric has come to so far: counters, and the measurements, oldest first."""

    name: str = ""
    phase: Phase = Phase.EMPTY
    message: str = ""
    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    consecutive_error: int = 0
    consecutive_success: int = 0
    dry_run: bool = False
    measurements: tuple[Measurement, ...] = ()

    @property
    def last(self) -> Measurement | None:
        """The newest measurement."""
        return self.measurements[-1] if self.measurements else None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How many metrics came to what."""

    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """An analysis run.

    Attributes:
        metrics: to measure.
        dry_run: names of metrics whose outcome does not count.
        results: so far, in the order in which they came.
        phase: of the run.
        message: why; empty while it runs.
        started_at: ms; None before the first look.
        terminate: it was told to end.
        summary: of the metrics that count.
        dry_run_summary: of the others; None before the first look.

    """

    metrics: tuple[Metric, ...]
    dry_run: frozenset[str] = frozenset()
    results: tuple[MetricResult, ...] = ()
    phase: Phase = Phase.EMPTY
    message: str = ""
    started_at: Ms | None = None
    terminate: bool = False
    summary: RunSummary = RunSummary()
    dry_run_summary: RunSummary | None = None

    def result(self, name: str) -> MetricResult | None:
        """The result of a metric; None where it was not measured yet."""
        return next((result for result in self.results if result.name == name), None)

    @property
    def terminating(self) -> bool:
        """Whether it ends: it was told to, or a metric that counts has not succeeded."""
        bad = {Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE}
        return self.terminate or any(result.phase in bad and not result.dry_run for result in self.results)
