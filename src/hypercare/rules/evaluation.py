"""One tick of a group as its rules see it: the data, the instant, the functions of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.gotemplate import FunctionError, Sample, prometheus_functions
from hypercare.promql import PromqlError
from hypercare.rules.answers import number
from hypercare.rules.texts import string_map

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.gotemplate.functions.signature import Func
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.promql import Expr
    from hypercare.rules.answers import Elements, Source
    from hypercare.rules.spec import Surroundings


class Round:
    """What all rules of a group share at one tick.

    Attributes:
        source: who answers.
        at: the scheduled instant.
        query_at: the instant that expressions look at; samples that the rules yield get this time.
        around: what all groups share.
        since: since when rules are evaluated without a break: the start of the process, or when the machine woke up.
        slept: how long before this tick nothing was evaluated, if that is longer than an outage that counts; ms.

    """

    __slots__ = ("_functions", "around", "at", "query_at", "since", "slept", "source")

    def __init__(
        self,
        source: Source,
        at: Ms,
        query_offset: Ms,
        around: Surroundings,
        since: Ms = 0,
        slept: Ms = 0,
    ) -> None:
        self.source = source
        self.at = at
        self.query_at = at - query_offset
        self.around = around
        self.since = since
        self.slept = slept
        self._functions: Mapping[str, Func] | None = None

    def vector(self, expr: Expr | str) -> Elements:
        """Labels and values of an expression; a scalar is one element without labels.

        Raises:
            PromqlError: no value, or not one that a rule can use.
        """
        return self.source.elements(expr, self.query_at)

    def fresh(self, matchers: tuple[Matcher, ...]) -> Sequence[SampleMatrix]:
        """Samples of the matching series since the last break, as far as expressions may see them now.

        Raises:
            PromqlError: they cannot be had.
        """
        return self.source.samples(matchers, self.since - 1, self.query_at)

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
        return [Sample(string_map(each), number(value)) for each, value in zip(labels, values, strict=True)]
