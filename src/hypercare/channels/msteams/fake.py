"""A pretended Teams: connectors (MessageCard) and workflows (Adaptive Card)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.fake import FakeService, Reply, json_of

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest

_LARGEST = 28 * 1024


class FakeTeams(FakeService):
    """One channel.

    Attributes:
        cards: what was posted, in order.

    """

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict[str, Any]] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """``1`` as connectors answer, 202 as workflows do, or what is wrong."""
        del now
        body = json_of(request)
        if not isinstance(body, dict):
            return Reply(400, b"Bad payload received by generic incoming webhook.")
        if len(request.body) > _LARGEST:
            return Reply(413, b"Payload too large")
        if body.get("type") == "MessageCard":
            if not (body.get("summary") or body.get("text")):
                return Reply(400, b"Summary or Text is required.")
            self.cards.append(body)
            return Reply(200, b"1")
        contents = [a.get("content", {}) for a in body.get("attachments", ()) if isinstance(a, dict)]
        if body.get("type") != "message" or not contents or any(c.get("type") != "AdaptiveCard" for c in contents):
            return Reply(400, b"Bad payload received by generic incoming webhook.")
        self.cards.append(body)
        return Reply(202)
