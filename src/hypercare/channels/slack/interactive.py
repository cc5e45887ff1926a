"""One Slack message for a group or page: its body with buttons, kept up to date; and replies in its thread.

Buttons are Block Kit's (docs.slack.dev/reference/block-kit). Their ``value`` is the id of the message, from which we
know what it is about when one is pressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.memory import ACKNOWLEDGED, OPEN, RESOLVED
from hypercare.channels.texts import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.base import Sending

POST, UPDATE = "chat.postMessage", "chat.update"
BLOCK: Final = "hypercare"
"""``block_id`` of our buttons."""
ACT_ACKNOWLEDGE: Final = "hypercare_acknowledge"
ACT_RESOLVE: Final = "hypercare_resolve"
ACT_SILENCE: Final = "hypercare_silence_"
"""Followed by a duration: ``1h``."""
SILENCES: Final = ("1h", "4h", "1d")
_MAX_TEXT: Final = 3000
_NOT_IN_UPDATES: Final = frozenset({"username", "icon_emoji", "icon_url"})


def method_url(url: str, method: str) -> str:
    """The address of another method of the same API."""
    return f"{url.rpartition('/')[0]}/{method}"


def is_api(url: str) -> bool:
    """Whether an address is that of the API, not a webhook's."""
    return url.partition("?")[0].endswith(f"/{POST}")


def body(payload: Mapping[str, Any], sending: Sending) -> tuple[str, dict[str, Any]]:
    """Method and body of a message: a new one, or the one that was posted, as it is to be now."""
    found = _with_buttons(payload, sending) if sending.interactive else dict(payload)
    earlier = sending.earlier
    # A page is to be heard: it is a message of its own each time.
    if earlier is None or ("blocks" in payload and not sending.follows):
        return POST, found
    kept = {name: value for name, value in found.items() if name not in _NOT_IN_UPDATES}
    return UPDATE, {**kept, "channel": earlier.receipt["channel"], "ts": earlier.receipt["ts"]}


def reply(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a reply in the thread of a message."""
    found: dict[str, Any] = {
        "channel": payload["thread"]["channel"],
        "thread_ts": payload["thread"]["ts"],
        "text": shorten(escaped(payload["reply"]), _MAX_TEXT),
    }
    if payload.get("broadcast"):
        found["reply_broadcast"] = True
    return found


def _with_buttons(payload: Mapping[str, Any], sending: Sending) -> dict[str, Any]:
    blocks = _status(sending) + _buttons(sending)
    if "blocks" in payload:
        # A page: our own actions take the place of the links that it has for those who cannot press buttons.
        others = [block for block in payload["blocks"] if block["type"] != "actions"]
        links = [e for b in payload["blocks"] if b["type"] == "actions" for e in b["elements"][1:]]
        links = [link for link in links if link["text"]["text"] != "Acknowledge"]
        return {**payload, "blocks": others + blocks + ([{"type": "actions", "elements": links}] if links else [])}
    attachments = list(payload.get("attachments", ()))
    if blocks:
        color = attachments[0].get("color") if attachments else None
        attachments.append({"color": color, "blocks": blocks} if color else {"blocks": blocks})
    return {**payload, "attachments": attachments}


def _status(sending: Sending) -> list[dict[str, Any]]:
    text = sending.standing.text
    if not text:
        return []
    sign = {ACKNOWLEDGED: ":eyes: ", RESOLVED: ":white_check_mark: "}.get(sending.standing.status, "")
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": shorten(sign + escaped(text), _MAX_TEXT)}]}]


def _buttons(sending: Sending) -> list[dict[str, Any]]:
    status = sending.standing.status
    if status == RESOLVED or not sending.firing:
        return []
    elements: list[dict[str, Any]] = []
    if status == OPEN:
        elements.append(_button("Acknowledge", ACT_ACKNOWLEDGE, sending.message_id, "primary"))
    resolve = _button("Resolve", ACT_RESOLVE, sending.message_id)
    resolve["confirm"] = {
        "title": {"type": "plain_text", "text": "Resolve"},
        "text": {"type": "plain_text", "text": "Is it over, whatever the alerts say?"},
        "confirm": {"type": "plain_text", "text": "Resolve"},
        "deny": {"type": "plain_text", "text": "No"},
    }
    elements.append(resolve)
    elements += [_button(f"Silence {span}", f"{ACT_SILENCE}{span}", sending.message_id) for span in SILENCES]
    return [{"type": "actions", "block_id": BLOCK, "elements": elements}]


def _button(text: str, action: str, value: str, style: str = "") -> dict[str, Any]:
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action,
        "value": value,
    }
    return {**button, "style": style} if style else button


def escaped(text: str) -> str:
    """Text in which nothing is markup for Slack: no mention, no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
