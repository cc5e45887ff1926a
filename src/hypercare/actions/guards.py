"""Why a run must not begin: it runs already, ran a moment ago, or ran often enough today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.actions import store
from hypercare.model.time import DAY, SECOND, format_duration

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.config.actions import Action
    from hypercare.model.time import Ms


def why_not(db: Connection, action: Action, service: str, now: Ms) -> str:
    """The reason in words; empty: it may."""
    other = store.running_for(db, action.name, service)
    whom = f" for {service}" if service else ""
    if other is not None:
        return f"{action.name} is under way{whom} already (#{other})"
    return too_soon(db, action, service, now)


def too_soon(db: Connection, action: Action, service: str, now: Ms) -> str:
    """The reason that past runs give; asked again when an approval comes."""
    whom = f" for {service}" if service else ""
    last = store.last_start(db, action.name, service) if action.once_within else None
    if last is not None and now - last[1] < action.once_within:
        ago = format_duration((now - last[1]) // SECOND * SECOND)
        within = format_duration(action.once_within)
        return f"{action.name} ran{whom} {ago} ago (#{last[0]}), and may run once within {within}"
    if action.max_per_day:
        count = store.count_since(db, action.name, now - DAY)
        if count >= action.max_per_day:
            return f"{action.name} ran {count} times in the last 24 hours, and may run {action.max_per_day} times"
    return ""
