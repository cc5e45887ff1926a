"""A pretended Slack: ``chat.postMessage``, ``chat.update``, incoming webhooks; and people who press buttons."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from hypercare.channels.fake import FakeService, Reply, Signed, header, json_of
from hypercare.channels.signatures import digest
from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest

_BLOCKS, _ELEMENTS, _TEXT, _HEADER, _BUTTON, _VALUE = 50, 25, 3000, 150, 75, 2000
_ROOT: Final = ("ts", "channel")


@dataclasses.dataclass(slots=True)
class Posted:
    """A message as people see it now."""

    channel: str
    ts: str
    content: dict[str, Any]
    thread_ts: str = ""
    edits: int = 0

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """The buttons by their text."""
        found = [element for block in _all_blocks(self.content) for element in block.get("elements", ())]
        return {e["text"]["text"]: e for e in found if e.get("type") == "button"}

    @property
    def text(self) -> str:
        """Everything that can be read, as JSON."""
        return json.dumps(self.content, ensure_ascii=False)


class FakeSlack(FakeService):
    """One workspace.

    Args:
        token: of the app.
        signing_secret: of the app.

    Attributes:
        messages: all that were posted, replies too, in order.
        webhook: what came through an incoming webhook.

    """

    def __init__(self, token: str = "xoxb-fake", signing_secret: str = "fake-signing-secret") -> None:  # noqa: S107 - pretended
        super().__init__()
        self._token = token
        self._secret = signing_secret
        self._count = 0
        self.messages: list[Posted] = []
        self.webhook: list[dict[str, Any]] = []

    @property
    def roots(self) -> list[Posted]:
        """The messages that are no replies."""
        return [message for message in self.messages if not message.thread_ts]

    def replies(self, root: Posted) -> list[str]:
        """The texts in a message's thread."""
        return [m.content["text"] for m in self.messages if m.thread_ts == root.ts and m.channel == root.channel]

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """The API's and the webhook's answers."""
        body = json_of(request)
        if not isinstance(body, dict):
            return Reply(400, b"invalid_payload")
        method = urlsplit(request.url).path.rpartition("/")[2]
        if method not in {"chat.postMessage", "chat.update"}:
            self.webhook.append(body)
            return Reply(200, b"ok", (("content-type", "text/html"),))
        if header(request, "authorization") != f"Bearer {self._token}":
            return _error("invalid_auth")
        problem = _problem(body)
        if problem:
            return _error(problem)
        return self._post(body, now) if method == "chat.postMessage" else self._update(body)

    def _post(self, body: dict[str, Any], now: Ms) -> Reply:
        self._count += 1
        ts = f"{now // SECOND}.{self._count:06d}"
        # People give names and member ids; the answer has the id of the conversation.
        channel = (
            body["channel"] if body["channel"].startswith(("C", "D", "G")) else f"C{abs(hash_of(body['channel']))}"
        )
        self.messages.append(Posted(channel, ts, _content(body), body.get("thread_ts", "")))
        return Reply.of({"ok": True, "channel": channel, "ts": ts, "message": _content(body)})

    def _update(self, body: dict[str, Any]) -> Reply:
        for message in self.messages:
            if (message.channel, message.ts) == (body["channel"], body.get("ts")):
                message.content = _content(body)
                message.edits += 1
                return Reply.of(
                    {"ok": True, "channel": message.channel, "ts": message.ts, "text": body.get("text", "")}
                )
        return _error("message_not_found")

    def delete(self, message: Posted) -> None:
        """Somebody deletes a message."""
        self.messages.remove(message)

    def press(self, message: Posted, button: str, user: str, now: Ms, name: str = "somebody") -> Signed:
        """What Slack sends when somebody presses a button of a message."""
        element = message.buttons[button]
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": name},
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "response_url": "https://hooks.slack.com/actions/T/1/x",
            "actions": [
                {
                    "type": "button",
                    "action_id": element["action_id"],
                    "value": element.get("value", ""),
                    "action_ts": "1",
                }
            ],
        }
        return self.signed(urlencode({"payload": json.dumps(payload)}).encode(), now)

    def write(self, message: Posted, text: str, user: str, now: Ms, event_id: str = "Ev1") -> Signed:
        """What Slack sends when somebody writes into the thread of a message."""
        event = {
            "type": "message", "user": user, "text": text, "channel": message.channel,
            "ts": f"{now // SECOND}.9", "thread_ts": message.ts,
        }  # fmt: skip
        body = json.dumps({"type": "event_callback", "event_id": event_id, "event": event}).encode()
        return self.signed(body, now, "application/json")

    def command(self, text: str, user: str, now: Ms) -> Signed:
        """What Slack sends when somebody types ``/hypercare …``."""
        form = {"command": "/hypercare", "text": text, "user_id": user, "user_name": "somebody"}
        return self.signed(urlencode(form).encode(), now)

    def signed(self, body: bytes, now: Ms, kind: str = "application/x-www-form-urlencoded") -> Signed:
        """A request with Slack's signature."""
        seconds = str(now // SECOND)
        signature = f"v0={digest(self._secret, b'v0:' + seconds.encode() + b':' + body)}"
        headers = {"content-type": kind, "x-slack-request-timestamp": seconds, "x-slack-signature": signature}
        return Signed(body, headers)


def hash_of(name: str) -> int:
    """A number for a channel's name, the same in every process."""
    return sum((n + 1) * ord(char) for n, char in enumerate(name))


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _ROOT}


def _error(error: str) -> Reply:
    return Reply.of({"ok": False, "error": error})


def _all_blocks(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = list(content.get("blocks", ()))
    for attachment in content.get("attachments", ()):
        found += attachment.get("blocks", ())
    return found


def _problem(body: Mapping[str, Any]) -> str:
    """Slack's name for what is wrong with a message, or nothing."""
    if not body.get("channel"):
        return "channel_not_found"
    if not (body.get("text") or body.get("blocks") or body.get("attachments")):
        return "no_text"
    blocks = _all_blocks(body)
    good = len(blocks) <= _BLOCKS and all(_is_good(block) for block in blocks)
    return "" if good else "invalid_blocks"


def _is_good(block: Mapping[str, Any]) -> bool:
    match block.get("type"):
        case "header":
            return 0 < len(block["text"]["text"]) <= _HEADER
        case "section":
            return 0 < len(block["text"]["text"]) <= _TEXT
        case "context":
            return 0 < len(block["elements"]) <= 10 and all(0 < len(e["text"]) <= _TEXT for e in block["elements"])
        case "actions":
            elements = block["elements"]
            named = [e["action_id"] for e in elements if "action_id" in e]
            return 0 < len(elements) <= _ELEMENTS and len(set(named)) == len(named) and all(map(_is_button, elements))
        case _:
            return False


def _is_button(element: Mapping[str, Any]) -> bool:
    short = len(element["text"]["text"]) <= _BUTTON and len(element.get("value", "")) <= _VALUE
    return element["type"] == "button" and short and element.get("style") in {None, "primary", "danger"}
