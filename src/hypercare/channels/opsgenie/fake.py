"""A pretended Opsgenie: alerts that are created, changed and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from hypercare.channels.fake import FakeService, Reply, header, json_of

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest


class FakeOpsgenie(FakeService):
    """One account.

    Args:
        key: of the integration.

    Attributes:
        alerts: the open ones, by alias.
        closed: aliases, in order.

    """

    def __init__(self, key: str = "fake-key") -> None:
        super().__init__()
        self._key = key
        self.alerts: dict[str, dict[str, Any]] = {}
        self.closed: list[str] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """202, or what is wrong."""
        del now
        body = json_of(request)
        url = urlsplit(request.url)
        parts = url.path.strip("/").split("/")
        if header(request, "authorization") != f"GenieKey {self._key}":
            return Reply.of({"message": "Could not authenticate"}, 401)
        if not isinstance(body, dict) or parts[:2] != ["v2", "alerts"]:
            return Reply.of({"message": "Request body is not processable"}, 422)
        if len(parts) == 2:
            if not 0 < len(body.get("message", "")) <= 130 or len(body.get("description", "")) > 15_000:
                return Reply.of({"message": "Message is empty or too long"}, 422)
            self.alerts[body.get("alias", "")] = body
        elif len(parts) == 4 and parse_qs(url.query).get("identifierType") == ["alias"]:
            self._change(parts[2], parts[3], body)
        else:
            return Reply.of({"message": "Not found"}, 404)
        return Reply.of({"result": "Request will be processed", "requestId": str(len(self.requests))}, 202)

    def _change(self, alias: str, what: str, body: dict[str, Any]) -> None:
        if what == "close":
            self.alerts.pop(alias, None)
            self.closed.append(alias)
        elif alias in self.alerts:
            self.alerts[alias][what] = body.get(what, "")
