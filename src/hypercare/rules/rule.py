"""What recording and alerting rules have in common: a parsed expression, an outcome, what they write and read."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.promql import EvaluationError, PromqlError, parse, selectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.promql import Expr, VectorSelector
    from hypercare.rules.answers import Elements, Value
    from hypercare.rules.evaluation import Round
    from hypercare.rules.spec import RuleSpec
    from hypercare.rules.status import RuleStatus
    from hypercare.rules.transitions import Active, Changes

OK, ERR, UNKNOWN = "ok", "err", "unknown"
SAME_LABELS: Final = "vector contains metrics with the same labelset after applying {} labels"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule is in after an evaluation; replaced as a whole, so that readers in other threads see it whole.

    Attributes:
        active: pending and firing alerts.
        health: ``ok``, ``err`` or ``unknown``.
        error: of the last evaluation.
        written: the series that the rule wrote last.

    """

    active: Mapping[Labels, Active] = dataclasses.field(default_factory=dict)
    health: str = UNKNOWN
    error: str = ""
    written: tuple[Labels, ...] = ()

    def failed(self, error: str) -> Outcome:
        """The same with an error: alerts and series stay as they are."""
        return dataclasses.replace(self, health=ERR, error=error)


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluated:
    """The result of one evaluation.

    Attributes:
        outcome: the rule's from now on, its ``written`` are the series to write.
        values: of the series.
        changes: of alerts.

    """

    outcome: Outcome
    values: list[Value]
    changes: Changes


class Rule(abc.ABC):
    """A rule at work.

    Attributes:
        spec: what it is.
        expr: its expression, or none if it is not valid.
        outcome: what it has come to.

    """

    def __init__(self, spec: RuleSpec, outcome: Outcome) -> None:
        self.spec = spec
        self.outcome = outcome
        self.expr: Expr | None = None
        self._broken = ""
        try:
            self.expr = parse(spec.expr)
        except PromqlError as error:
            self._broken = str(error)

    def query(self, tick: Round) -> Elements:
        """The expression's elements.

        Raises:
            PromqlError: it has none.
        """
        if self.expr is None:
            raise EvaluationError(self._broken)
        return tick.vector(self.expr)

    @abc.abstractmethod
    def evaluate(self, tick: Round, limit: int, patience_until: Ms) -> Evaluated | None:
        """Evaluate at the tick's instant; none where nothing was and nothing is.

        Args:
            tick: data and instant.
            limit: how many alerts or series the rule may yield; 0: any number.
            patience_until: see ``transitions.Durations``.

        Raises:
            PromqlError: the expression has no value, or its elements cannot be told apart, or are too many.

        """

    @abc.abstractmethod
    def may_read(self, earlier: Rule) -> bool:
        """Whether this rule may look at what an earlier rule of its group writes."""

    @abc.abstractmethod
    def writes_to(self, selector: VectorSelector) -> bool:
        """Whether a selector may find what this rule writes."""

    @abc.abstractmethod
    def status(self, last_evaluation: Ms | None) -> RuleStatus:
        """The rule as pages show it."""

    def _reads(self, earlier: Rule) -> bool:
        return self.expr is not None and any(earlier.writes_to(s) for s in selectors(self.expr))


def may_match(selector: VectorSelector, known: Mapping[str, str]) -> bool:
    """Whether a selector may find a series of which some labels are known."""
    return all(m.matches_value(known[m.name]) for m in selector.matchers if m.name in known)
