"""Links that let the person who was paged act without a log-in: signed, for one person, one action, some time.

A link's token holds the incident, the person, the action and the end of its time, and an HMAC-SHA-256 over them (the
first 16 bytes; RFC 2104 allows half of the hash). Opening the link changes nothing, since scanners of mail and chat
open links, too: the page it shows has a button, and the button acts.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final

from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from hypercare.model.time import Ms

PATH: Final = "/a/"
DECISION_PATH: Final = "/d/"
ACKNOWLEDGE, APPROVE, REFUSE, FEED = "ack", "approve", "refuse", "feed"
_CONTEXT: Final = b"hypercare link 1\x00"
_MAC_BYTES: Final = 16
_LONGEST: Final = 2048


class LinkError(Exception):
    """A token that opens nothing; the text says why, for people."""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """What a token allows.

    Attributes:
        action: ``ack`` of an incident; ``approve`` or ``refuse`` of a run of an action; ``feed`` of a calendar.
        incident: its id; the number of the run; the name of the schedule, empty for all.
        person: who was paged, or subscribed; ``receiver:<name>`` where that is nobody in person.
        until: when it ends.

    """

    action: str
    incident: str
    person: str
    until: Ms


class LinkSigner:
    """Makes and reads tokens with one secret."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(_CONTEXT + secret.encode()).digest()

    def token(self, link: Link) -> str:
        """The token of a link; the same link gives the same token."""
        fields = [link.action, link.incident, link.person, link.until // SECOND]
        body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return f"{_text(body)}.{_text(self._mac(body))}"

    def read(self, token: str, now: Ms) -> Link:
        """What a token allows.

        Raises:
            LinkError: it is damaged or forged, or its time is over.

        """
        body_text, _, mac_text = token.partition(".")
        if len(token) > _LONGEST:
            raise LinkError("this link is not one of ours")
        try:
            body, mac = _bytes(body_text), _bytes(mac_text)
        except (binascii.Error, ValueError) as error:
            raise LinkError("this link is damaged") from error
        if not hmac.compare_digest(mac, self._mac(body)):
            raise LinkError("this link is damaged, or was signed with another secret")
        action, incident, person, until = json.loads(body)
        if now >= until * SECOND:
            raise LinkError("this link is too old; open the incident itself")
        return Link(action, incident, person, until * SECOND)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    data = text.encode("ascii")
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
