"""Webhooks (version 3) that PagerDuty sends us: what somebody did there. Reading only."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

_ACTS: Final = {
    "incident.acknowledged": "ack",
    "incident.unacknowledged": "unack",
    "incident.resolved": "resolve",
}


class AnswerError(Exception):
    """Something we cannot read; the text says what."""


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """Somebody did something with an incident of PagerDuty's.

    Attributes:
        event_id: the same when PagerDuty delivers it again.
        act: ack, unack or resolve.
        key: the ``dedup_key`` of the event that made the incident.
        agent: id of who did it; empty where it was an integration, not a person.
        agent_name: their name.

    """

    event_id: str
    act: str
    key: str
    agent: str
    agent_name: str


def done(body: bytes) -> Done | None:
    """What somebody did; none for events that change nothing here.

    Raises:
        AnswerError: it cannot be read.

    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"not JSON: {error}") from error
    event = _dict(_dict(told).get("event"))
    if not event:
        raise AnswerError("expected an object with an event")
    act = _ACTS.get(str(event.get("event_type", "")))
    key = _dict(event.get("data")).get("incident_key")
    if act is None or not key:
        return None
    agent = _dict(event.get("agent"))
    person = str(agent.get("type", "")).startswith("user")
    agent_id = str(agent.get("id", "")) if person else ""
    return Done(str(event.get("id", "")), act, str(key), agent_id, str(agent.get("summary") or "PagerDuty"))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
