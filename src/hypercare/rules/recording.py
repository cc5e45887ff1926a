"""Recording rules: an expression's value under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.model.alerts import AlertState
from hypercare.model.labels import EMPTY, METRIC_NAME, Labels
from hypercare.promql import EvaluationError
from hypercare.rules.rule import OK, SAME_LABELS, Evaluated, Outcome, Rule, may_match
from hypercare.rules.status import RuleStatus

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.promql import VectorSelector
    from hypercare.rules.evaluation import Round
    from hypercare.rules.spec import RuleSpec


class RecordingRule(Rule):
    """A recording rule at work."""

    def __init__(self, spec: RuleSpec, outcome: Outcome) -> None:
        super().__init__(spec, outcome)
        self._set = {**dict(spec.labels), METRIC_NAME: spec.name}
        self._source: tuple[Labels, ...] = ()
        self._series: tuple[Labels, ...] = ()
        self._memo: dict[Labels, Labels] = {}

    def evaluate(self, tick: Round, limit: int, patience_until: Ms) -> Evaluated | None:  # noqa: ARG002
        """See ``Rule``."""
        labels, values = self.query(tick)
        outcome = self.outcome
        if not labels and not outcome.written and outcome.health == OK:
            return None
        series = self._named(labels)
        if 0 < limit < len(series):
            msg = f"exceeded limit of {limit} with {len(series)} series"
            raise EvaluationError(msg)
        if series is outcome.written and outcome.health == OK:
            return Evaluated(outcome, values, [])
        return Evaluated(Outcome(health=OK, written=series), values, [])

    def _named(self, labels: tuple[Labels, ...]) -> tuple[Labels, ...]:
        """The series to write; the very same tuple as long as the expression yields the same label sets."""
        if labels == self._source:
            return self._series
        memo = {each: self._memo.get(each) or each.with_(self._set) for each in labels}
        series = tuple(memo.values())
        if len(set(series)) < len(labels):
            raise EvaluationError(SAME_LABELS.format("rule"))
        self._memo, self._source, self._series = memo, labels, series
        return series

    def may_read(self, earlier: Rule) -> bool:
        """See ``Rule``."""
        return self._reads(earlier)

    def writes_to(self, selector: VectorSelector) -> bool:
        """See ``Rule``."""
        return may_match(selector, self._set)

    def status(self, last_evaluation: Ms | None) -> RuleStatus:
        """See ``Rule``."""
        return RuleStatus(
            type="recording",
            name=self.spec.name,
            query=self.spec.expr,
            labels=Labels(self.spec.labels),
            annotations=EMPTY,
            health=self.outcome.health,
            last_error=self.outcome.error,
            last_evaluation=last_evaluation,
            state=AlertState.INACTIVE,
            duration=0,
            keep_firing_for=0,
            alerts=(),
        )
