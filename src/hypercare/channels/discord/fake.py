"""A pretended Discord webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.fake import FakeService, Reply, json_of

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest


class FakeDiscord(FakeService):
    """One channel.

    Attributes:
        messages: what was posted, in order.

    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """204, or what is wrong."""
        del now
        body = json_of(request)
        if not isinstance(body, dict) or not (body.get("content") or body.get("embeds")):
            return Reply.of({"message": "Cannot send an empty message", "code": 50006}, 400)
        embeds = body.get("embeds", [])
        fits = len(embeds) <= 10 and len(body.get("content", "")) <= 2000
        fits &= all(len(e.get("title", "")) <= 256 and len(e.get("description", "")) <= 4096 for e in embeds)
        if not fits:
            return Reply.of({"embeds": ["Must be shorter."]}, 400)
        self.messages.append(body)
        return Reply(204)
