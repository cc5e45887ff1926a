"""Gives recorded samples to the App at their times, on the way that a Prometheus takes that sends it its samples.

Not as answers to scrapes of ours: those would come at other instants than the recorded ones, and rates with them would
be others. So a replay scrapes nothing; whatever was scraped then, ``up`` included, is in the recording.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.ingest.service import REMOTE_WRITE, Write
from hypercare.model.ingest import FloatColumns, WriteBatch
from hypercare.model.samples import is_stale
from hypercare.model.time import SECOND
from hypercare.rehearse.backtest import Backtest
from hypercare.rules.spec import from_files, surroundings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from hypercare.app import App
    from hypercare.config import Config
    from hypercare.model.ingest import WriteResult
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Ints
    from hypercare.model.time import Ms
    from hypercare.rehearse.recording.piece import Piece, Recording
    from hypercare.sim.world import World

_SOURCE: Final = f"{REMOTE_WRITE}/replay"


def unscraped(config: Config) -> Config:
    """The same configuration, which collects nothing, asks no other server and sends no samples on."""
    given = config.hypercare
    collect = given.collect
    collect = collect.model_copy(
        update={
            "host": collect.host.model_copy(update={"enabled": False}),
            "self_": collect.self_.model_copy(update={"enabled": False}),
        }
    )
    changed = {
        "collect": collect,
        "metrics": given.metrics.model_copy(update={"backend": None}),
        "services": tuple(service.model_copy(update={"health": ()}) for service in given.services),
    }
    nothing: dict[str, tuple[()]] = {"scrape_configs": (), "remote_write": ()}
    return dataclasses.replace(
        config,
        hypercare=given.model_copy(update=changed),
        prometheus=config.prometheus.model_copy(update=nothing),
    )


def written_by_rules(config: Config) -> Callable[[Labels], bool]:
    """Which series the rules of a configuration write themselves: what another server's rules wrote is left out."""
    defaults = config.prometheus.global_
    groups = from_files(config.rules, defaults.evaluation_interval, defaults.rule_query_offset)
    return Backtest(groups, surroundings_of(config)).writes


@dataclasses.dataclass(slots=True)
class Fed:
    """What was given to the App.

    Attributes:
        series: with a sample.
        samples: stored, staleness markers apart.
        of_rules: samples left out because the rules of the configuration write those series.
        first, last: recorded times of the first and the last sample; none: there was none.
        refused: samples that the store did not take.
        problems: why, one sentence a kind.

    """

    series: int = 0
    samples: int = 0
    of_rules: int = 0
    first: Ms | None = None
    last: Ms | None = None
    refused: int = 0
    problems: dict[str, None] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        found = dataclasses.asdict(self)
        return {**found, "problems": list(self.problems)}


class Feeder:
    """Feeds one App from one recording.

    Whenever a step of the kernel is done, all samples up to its instant are stored; between two steps they wait for
    each other and are stored together.

    Args:
        shift: added to recorded times, ms.
        own: series that are left out.
        end: of the replay.

    Attributes:
        fed: what came of it so far.

    """

    def __init__(
        self, recording: Recording, app: App, world: World, shift: Ms, own: Callable[[Labels], bool], end: Ms
    ) -> None:
        self.fed = Fed()
        self._app, self._world, self._shift, self._own, self._end = app, world, shift, own, end
        self._pieces: Iterator[Piece] = recording.pieces()
        self._piece: Piece | None = None
        self._at = 0
        self._histograms_until: Ms = 0
        # By identity: one series is one object in all pieces. The objects are held, so that no identity is used twice.
        self._known: dict[int, tuple[Labels, bool]] = {}
        self._kept: Bools = np.empty(0, dtype=np.bool_)
        self._futures: list[Future[WriteResult]] = []
        self._next_piece()

    def _next_piece(self) -> None:
        """Take up the next piece, and wake up for it."""
        self._piece = next(self._pieces, None)
        self._at = 0
        if self._piece is None:
            return
        for labels in self._piece.labels:
            if id(labels) not in self._known:
                self._known[id(labels)] = labels, not self._own(labels)
        self._kept = np.array([self._known[id(labels)][1] for labels in self._piece.labels], dtype=np.bool_)
        self._histograms_until = _first(self._piece) - 1
        self._wake(_first(self._piece) + self._shift)

    def _wake(self, due: Ms) -> None:
        # A moment early: a timer of that very instant is to find the sample.
        self._world.at(max(due - 1, self._world.clock.now()), self._feed)

    def _feed(self) -> None:
        self._note()
        now, piece = self._world.clock.now(), self._piece
        if piece is None:
            return
        dues = [due for due in (self._app.kernel.next_due(), self._world.next_due()) if due is not None]
        looked_at = min(dues, default=now + SECOND)
        if now < min(looked_at - 1, self._end):
            # Nobody looks before.
            self._world.at(min(looked_at - 1, self._end), self._feed)
            return
        until = now + 1 - self._shift
        behind = int(np.searchsorted(piece.times, until, side="right"))
        self._deliver(piece, self._at, behind, until)
        self._at = behind
        following = [int(piece.times[behind])] if behind < len(piece.times) else []
        following += [int(t[0]) for s in piece.histograms if len(t := s.times[s.times > until])]
        if following:
            self._wake(min(following) + self._shift)
        else:
            self._next_piece()

    def _deliver(self, piece: Piece, first: int, behind: int, until: Ms) -> None:
        part = slice(first, behind)
        numbers, times, values = piece.numbers[part], piece.times[part], piece.values[part]
        kept = self._kept[numbers] if len(numbers) else np.empty(0, dtype=np.bool_)
        self.fed.of_rules += int((~kept).sum())
        numbers, times, values = numbers[kept], times[kept], values[kept]
        histograms = tuple(
            series._replace(
                times=series.times[low:high] + self._shift,
                values=series.values[low:high],
                starts=None if series.starts is None else series.starts[low:high],
            )
            for series in piece.histograms
            for low, high in [np.searchsorted(series.times, (self._histograms_until, until), side="right").tolist()]
            if low < high
        )
        self._histograms_until = until
        if not len(numbers) and not histograms:
            return
        self._count(times)
        self.fed.samples -= int(is_stale(np.ascontiguousarray(values)).sum())
        labels = [piece.labels[number] for number in numbers.tolist()]
        columns = FloatColumns(labels, times + self._shift, values) if labels else None
        batch = WriteBatch(_SOURCE, histograms=histograms, singles=columns)
        self._futures.append(self._app.kernel.call(Write(batch)))

    def _count(self, times: Ints) -> None:
        if len(times):
            self.fed.first = int(times[0]) if self.fed.first is None else self.fed.first
            self.fed.last = int(times[-1])

    def _note(self) -> None:
        """See what became of the batches that the kernel has taken."""
        while self._futures and self._futures[0].done():
            result = self._futures.pop(0).result()
            self.fed.samples += result.appended + result.histograms
            self.fed.refused += result.conflicts + result.too_old
            self.fed.problems.update(dict.fromkeys(result.problems[: 10 - len(self.fed.problems)]))

    def close(self) -> Fed:
        """Look once more; how much it was in the end."""
        self._note()
        self.fed.series = sum(kept for _, kept in self._known.values())
        return self.fed


def _first(piece: Piece) -> Ms:
    starts = [int(series.times[0]) for series in piece.histograms]
    starts += [int(at) for at in piece.times[:1]]
    return min(starts)
