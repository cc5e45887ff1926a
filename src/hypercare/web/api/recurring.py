"""Recurrences of silences in the bodies of requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from hypercare.kernel import CommandError
from hypercare.model.time import format_rfc3339
from hypercare.routing.recurrence_text import as_json, read_every, read_json

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.routing.recurrence import Recurrence
    from hypercare.routing.silences import Silence

_EXAMPLE = {
    "times": [{"start_time": "02:00", "end_time": "04:00"}],
    "weekdays": ["monday:friday"],
    "location": "Europe/Madrid",
}
Intervals = Annotated[
    list[dict[str, Any]],
    Field(
        max_length=100,
        description="time intervals in Alertmanager's words; silent only then, between start and end",
        examples=[[_EXAMPLE]],
    ),
]


def read_intervals(intervals: list[dict[str, Any]] | None) -> Recurrence | None:
    """What was sent.

    Raises:
        CommandError: it is no recurrence.

    """
    try:
        return read_json(intervals or ())
    except ValueError as error:
        message = f"invalid recurrence: {error}"
        raise CommandError(message, 400) from error


def read_text(every: str, zone: str) -> Recurrence | None:
    """What somebody wrote.

    Raises:
        CommandError: it is no recurrence.

    """
    try:
        return read_every(every, zone.strip() or "UTC")
    except ValueError as error:
        message = f"that is no recurrence: {error}"
        raise CommandError(message, 400) from error


def recurrence_json(silence: Silence, now: Ms) -> dict[str, Any]:
    """The recurrence, in both ways of writing it, and its window now or next; empty where there is none."""
    if silence.recurrence is None:
        return {}
    found: dict[str, Any] = {"recurrence": as_json(silence.recurrence), "every": str(silence.recurrence)}
    window = silence.window(now)
    if window is not None:
        found["window"] = {"startsAt": format_rfc3339(window.begins), "endsAt": format_rfc3339(window.ends)}
    return found
