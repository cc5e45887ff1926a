"""A pretended Telegram bot API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hypercare.channels.fake import FakeService, Reply, json_of

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest


class FakeTelegram(FakeService):
    """One bot.

    Args:
        token: of the bot.

    Attributes:
        messages: what was sent, in order.

    """

    def __init__(self, token: str = "1:fake") -> None:  # noqa: S107 - pretended
        super().__init__()
        self._token = token
        self.messages: list[dict[str, Any]] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """``sendMessage``."""
        del now
        body = json_of(request)
        if urlsplit(request.url).path != f"/bot{self._token}/sendMessage":
            return _error(401, "Unauthorized")
        if not isinstance(body, dict) or not body.get("chat_id"):
            return _error(400, "Bad Request: chat not found")
        if not body.get("text"):
            return _error(400, "Bad Request: message text is empty")
        if len(body["text"].encode()) > 1 << 15:
            return _error(400, "Bad Request: message is too long")
        self.messages.append(body)
        return Reply.of({"ok": True, "result": {"message_id": len(self.messages), "chat": {"id": body["chat_id"]}}})


def _error(status: int, text: str) -> Reply:
    return Reply.of({"ok": False, "error_code": status, "description": text}, status)
