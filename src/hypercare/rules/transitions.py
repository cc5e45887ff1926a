"""What one evaluation does to the alerts of a rule: a pure function over times and label sets."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Final

from hypercare.model.alerts import AlertState
from hypercare.model.time import MINUTE

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

TELL_AGAIN: Final[Ms] = MINUTE
"""Changed annotations of a firing alert are published no more often than this."""


@dataclasses.dataclass(frozen=True, slots=True)
class Active:
    """A pending or firing alert.

    Attributes:
        labels: its identity.
        value: the expression's, at the last evaluation that yielded it.
        active_at: since when the expression has yielded it.
        fired_at: when it began to fire; 0 while pending.
        keep_since: since when it fires only because of ``keep_firing_for``.
        told: the annotations published last.
        told_at: when that was.
        restored: from before a break (an earlier process, a sleep of the machine), and not yielded since.

    """

    labels: Labels
    annotations: Labels
    value: float
    state: AlertState
    active_at: Ms
    fired_at: Ms = 0
    keep_since: Ms | None = None
    told: Labels | None = None
    told_at: Ms = 0
    restored: bool = False


class Change(enum.Enum):
    """What happened to an alert; all of them are stored."""

    PENDING = "pending"
    FIRED = "fired"
    ALTERED = "annotations changed"
    KEPT = "kept firing, or no longer"
    RESOLVED = "resolved"
    CALMED = "no longer pending"


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """An alert that the expression yields now."""

    annotations: Labels
    value: float


@dataclasses.dataclass(frozen=True, slots=True)
class Durations:
    """A rule's times, ms.

    Attributes:
        hold: ``for``.
        keep: ``keep_firing_for``.
        patience_until: restored alerts that the expression does not yield are kept until this instant.

    """

    hold: Ms = 0
    keep: Ms = 0
    patience_until: Ms = 0


Changes = list[tuple[Change, Active]]


def advance(
    before: Mapping[Labels, Active],
    found: Mapping[Labels, Found],
    at: Ms,
    times: Durations,
    over: Container[Labels] = frozenset(),
) -> tuple[dict[Labels, Active], Changes]:
    """The alerts after an evaluation, and what changed.

    The meaning is Prometheus': pending at once, firing as soon as the alert has been yielded for ``hold``; gone when it
    is not yielded, but for ``keep`` if it fired. Restored alerts get ``patience_until`` before they count as not
    yielded: their data may not have been scraped again yet. A pending one whose data have come is over at once: it is
    to fire only after ``hold`` without a break.

    Args:
        before: the alerts before.
        found: what the expression yields.
        at: the instant of the evaluation.
        times: the rule's.
        over: restored pending alerts that are not yielded although their data are there.

    """
    after: dict[Labels, Active] = {}
    changes: Changes = []
    for labels, old in before.items():
        now = found.get(labels)
        if now is not None:
            kept: Active | None = _present(old, now, at, times, changes)
        elif old.restored and at < times.patience_until and labels not in over:
            kept = old
        else:
            kept = _absent(old, at, times, changes)
        if kept is not None:
            after[labels] = kept
    for labels, now in found.items():
        if labels not in before:
            fresh = Active(labels, now.annotations, now.value, AlertState.PENDING, at)
            if times.hold == 0:
                after[labels] = _fire(fresh, at, changes)
            else:
                after[labels] = fresh
                changes.append((Change.PENDING, fresh))
    return after, changes


def after_break(alert: Active, gap: Ms) -> Active:
    """An alert after a time in which nobody looked: that time does not count towards ``for``."""
    if alert.state is not AlertState.PENDING:
        return dataclasses.replace(alert, restored=True)
    return dataclasses.replace(alert, restored=True, active_at=alert.active_at + gap)


def _present(old: Active, now: Found, at: Ms, times: Durations, changes: Changes) -> Active:
    new = dataclasses.replace(old, annotations=now.annotations, value=now.value, keep_since=None, restored=False)
    if old.state is AlertState.PENDING:
        return _fire(new, at, changes) if at - old.active_at >= times.hold else new
    if new.annotations != old.told and at - old.told_at >= TELL_AGAIN:
        new = dataclasses.replace(new, told=new.annotations, told_at=at)
        changes.append((Change.ALTERED, new))
    elif old.keep_since is not None:
        changes.append((Change.KEPT, new))
    return new


def _absent(old: Active, at: Ms, times: Durations, changes: Changes) -> Active | None:
    if old.state is AlertState.PENDING:
        changes.append((Change.CALMED, old))
        return None
    since = at if old.keep_since is None else old.keep_since
    if at - since >= times.keep:
        changes.append((Change.RESOLVED, old))
        return None
    if old.keep_since is None:
        old = dataclasses.replace(old, keep_since=at)
        changes.append((Change.KEPT, old))
    return old


def _fire(pending: Active, at: Ms, changes: Changes) -> Active:
    firing = dataclasses.replace(pending, state=AlertState.FIRING, fired_at=at, told=pending.annotations, told_at=at)
    changes.append((Change.FIRED, firing))
    return firing
