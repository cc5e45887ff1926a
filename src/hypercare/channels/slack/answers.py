"""What Slack sends us: buttons that were pressed, messages in threads, slash commands. Reading only."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hypercare.channels.slack.interactive import ACT_ACKNOWLEDGE, ACT_RESOLVE, ACT_SILENCE, SILENCES
from hypercare.model.time import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.time import Ms


class AnswerError(Exception):
    """Something we cannot read; the text says what."""


@dataclasses.dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed.

    Attributes:
        user: member id, e.g. ``U024BE7LH``.
        user_name: as Slack calls them.
        act: ack, resolve or silence.
        message_id: of our message.
        silence: how long, ms.
        response_url: where to answer the one who pressed.

    """

    user: str
    user_name: str
    act: str
    message_id: str
    silence: Ms = 0
    response_url: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ThreadMessage:
    """Somebody wrote into a thread.

    Attributes:
        event_id: the same when Slack delivers it again.
        ref: of the thread's message: channel and time stamp.

    """

    event_id: str
    user: str
    text: str
    ref: str


@dataclasses.dataclass(frozen=True, slots=True)
class Challenge:
    """Slack asks whether we are the server it was told of."""

    text: str


def press(form: Mapping[str, str]) -> Press | None:
    """A button of ours; none for interactions that are not.

    Raises:
        AnswerError: it cannot be read.

    """
    told = _object(form.get("payload", ""))
    if told.get("type") != "block_actions":
        return None
    for action in _list(told.get("actions")):
        act, silence = _act(str(action.get("action_id", "")))
        if act:
            user = _dict(told.get("user"))
            return Press(
                user=str(user.get("id", "")),
                user_name=str(user.get("username") or user.get("name") or user.get("id", "")),
                act=act,
                message_id=str(action.get("value", "")),
                silence=silence,
                response_url=str(told.get("response_url", "")),
            )
    return None


def _act(action_id: str) -> tuple[str, Ms]:
    if action_id == ACT_ACKNOWLEDGE:
        return "ack", 0
    if action_id == ACT_RESOLVE:
        return "resolve", 0
    span = action_id.removeprefix(ACT_SILENCE)
    return ("silence", parse_duration(span)) if span in SILENCES else ("", 0)


def event(body: bytes) -> ThreadMessage | Challenge | None:
    """A message that a person wrote into a thread, or Slack's question; none for everything else.

    Raises:
        AnswerError: it cannot be read.

    """
    told = _object(body)
    if told.get("type") == "url_verification":
        return Challenge(str(told.get("challenge", "")))
    said = _dict(told.get("event"))
    of_a_person = said.get("type") == "message" and not said.get("subtype") and not said.get("bot_id")
    # The first message of a thread names itself as the thread once it has replies.
    if not of_a_person or not said.get("thread_ts") or said.get("thread_ts") == said.get("ts"):
        return None
    ref = f"{said.get('channel', '')}/{said['thread_ts']}"
    return ThreadMessage(str(told.get("event_id", "")), str(said.get("user", "")), str(said.get("text", "")), ref)


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise AnswerError("expected a JSON object")
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
