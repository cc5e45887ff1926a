"""One tick of a group as its rules see it: the data, the instant, the functions of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.gotemplate import FunctionError, Sample, prometheus_functions
from hypercare.model.labels import EMPTY
from hypercare.promql import EvaluationError, PromqlError, Tick
from hypercare.rules.texts import string_map

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.gotemplate.functions.signature import Func
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.promql import Engine, Expr
    from hypercare.rules.spec import Surroundings
    from hypercare.tsdb import Snapshot, Tsdb


class Round:
    """What all rules of a group share at one tick.

    Attributes:
        at: the scheduled instant.
        query_at: the instant that expressions look at; samples that the rules yield get this time.
        around: what all groups share.
        since: since when rules are evaluated without a break: the start of the process, or when the machine woke up.
        slept: how long before this tick nothing was evaluated, if that is longer than an outage that counts; ms.

    """

    __slots__ = ("_engine", "_functions", "_source", "_tick", "_tsdb", "around", "at", "query_at", "since", "slept")

    def __init__(
        self,
        engine: Engine,
        tsdb: Tsdb,
        at: Ms,
        query_offset: Ms,
        around: Surroundings,
        since: Ms = 0,
        slept: Ms = 0,
    ) -> None:
        self._engine = engine
        self._tsdb = tsdb
        self.at = at
        self.query_at = at - query_offset
        self.around = around
        self.since = since
        self.slept = slept
        self._functions: Mapping[str, Func] | None = None
        self._source: Snapshot = tsdb.snapshot()
        self._tick = Tick()

    def renew(self) -> None:
        """Look at the store anew: rules of this tick have written."""
        self._source = self._tsdb.snapshot()
        self._tick = Tick()

    def vector(self, expr: Expr | str) -> tuple[tuple[Labels, ...], list[float]]:
        """Labels and values of an expression; a scalar is one element without labels.

        Raises:
            PromqlError: no value, or not one that a rule can use.
        """
        result = self._engine.instant(self._source, expr, self.query_at, self._tick)
        if result.type == "vector":
            return result.labels, (result.values.tolist() if result.labels else [])
        if result.type == "scalar":
            return (EMPTY,), [result.scalar]
        raise EvaluationError("rule result is not a vector or scalar")

    def fresh(self, matchers: tuple[Matcher, ...]) -> Sequence[SampleMatrix]:
        """Samples of the matching series since the last break, as far as expressions may see them now."""
        return self._source.select(matchers, self.since - 1, self.query_at)

    @property
    def functions(self) -> Mapping[str, Func]:
        """What templates may call; made at first use, as most ticks render nothing."""
        if self._functions is None:
            self._functions = prometheus_functions(self.at, self._query, self.around.external_url)
        return self._functions

    def _query(self, expr: str) -> list[Sample]:
        try:
            labels, values = self.vector(expr)
        except PromqlError as error:
            raise FunctionError(str(error)) from error
        return [Sample(string_map(each), value) for each, value in zip(labels, values, strict=True)]
