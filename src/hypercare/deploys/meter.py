"""Measuring: expressions over spans of time, by the embedded engine at once or by another server some time later."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from hypercare.model.labels import EMPTY
from hypercare.promql import PromqlError, Tick
from hypercare.rules.answers import Question, on_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypercare.kernel import Context, Kernel
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.promql import Engine, Together
    from hypercare.rules.answers import Answer, Answers, Elsewhere
    from hypercare.tsdb import Tsdb


class Wanted(NamedTuple):
    """An expression at the instants that are whole multiples of ``step`` with start < t <= end."""

    expr: str
    start: Ms
    end: Ms
    step: Ms

    @property
    def times(self) -> Ints:
        """The instants, int64[n]."""
        first = (self.start // self.step + 1) * self.step
        return np.arange(first, self.end + 1, self.step, dtype=np.int64)


@dataclasses.dataclass(frozen=True, slots=True)
class Curves:
    """What an expression gave.

    Attributes:
        times: int64[n].
        series: label sets with their values, float64[n], NaN where there is none.
        error: why there is no answer; empty where there is one.

    """

    times: Ints
    series: tuple[tuple[Labels, Floats], ...] = ()
    error: str = ""

    def alone(self) -> Floats:
        """The one series; where there are several, their sum is not guessed: the first. None: NaN."""
        return self.series[0][1] if self.series else np.full(len(self.times), np.nan)

    def of(self, label: str, value: str) -> Floats:
        """The series with this label value; none: NaN."""
        for labels, values in self.series:
            if labels.get(label) == value:
                return values
        return np.full(len(self.times), np.nan)


Measured: TypeAlias = "Mapping[Wanted, Curves]"


@dataclasses.dataclass(frozen=True, slots=True)
class _Arrived:
    token: int
    answers: Answers


class Meter:
    """Measures for one room.

    Attributes:
        elsewhere: the other server that answers; none: the embedded engine does.

    """

    def __init__(self, engine: Engine, tsdb: Tsdb) -> None:
        self._engine = engine
        self._tsdb = tsdb
        self._kernel: Kernel | None = None
        self._waiting: dict[int, tuple[Sequence[Wanted], Callable[[Context, Measured], None]]] = {}
        self._tokens = 0
        self.elsewhere: Elsewhere | None = None

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        kernel.on_message(_Arrived, self._on_arrived)

    def measure(
        self,
        ctx: Context,
        wanted: Sequence[Wanted],
        then: Callable[[Context, Measured], None],
        together: Together | None = None,
    ) -> None:
        """Measure, then go on: within this step with the embedded engine, in a later one with another server.

        What waits for another server is forgotten at a restart; whoever asked asks again. Who asks for the same again
        and again keeps what is ``together`` for that.
        """
        wanted = tuple(dict.fromkeys(wanted))
        if self.elsewhere is None:
            source = self._tsdb.snapshot()
            # One instant at a time shares what the expressions have in common, as the rules of one tick do.
            ticks: defaultdict[int, Tick] = defaultdict(partial(Tick, quiet=True, together=together))
            with np.errstate(all="ignore"):
                measured = {each: self._own(source, each, ticks) for each in wanted}
            then(ctx, measured)
            return
        self._tokens += 1
        token = self._tokens
        self._waiting[token] = (wanted, then)
        server, kernel = self.elsewhere, self._kernel
        questions = [question_of(each) for each in wanted]
        if kernel is not None:
            ctx.after_commit(lambda: server.ask(questions, lambda answers: kernel.post(_Arrived(token, answers))))

    def _own(self, source: SampleSource, wanted: Wanted, ticks: defaultdict[int, Tick]) -> Curves:
        times = wanted.times
        if not len(times):
            return Curves(times)
        try:
            if len(times) == 1:
                return self._instant(source, wanted.expr, times, ticks[int(times[0])])
            result = self._engine.range(source, wanted.expr, int(times[0]), int(times[-1]), wanted.step)
        except PromqlError as error:
            return Curves(times, error=str(error))
        series = tuple(
            (labels, np.where(present, values, np.nan))
            for labels, values, present in zip(result.labels, result.values, result.present, strict=True)
        )
        return Curves(times, series)

    def _instant(self, source: SampleSource, expr: str, times: Ints, tick: Tick) -> Curves:
        result = self._engine.instant(source, expr, int(times[0]), tick)
        if result.type == "scalar":
            return Curves(times, ((EMPTY, np.array([result.scalar])),))
        pairs = list(zip(result.labels, np.asarray(result.values).reshape(-1, 1), strict=True))
        if len(pairs) < 2:
            return Curves(times, tuple(pairs))
        return Curves(times, tuple(sorted(pairs, key=lambda pair: pair[0].pairs)))

    def _on_arrived(self, ctx: Context, message: _Arrived) -> None:
        waiting = self._waiting.pop(message.token, None)
        if waiting is None:
            return
        wanted, then = waiting
        then(ctx, {each: placed(each, message.answers.get(question_of(each))) for each in wanted})


def question_of(wanted: Wanted) -> Question:
    """What another server is asked for it.

    A subquery gives a range as an instant query: some servers (VictoriaMetrics) answer those up to the very instant,
    but a range query with what was half a minute ago.
    """
    times = wanted.times
    if not len(times):
        return Question("vector(0) > 1", wanted.end)
    span = int(times[-1] - times[0]) + wanted.step
    return Question(f"({wanted.expr})[{span}ms:{wanted.step}ms]", int(times[-1]))


def placed(wanted: Wanted, answer: Answer | None) -> Curves:
    """What another server answered; none: nothing."""
    times = wanted.times
    if answer is None or answer.error:
        return Curves(times, error=answer.error if answer else "no answer")
    return Curves(times, on_grid(answer, times))
