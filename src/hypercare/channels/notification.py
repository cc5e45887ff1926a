"""What a channel is asked to tell: a group of alerts, or a page to a person."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from hypercare.model.labels import EMPTY, Labels

if TYPE_CHECKING:
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms

FIRING, RESOLVED = "firing", "resolved"


def status_of(alert: Alert, now: Ms) -> str:
    """``firing`` or ``resolved``."""
    return RESOLVED if alert.resolved_at(now) else FIRING


def common(sets: tuple[Labels, ...]) -> Labels:
    """The pairs that all label sets share."""
    if not sets:
        return EMPTY
    shared = set(sets[0].pairs)
    for labels in sets[1:]:
        shared &= set(labels.pairs)
        if not shared:
            break
    return Labels(shared)


AlertOrder: TypeAlias = tuple[bool, str, bool, str, Labels]


def alert_order(alert: Alert) -> AlertOrder:
    """Sort key of alerts within a notification: job, instance (those without last), then all labels."""
    job, instance = alert.labels.get("job"), alert.labels.get("instance")
    return not job, job, not instance, instance, alert.labels


@dataclasses.dataclass(frozen=True, slots=True)
class Notification:
    """A group's alerts for one receiver at one instant.

    Attributes:
        group_key: names the group for ever, so that the outside can recognise it.
        alerts: in ``alert_order``; resolved ones have ``ends_at`` not after ``now``.
        external_url: where people reach us.
        truncated: how many alerts a channel's limit has cut off.
        route_labels: of the route that led here; may be templates.
        reason: why it is sent.

    """

    receiver: str
    group_key: str
    group_labels: Labels
    alerts: tuple[Alert, ...]
    now: Ms
    external_url: str = ""
    truncated: int = 0
    route_labels: Labels = EMPTY
    reason: str = ""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Those that fire."""
        return tuple(a for a in self.alerts if not a.resolved_at(self.now))

    @property
    def resolved(self) -> tuple[Alert, ...]:
        """Those that have ended."""
        return tuple(a for a in self.alerts if a.resolved_at(self.now))

    @property
    def status(self) -> str:
        """``firing`` while any alert does."""
        return FIRING if any(not a.resolved_at(self.now) for a in self.alerts) else RESOLVED

    @property
    def common_labels(self) -> Labels:
        """Labels that all alerts share."""
        return common(tuple(a.labels for a in self.alerts))

    @property
    def common_annotations(self) -> Labels:
        """Annotations that all alerts share."""
        return common(tuple(a.annotations for a in self.alerts))

    def limited(self, count: int) -> Notification:
        """With at most ``count`` alerts (0: no limit)."""
        if count <= 0 or len(self.alerts) <= count:
            return self
        return dataclasses.replace(self, alerts=self.alerts[:count], truncated=len(self.alerts) - count)


_SHOWN = 5


def summary(notification: Notification) -> str:
    """What fires and what has ended, in a few lines of plain text."""
    lines: list[str] = []
    for word, alerts in (("firing", notification.firing), ("resolved", notification.resolved)):
        if alerts:
            named = [_named(alert, notification.group_labels) for alert in alerts[:_SHOWN]]
            more = f" and {len(alerts) - _SHOWN} more" if len(alerts) > _SHOWN else ""
            lines.append(f"{len(alerts)} {word}: {', '.join(named)}{more}")
    return "\n".join(lines)


def _named(alert: Alert, known: Labels) -> str:
    """An alert by what its group does not tell already: at most three labels."""
    rest = [f"{name}={value}" for name, value in alert.labels if name not in known and name != "alertname"]
    return " ".join([alert.name, *rest[:3]]).strip()


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A call to one person: this incident, now.

    Attributes:
        severity: P0 to P3.
        step: of the escalation, from 1.
        policy: name of the escalation policy.
        ack_url: opens the page where the person takes the incident.
        choices: buttons of a question: what each says, and the link that it opens.

    """

    incident_id: str
    title: str
    severity: str
    service: str
    summary: str
    at: Ms
    person: str = ""
    policy: str = ""
    step: int = 1
    runbook_url: str = ""
    ack_url: str = ""
    choices: tuple[tuple[str, str], ...] = ()
