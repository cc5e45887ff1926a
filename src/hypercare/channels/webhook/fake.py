"""A pretended receiver of webhooks, which checks signatures where it has a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.fake import FakeService, Reply, header, json_of
from hypercare.channels.signatures import OURS, SignatureError, check_ours

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest


class FakeWebhook(FakeService):
    """One receiver.

    Args:
        secret: what the sender signs with; empty: signatures are not looked at.

    Attributes:
        messages: what was accepted, in order.

    """

    def __init__(self, secret: str = "") -> None:
        super().__init__()
        self._secret = secret
        self.messages: list[Any] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """Accept JSON."""
        if self._secret:
            try:
                check_ours(self._secret, header(request, OURS), request.body, now)
            except SignatureError as error:
                return Reply(401, str(error).encode())
        body = json_of(request)
        if body is None:
            return Reply(400, b"not JSON")
        self.messages.append(body)
        return Reply(200, b"ok")
