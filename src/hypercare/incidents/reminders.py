"""When somebody is reminded of what is due: ahead, at the time, and every day for a week after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.model.time import DAY, HOUR, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.time import Ms

_AHEAD: Final = DAY
_SHORTEST: Final = HOUR
_DAYS_AFTER: Final = 7


def instants(created_at: Ms, due_at: Ms) -> Iterator[Ms]:
    """All times of reminders, ascending.

    The first is ahead by a quarter of the whole time, a day at most; what is due within the hour has none ahead.
    """
    whole = due_at - created_at
    if whole > _SHORTEST:
        yield due_at - min(whole // 4, _AHEAD)
    yield due_at
    for day in range(1, _DAYS_AFTER + 1):
        yield due_at + day * DAY


def next_reminder(created_at: Ms, due_at: Ms, after: Ms) -> Ms | None:
    """The first reminder later than ``after``; none: there are no more."""
    return next((at for at in instants(created_at, due_at) if at > after), None)


def due_text(due_at: Ms, now: Ms) -> str:
    """``is due in 6h``, ``is due now``, ``is overdue by 1d``."""
    if due_at > now:
        return f"is due in {format_duration(due_at - now)}"
    return f"is overdue by {format_duration(now - due_at)}" if due_at < now else "is due now"
