"""Alerting rules: an expression whose elements become alerts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.functions.prometheus import table_link
from hypercare.model.alerts import Alert, AlertState
from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.relabel import apply as relabel
from hypercare.promql import EvaluationError
from hypercare.rules.answers import number
from hypercare.rules.evidence import Evidence
from hypercare.rules.rule import ERR, OK, SAME_LABELS, Evaluated, Outcome, Rule, may_match
from hypercare.rules.status import AlertElement, RuleStatus
from hypercare.rules.texts import AlertData, Texts, string_map
from hypercare.rules.transitions import Active, Change, Durations, Found, advance, after_break

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypercare.model.time import Ms
    from hypercare.promql import VectorSelector
    from hypercare.rules.answers import Value
    from hypercare.rules.evaluation import Round
    from hypercare.rules.spec import RuleSpec, Surroundings

_ALERTS: Final = "ALERTS"
_FOR_STATE: Final = "ALERTS_FOR_STATE"


@dataclasses.dataclass(frozen=True, slots=True)
class _Rendered:
    """An element's texts, kept as long as what they are made from does not change.

    Attributes:
        value: its bits as text, so that NaN equals NaN.

    """

    value: str
    labels: Labels
    annotations: Labels
    error: str


class AlertingRule(Rule):
    """An alerting rule at work."""

    def __init__(self, spec: RuleSpec, outcome: Outcome) -> None:
        super().__init__(spec, outcome)
        self._labels = Texts(spec.name, spec.labels)
        self._annotations = Texts(spec.name, spec.annotations)
        self._steady = self._labels.steady and self._annotations.steady
        self._volatile = self._labels.volatile or self._annotations.volatile
        self._evidence = Evidence(self.expr, [name for name, _ in spec.labels])
        self._memo: dict[Labels, _Rendered] = {}
        self._around: Surroundings | None = None
        self._series: dict[tuple[Labels, AlertState], tuple[Labels, Labels]] = {}

    @property
    def asks_more(self) -> bool:
        """Whether an evaluation may ask for more than the expression: in a template, or after a break."""
        return self._volatile or any(alert.restored for alert in self.outcome.active.values())

    def evaluate(self, tick: Round, limit: int, patience_until: Ms) -> Evaluated | None:
        """See ``Rule``."""
        labels, values = self.query(tick)
        outcome = self.outcome
        if tick.around is not self._around:
            self._around, self._memo = tick.around, {}
        if not labels and not outcome.active and not outcome.written and outcome.health == OK:
            self._memo = {}
            return None
        found, error = self._found(labels, values, tick)
        times = Durations(self.spec.hold, self.spec.keep, patience_until)
        before = outcome.active
        if tick.slept:
            before = {key: after_break(alert, tick.slept) for key, alert in before.items()}
        over = self._over(before, found, tick) if tick.at < patience_until else frozenset()
        active, changes = advance(before, found, tick.at, times, over)
        if tick.slept:
            # Their times have moved: a restart must find them so.
            waiting = (active.get(key) for key in before)
            changes += [(Change.PENDING, a) for a in waiting if a is not None and a.state is AlertState.PENDING]
        if 0 < limit < len(active):
            msg = f"exceeded limit of {limit} with {len(active)} alerts"
            raise EvaluationError(msg)
        written = self.series(active.values())
        if written == outcome.written:
            written = outcome.written
        samples: list[Value] = [n for alert in active.values() for n in (1.0, float(alert.active_at // 1000))]
        return Evaluated(Outcome(active, ERR if error else OK, error, written), samples, changes)

    def _over(self, before: Mapping[Labels, Active], found: Mapping[Labels, Found], tick: Round) -> frozenset[Labels]:
        """Alerts that were left pending before a break, and that the data since then do not bear out."""
        waiting = [
            labels
            for labels, alert in before.items()
            if alert.restored and alert.state is AlertState.PENDING and labels not in found
        ]
        return self._evidence.about(waiting, tick)

    def _found(
        self, labels: tuple[Labels, ...], values: Iterable[Value], tick: Round
    ) -> tuple[dict[Labels, Found], str]:
        """The alerts that the elements stand for, and the first error of a template."""
        memo: dict[Labels, _Rendered] = {}
        found: dict[Labels, Found] = {}
        error = ""
        for element, value in zip(labels, map(number, values), strict=True):
            known = self._memo.get(element)
            if known is None or self._volatile or not (self._steady or known.value == repr(value)):
                known = self._render(element, value, tick)
            memo[element] = known
            found[known.labels] = Found(known.annotations, value)
            error = error or known.error
        if len(found) < len(labels):
            raise EvaluationError(SAME_LABELS.format("alert"))
        self._memo = memo
        return found, error

    def _render(self, element: Labels, value: float, tick: Round) -> _Rendered:
        around = tick.around
        data = AlertData(string_map(element), string_map(around.external_labels), around.external_url, value)
        labels, error = self._labels.render(data, tick.functions)
        annotations, second = self._annotations.render(data, tick.functions)
        labels[METRIC_NAME] = ""
        labels["alertname"] = self.spec.name
        return _Rendered(repr(value), element.with_(labels), Labels(annotations.items()), error or second)

    def series(self, active: Iterable[Active]) -> tuple[Labels, ...]:
        """``ALERTS`` and ``ALERTS_FOR_STATE`` of alerts, in turn."""
        kept: dict[tuple[Labels, AlertState], tuple[Labels, Labels]] = {}
        for alert in active:
            key = alert.labels, alert.state
            kept[key] = self._series.get(key) or (
                alert.labels.with_({METRIC_NAME: _ALERTS, "alertstate": str(alert.state)}),
                alert.labels.with_({METRIC_NAME: _FOR_STATE}),
            )
        self._series = kept
        return tuple(labels for pair in kept.values() for labels in pair)

    def may_read(self, earlier: Rule) -> bool:
        """See ``Rule``; templates with queries may read anything."""
        return self._volatile or self._reads(earlier)

    def writes_to(self, selector: VectorSelector) -> bool:
        """See ``Rule``."""
        return any(
            may_match(selector, {METRIC_NAME: name, "alertname": self.spec.name}) for name in (_ALERTS, _FOR_STATE)
        )

    def status(self, last_evaluation: Ms | None) -> RuleStatus:
        """See ``Rule``."""
        outcome = self.outcome
        states = {alert.state for alert in outcome.active.values()}
        order = (AlertState.FIRING, AlertState.PENDING)
        return RuleStatus(
            type="alerting",
            name=self.spec.name,
            query=self.spec.expr,
            labels=Labels(self.spec.labels),
            annotations=Labels(self.spec.annotations),
            health=outcome.health,
            last_error=outcome.error,
            last_evaluation=last_evaluation,
            state=next((s for s in order if s in states), AlertState.INACTIVE),
            duration=self.spec.hold,
            keep_firing_for=self.spec.keep,
            alerts=_elements(outcome.active),
        )


def _elements(active: Mapping[Labels, Active]) -> tuple[AlertElement, ...]:
    return tuple(
        AlertElement(
            labels=alert.labels,
            annotations=alert.annotations,
            state=alert.state,
            value=alert.value,
            active_at=alert.active_at,
            fired_at=alert.fired_at or None,
            keep_firing_since=alert.keep_since,
        )
        for alert in active.values()
    )


def public_labels(labels: Labels, around: Surroundings) -> Labels | None:
    """The labels under which routing knows a rule's alert; none where relabelling drops it."""
    missing = {n: v for n, v in around.external_labels if n not in labels}
    public = labels.with_(missing) if missing else labels
    return relabel(around.relabel, public) if around.relabel else public


def to_alert(alert: Active, labels: Labels, expr: str, external_url: str, ends_at: Ms | None) -> Alert:
    """A rule's alert as routing gets it.

    Args:
        alert: a firing one, or one that has just ended.
        labels: from ``public_labels``.
        expr: the rule's; empty where it is not known any more.
        external_url: under which people reach us.
        ends_at: the instant of its end, or none.

    """
    url = f"{external_url}{table_link(expr)}" if expr else ""
    return Alert(labels, alert.told or alert.annotations, alert.fired_at, ends_at, url)
