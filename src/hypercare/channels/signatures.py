"""Signatures of requests: those that others send us, checked; and ours. All are HMAC-SHA-256 in hexadecimal digits."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from hypercare.model.time import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.time import Ms

WINDOW: Final[Ms] = 5 * MINUTE
"""How far the time of a request may be from ours."""
OURS: Final = "X-Hypercare-Signature"


class SignatureError(Exception):
    """A request that is not who it says it is from; the text says what is wrong, without secrets."""


def digest(secret: str, content: bytes) -> str:
    """The HMAC of a content."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def check_slack(secret: str, timestamp: str, signature: str, body: bytes, now: Ms) -> None:
    """Slack's ``v0``: over version, timestamp and body (api.slack.com/authentication/verifying-requests-from-slack).

    Raises:
        SignatureError: it does not fit, or is older (or newer) than five minutes.

    """
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        raise SignatureError("X-Slack-Request-Timestamp is missing or not a number")
    if abs(now - int(timestamp) * SECOND) > WINDOW:
        raise SignatureError("X-Slack-Request-Timestamp is more than five minutes away")
    expected = f"v0={digest(secret, b'v0:' + timestamp.encode() + b':' + body)}"
    if not secret or not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise SignatureError("X-Slack-Signature does not fit")


def check_pagerduty(secrets: Iterable[str], signatures: str, body: bytes) -> None:
    """PagerDuty's ``v1``: over the body; several in one header, as while a secret is being replaced.

    Raises:
        SignatureError: none of them fits.

    """
    given = [part.strip().encode("utf-8", "replace") for part in signatures.split(",")]
    expected = [f"v1={digest(secret, body)}".encode() for secret in secrets if secret]
    # All are compared, so that the time of an answer tells nothing.
    fits = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(fits):
        raise SignatureError("X-PagerDuty-Signature does not fit")


def ours(secret: str, body: bytes, now: Ms) -> str:
    """Our own, for webhooks: ``t=<unix seconds>,v1=<HMAC of "<t>.<body>">``."""
    seconds = now // SECOND
    return f"t={seconds},v1={digest(secret, f'{seconds}.'.encode() + body)}"


def check_ours(secret: str, header: str, body: bytes, now: Ms) -> None:
    """For receivers of our webhooks.

    Raises:
        SignatureError: it does not fit, or is older (or newer) than five minutes.

    """
    fields = dict(part.strip().partition("=")[::2] for part in header.split(","))
    seconds = fields.get("t", "")
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 16):
        raise SignatureError(f"{OURS} has no time")
    if abs(now - int(seconds) * SECOND) > WINDOW:
        raise SignatureError(f"{OURS} is more than five minutes away")
    expected = digest(secret, f"{seconds}.".encode() + body)
    if not hmac.compare_digest(expected.encode(), fields.get("v1", "").encode("utf-8", "replace")):
        raise SignatureError(f"{OURS} does not fit")
