"""False alarms and faults found by the judge: on the PetShop data set and on autoregressive worlds.

``python -m benchmarks.judge FOLDER --seeds 1 2 3 --watches 200``: any part of the data set that has a fault-free run serves.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, Scale, table
from benchmarks.petshop import Column, Sheet, Traffic, load, splice
from hypercare.judge.findings import Finding, Level
from hypercare.judge.panel import Panel
from hypercare.judge.reference import Measure, Reference, understand
from hypercare.judge.series import Direction, Samples
from hypercare.judge.series import Scale as Kind
from hypercare.judge.special import normal_quantile
from hypercare.model.time import DAY, HOUR, MINUTE

STEP = 5 * MINUTE
SAMPLES = 2 * DAY // STEP
LOOKS = (
    *range(15 * MINUTE, 4 * HOUR + 1, 15 * MINUTE),
    *range(6 * HOUR, DAY + 1, 2 * HOUR),
    *range(DAY + 4 * HOUR, 2 * DAY + 1, 4 * HOUR),
)
EDGE = 10
BEGINS = {"from the start": 0, "from hour 2": 2 * HOUR, "from hour 10": 10 * HOUR}
PROMISED = {"from the start": 1, "from hour 10": 4}
"""Hours to the finding, medians; from hour 2 on nothing is promised."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """How many watches ended how."""

    watches: int = 0
    failures: int = 0
    concerns: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.watches + other.watches, self.failures + other.failures, self.concerns + other.concerns)


def judged(watch: Sheet, references: dict[Column, Reference], panel: Panel) -> list[tuple[Column, Finding]]:
    """All findings of a whole watch, drift at each of its looks until it is found."""
    found: list[tuple[Column, Finding]] = []
    for column, reference in references.items():
        found += [(column, each) for each in one(watch.check(column), reference, panel)]
    return [(column, each) for column, each in found if each.level is not Level.NOTE]


def one(samples: Samples, reference: Reference, panel: Panel) -> list[Finding]:
    drifts = (panel.drifting(samples, reference, now, 0) for now in LOOKS)
    first = next((each for each in drifts if each), None)
    return panel.excursions(samples, reference) + ([first] if first else [])


def ended(found: list[Finding]) -> Counted:
    failed = any(each.level is Level.CRITICAL for each in found)
    return Counted(1, int(failed), int(bool(found) and not failed))


def fault_free(traffic: Traffic, rng: np.random.Generator, watches: int, *, resampled: bool) -> Counted:
    """Watches in which nothing was injected, against the recorded run or against a baseline resampled for each."""
    recorded = traffic.references
    total = Counted()
    for _ in range(watches):
        references = recorded
        if resampled:
            references = dataclasses.replace(traffic, quiet=traffic.resample(rng, SAMPLES)).references
        found = judged(traffic.resample(rng, SAMPLES), references, _panel(len(recorded)))
        total += ended([each for _, each in found])
    return total


def _panel(checks: int) -> Panel:
    return Panel(checks, LOOKS, SAMPLES, STEP)


def injected(traffic: Traffic, rng: np.random.Generator) -> tuple[list[str], list[int]]:
    """The issues that were not found, and for the others after how many samples since the fault."""
    references = traffic.references
    missed: list[str] = []
    delays: list[int] = []
    for issue in traffic.issues:
        at = int(rng.integers(EDGE, SAMPLES - EDGE))
        watch = splice(traffic.resample(rng, SAMPLES), issue, at)
        fault = at + issue.fault
        last = at + len(issue.sheet.times)
        rows = [
            int(np.searchsorted(watch.times, each.at))
            for _, each in judged(watch, references, _panel(len(references)))
            if watch.times[fault] <= each.at <= watch.times[last]
        ]
        if rows:
            delays.append(min(rows) - fault)
        else:
            missed.append(issue.name)
    return missed, delays


def autoregressive(rng: np.random.Generator, count: int, sigma: float, phi: float = 0.7) -> np.ndarray:
    noise = rng.standard_normal(count + 60) * np.sqrt(1 - phi * phi)
    series = np.zeros(count + 60)
    for at in range(1, len(series)):
        series[at] = phi * series[at - 1] + noise[at]
    return 0.4 * np.exp(sigma * series[60:])


def worlds(
    rng: np.random.Generator, watches: int, sigma: float, checks: int = 10
) -> tuple[Counted, dict[str, list[float]]]:
    """Watches of ten autoregressive latencies; and in one of them a quarter more from the start, from hour 2 or from hour 10 on, in hours to the finding."""
    measure = Measure(Direction.HIGH, Kind.LEVEL, 0.1)
    panel, total = _panel(checks), Counted()
    hours: dict[str, list[float]] = {name: [] for name in BEGINS}
    times = (np.arange(SAMPLES, dtype=np.int64) + 1) * STEP
    for _ in range(watches):
        found: list[Finding] = []
        for check in range(checks):
            reference = understand(Samples(times, autoregressive(rng, SAMPLES, sigma)), measure)
            assert reference is not None
            values = autoregressive(rng, SAMPLES, sigma)
            found += [each for each in one(Samples(times, values), reference, panel) if each.level is not Level.NOTE]
            if check == 0:
                for name, begin in BEGINS.items():
                    more = np.where(times > begin, values * 1.25, values)
                    late = [e.at for e in one(Samples(times, more), reference, panel) if e.at > begin]
                    hours[name].append((min(late) - begin) / HOUR if late else 48.0)
        total += ended(found)
    return total, hours


def least(sigma: float, checks: int = 10, phi: float = 0.7) -> float:
    """No test with these false alarms has a smaller median of hours for a quarter more from the start, whatever it knows.

    What a sequential test has found by a look is no more than the most powerful single test at that look finds, at the
    chance that the check may spend in all (Neyman and Pearson 1933): here of a known level, scatter, memory and size.
    """
    shift, chance = np.log(1.25) / sigma, _panel(checks).false_alarms / checks
    for look in LOOKS:
        # The first sample says all it has, each further one what its predecessor did not.
        information = 1 + (look // STEP - 1) * (1 - phi) / (1 + phi)
        if shift * np.sqrt(information) >= normal_quantile(1 - chance):
            return look / HOUR
    return 48.0


def figures(folder: Path, seeds: list[int], watches: int) -> list[Figure]:
    parts = load(folder)
    found: list[Figure] = []
    for resampled in (False, True):
        total = Counted()
        for traffic in parts:
            for seed in seeds:
                total += fault_free(traffic, np.random.default_rng(seed), watches, resampled=resampled)
        against = "a baseline resampled as well" if resampled else "the recorded run"
        limits = (None, None) if resampled else (1, 5)
        note = f"{total.watches} watches of 48 h, blocks of 4 h, {' and '.join(f'{len(t.checks)} checks ({t.name})' for t in parts)}"
        found += [
            Figure(
                f"false FAILURE against {against}",
                100 * total.failures / total.watches,
                "%",
                limit=limits[0],
                note=note,
            ),
            Figure(
                f"false CONCERNS against {against}",
                100 * total.concerns / total.watches,
                "%",
                limit=limits[1],
                note=note,
            ),
        ]
    missed, delays = [], []
    for traffic in parts:
        for seed in seeds:
            gone, late = injected(traffic, np.random.default_rng(seed))
            missed += gone
            delays += late
    count = len(missed) + len(delays)
    note = f"{count // len(seeds)} issues, {len(seeds)} places each; missed: {', '.join(sorted(set(missed))) or 'none'}"
    found.append(Figure("injected issues not found", 100 * len(missed) / count, "%", limit=5, note=note))
    found.append(Figure("delay to the finding, mean", float(np.mean(delays)), "samples", limit=2, note=note))
    return found + ar_figures(seeds, max(20, watches // 2))


def ar_figures(seeds: list[int], watches: int) -> list[Figure]:
    found: list[Figure] = []
    for sigma in (0.05, 0.1):
        total = Counted()
        hours: dict[str, list[float]] = {name: [] for name in BEGINS}
        for seed in seeds:
            more, times = worlds(np.random.default_rng(seed), watches, sigma)
            total += more
            for name, values in times.items():
                hours[name] += values
        name = f"AR(0.7), scatter {sigma:.0%}"
        note = f"{total.watches} watches of 10 checks"
        found += [
            Figure(f"{name}: false FAILURE", 100 * total.failures / total.watches, "%", limit=1, note=note),
            Figure(f"{name}: false CONCERNS", 100 * total.concerns / total.watches, "%", limit=5, note=note),
        ]
        for begin, late in hours.items():
            what = f"{name}: a quarter more {begin}"
            how = f"{note}; no test needs less than {least(sigma):g} h" if BEGINS[begin] == 0 else note
            found += [
                Figure(f"{what}, median", float(np.median(late)), "h", limit=PROMISED.get(begin), note=how),
                Figure(f"{what}, 95th percentile", float(np.quantile(late, 0.95)), "h", note=note),
            ]
    return found


def _folder() -> Path:
    root = os.environ.get("HYPERCARE_CONFORMANCE", Path(__file__).parents[2] / "shared" / "conformance")
    return Path(root) / "petshop" / "dataset"


def run(scale: Scale) -> list[Figure]:
    if not _folder().is_dir():
        return ar_figures([1], scale(100, 5))
    return figures(_folder(), [1, 2] if not scale.quick else [1], scale(100, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=_folder())
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--watches", type=int, default=100, help="fault-free watches a seed and part")
    given = parser.parse_args()
    print(table([("judge", each) for each in figures(given.folder, given.seeds, given.watches)], markdown=False))


if __name__ == "__main__":
    main()
