"""Rules and alerts as pages and the API show them: frozen, made when asked for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.alerts import AlertState

if TYPE_CHECKING:
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class AlertElement:
    """One pending or firing alert.

    Attributes:
        active_at: since when the expression yields it.
        fired_at: when it began to fire; none while pending.
        keep_firing_since: since when it fires only because of ``keep_firing_for``, or none.

    """

    labels: Labels
    annotations: Labels
    state: AlertState
    value: float
    active_at: Ms
    fired_at: Ms | None = None
    keep_firing_since: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RuleStatus:
    """One rule.

    Attributes:
        type: ``alerting`` or ``recording``.
        query: the expression as written.
        labels: as written, the group's included.
        health: ``ok``, ``err`` or ``unknown`` (not evaluated yet).
        last_error: of the last evaluation, or empty.
        evaluation_time: seconds; always 0, as evaluations take no time on the loop's clock.
        last_evaluation: the scheduled instant, or none.
        state: of the rule: that of its gravest alert.
        duration: ``for``, ms.
        keep_firing_for: ms.

    """

    type: str
    name: str
    query: str
    labels: Labels
    annotations: Labels
    health: str
    last_error: str
    last_evaluation: Ms | None
    state: AlertState
    duration: Ms
    keep_firing_for: Ms
    alerts: tuple[AlertElement, ...]
    evaluation_time: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class GroupStatus:
    """One group.

    Attributes:
        interval: ms.
        missed: evaluations left out because the loop was late.

    """

    name: str
    file: str
    interval: Ms
    limit: int
    query_offset: Ms
    last_evaluation: Ms | None
    missed: int
    rules: tuple[RuleStatus, ...]
    evaluation_time: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class RulesSnapshot:
    """All groups, in the order of the files."""

    groups: tuple[GroupStatus, ...] = ()

    def alerts(self, state: AlertState = AlertState.FIRING) -> tuple[AlertElement, ...]:
        """The alerts in a state, in the order of the rules."""
        rules = (rule for group in self.groups for rule in group.rules)
        return tuple(alert for rule in rules for alert in rule.alerts if alert.state is state)
