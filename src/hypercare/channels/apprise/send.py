"""Sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, NotSendableError, Request, Sending
from hypercare.kernel import Delivered, Permanent, Retry
from hypercare.ports import Apprised, AppriseResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.apprise.config import AppriseConfig
    from hypercare.kernel import Outcome


def request(config: AppriseConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """The message and the URL of its service.

    Raises:
        OSError: a secret's file cannot be read.
        NotSendableError: outgoing requests are restricted, which Apprise's own cannot be.
    """
    if sending.outgoing.deny_private:
        raise NotSendableError("Apprise makes connections of its own, which channels.outgoing.deny_private forbids")
    url = sending.secret(config.url, config.url_file)
    return Apprised(url, payload["title"], payload["body"] or payload["title"], payload["kind"])


def classify(answer: Answer) -> Outcome:
    """Apprise says no more than whether it worked: what did not may work later."""
    if not isinstance(answer, AppriseResult):
        return Permanent("not an answer of Apprise's")
    if answer.ok:
        return Delivered(answer.message)
    return Permanent(answer.message) if answer.permanent else Retry(answer.message)
