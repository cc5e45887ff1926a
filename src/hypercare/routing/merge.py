"""What an alert becomes when it is received again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms

_NEVER = float("inf")


def _end(alert: Alert) -> float:
    return _NEVER if alert.ends_at is None else alert.ends_at


def merge(old: Alert, new: Alert, now: Ms, *, guessed_end: bool) -> Alert:
    """The newer alert, with the earlier start and the later end where their times overlap (Alertmanager's rule).

    Args:
        old: as known.
        new: as just received.
        now: when.
        guessed_end: whether the end of ``old`` was our own guess, which gives way to any end that is named.

    """
    overlap = old.starts_at < _end(new) < _end(old) or old.starts_at < new.starts_at < _end(old)
    if not overlap:
        return new
    ends_at = new.ends_at
    if _end(old) > _end(new) and (old.resolved_at(now) if new.resolved_at(now) else not guessed_end):
        ends_at = old.ends_at
    starts_at = min(old.starts_at, new.starts_at)
    if starts_at == new.starts_at and ends_at == new.ends_at:
        return new
    return dataclasses.replace(new, starts_at=starts_at, ends_at=ends_at)


def is_same_but_end(one: Alert, other: Alert) -> bool:
    """Whether two alerts differ in nothing but their ends."""
    return (
        one.starts_at == other.starts_at
        and one.generator_url == other.generator_url
        and one.labels == other.labels
        and one.annotations == other.annotations
    )
