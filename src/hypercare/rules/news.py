"""What routing is told of a tick: alerts that began to fire, changed, or ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.rules.alerting import public_labels, to_alert
from hypercare.rules.transitions import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms
    from hypercare.rules.alerting import AlertingRule
    from hypercare.rules.spec import Surroundings
    from hypercare.rules.transitions import Changes

_TOLD: Final = frozenset((Change.FIRED, Change.ALTERED, Change.RESOLVED))


def news_of(rule: AlertingRule, changes: Changes, around: Surroundings, at: Ms) -> Iterator[Alert]:
    """A rule's alerts that routing is to hear of, as it gets them."""
    for change, alert in changes:
        labels = public_labels(alert.labels, around) if change in _TOLD else None
        if labels is not None:
            ends_at = at if change is Change.RESOLVED else None
            yield to_alert(alert, labels, rule.spec.expr, around.external_url, ends_at)
