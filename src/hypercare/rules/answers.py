"""What a round of rules asks, and who answers: the embedded engine at once, or another server some time later.

Another server's answers are collected before anything is decided: a round only ever sees what is there. A question
that comes up on the way (a query in a template) is noted, and the round is tried again once it is answered.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from hypercare.model.histograms import Histogram
from hypercare.model.labels import EMPTY
from hypercare.promql import EvaluationError, PromqlError, Tick, VectorSelector
from hypercare.promql.ast import MatrixSelector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Floats, Ints, SampleMatrix, SampleSource
    from hypercare.model.time import Ms
    from hypercare.promql import Engine, Expr, Together
    from hypercare.rules.data import RuleData

Value: TypeAlias = "float | Histogram"
Elements: TypeAlias = "tuple[tuple[Labels, ...], list[Value]]"
"""Label sets and their values; a scalar is one element without labels."""


AWAY: Final = "no data because the source is away"
"""How the error of an answer begins that may come later."""


class NotAnsweredYet(PromqlError):  # noqa: N818 - no error: the round is tried again
    """A question that nobody has asked the other server so far."""


class Question(NamedTuple):
    """An expression at an instant; with a step, from ``start`` to that instant, both included."""

    query: str
    at: Ms
    start: Ms = 0
    step: Ms = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What another server said.

    Attributes:
        elements: of a vector or a scalar.
        matrices: of a range vector.
        error: why there is no answer; empty where there is one.

    """

    elements: Elements = ((), [])
    matrices: tuple[SampleMatrix, ...] = ()
    error: str = ""

    @property
    def away(self) -> bool:
        """Whether the other server could not be asked, or did not answer: it may do so later."""
        return self.error.startswith(AWAY)


NONE: Final = Answer()
"""Nothing was found."""

Answers: TypeAlias = "Mapping[Question, Answer]"


class Elsewhere(Protocol):
    """Another server that answers questions."""

    def ask(self, questions: Sequence[Question], reply: Callable[[Answers], None]) -> None:
        """Ask; ``reply`` is called once, from any thread, with an answer (or an error) to every question."""
        ...


class Source(Protocol):
    """Who answers a round."""

    def renew(self) -> None:
        """Rules of this round have written: later ones may look at it."""
        ...

    def elements(self, expr: Expr | str, at: Ms) -> Elements:
        """The elements of an expression.

        Raises:
            PromqlError: it has none, or not such as a rule can use.
        """
        ...

    def samples(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """Samples of the matching series with ``start < t <= end``."""
        ...


class OwnSource:
    """The embedded store and engine; to be used while numpy keeps silent (``np.errstate(all="ignore")``)."""

    __slots__ = ("_engine", "_snapshot", "_tick", "_together", "_tsdb")

    def __init__(self, engine: Engine, tsdb: RuleData, together: Together | None = None) -> None:
        self._engine = engine
        self._together = together
        self._tsdb = tsdb
        self._snapshot: SampleSource = tsdb.snapshot()
        self._tick = Tick(quiet=True, together=self._together)

    def renew(self) -> None:
        """See ``Source``."""
        self._snapshot = self._tsdb.snapshot()
        self._tick = Tick(quiet=True, together=self._together)

    def elements(self, expr: Expr | str, at: Ms) -> Elements:
        """See ``Source``."""
        result = self._engine.instant(self._snapshot, expr, at, self._tick)
        if result.type == "vector":
            values: list[Value] = result.values.tolist() if result.labels else []
            if not result.histograms:
                return result.labels, values
            found = result.histograms
            return (*result.labels, *(h.labels for h in found)), [*values, *(h.histogram for h in found)]
        if result.type == "scalar":
            return (EMPTY,), [result.scalar]
        raise EvaluationError("rule result is not a vector or scalar")

    def samples(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """See ``Source``."""
        return self._snapshot.select(matchers, start, end)


class GivenSource:
    """Answers that came from another server.

    Attributes:
        missing: questions that were not answered yet, in the order in which they came up.

    """

    __slots__ = ("_answers", "missing")

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.missing: dict[Question, None] = {}

    def renew(self) -> None:
        """See ``Source``; what the rules wrote is not at the other server yet."""

    def elements(self, expr: Expr | str, at: Ms) -> Elements:
        """See ``Source``."""
        return self._answer(Question(str(expr), at)).elements

    def samples(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """See ``Source``."""
        if end <= start:
            return ()
        return self._answer(samples_question(matchers, start, end)).matrices

    def _answer(self, question: Question) -> Answer:
        answer = self._answers.get(question)
        if answer is None:
            self.missing[question] = None
            raise NotAnsweredYet("not answered yet")
        if answer.error:
            raise EvaluationError(answer.error)
        return answer


def on_grid(answer: Answer, times: Ints) -> tuple[tuple[Labels, Floats], ...]:
    """The series of an answer's matrices at some instants.

    Args:
        answer: to a question over a span.
        times: int64[n], ascending.

    Returns:
        Label sets with their values, float64[n], NaN where there is none.

    """
    found: list[tuple[Labels, Floats]] = []
    for matrix in answer.matrices:
        for column, labels in enumerate(matrix.labels):
            values = np.full(len(times), np.nan)
            places = np.searchsorted(times, matrix.times)
            fits = (places < len(times)) & np.isin(matrix.times, times)
            values[places[fits]] = matrix.values[fits, column]
            found.append((labels, values))
    return tuple(found)


def number(value: Value) -> float:
    """What stands for an element's value in texts and alerts: 0 for a histogram, as in Prometheus."""
    return 0.0 if isinstance(value, Histogram) else value


def samples_question(matchers: Iterable[Matcher], start: Ms, end: Ms) -> Question:
    """Ask for samples with ``start < t <= end``."""
    return Question(str(MatrixSelector(VectorSelector("", tuple(matchers)), end - start)), end)
