"""What a stage decided, and why: the same reasons feed pages, reports and the answer to "why was nobody paged?"."""

from __future__ import annotations

import dataclasses
import enum


class Reason(enum.StrEnum):
    """Why something was or was not sent."""

    NEW = "new"
    NEW_ALERTS = "new alerts in the group"
    RESOLVED = "resolved"
    REPEAT = "repeat interval has passed"
    UNCHANGED = "nothing changed since the last notification"
    NEVER_NOTIFIED = "resolved before anybody was notified"
    SEND_RESOLVED_OFF = "send_resolved is off"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    MUTED = "muted by a time interval"
    INACTIVE_INTERVAL = "outside of the active time intervals"
    FLAPPING = "flapping"
    FLAPPING_ENDED = "flapping ended"
    ACKNOWLEDGED = "acknowledged"
    RECEIVED = "received"
    ENDED = "ended"


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """Whether to go on, the reason, and what caused it (a silence's id, a rule, an interval's name)."""

    send: bool
    reason: Reason
    by: str = ""
