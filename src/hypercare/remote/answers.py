"""What an answer means for the request it answers."""

from __future__ import annotations

import enum
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from hypercare.ports import HttpResponse, PortError

if TYPE_CHECKING:
    from hypercare.model.time import Ms


class Fate(enum.Enum):
    """What becomes of a request."""

    DONE = "done"
    RETRY = "retry"
    DROP = "drop"


class Judgement(NamedTuple):
    """A fate and why.

    Attributes:
        wait: how long the server asks to wait at least, ms.

    """

    fate: Fate
    reason: str = ""
    wait: Ms = 0


def judge(answer: HttpResponse | PortError, now: Ms, *, retry_429: bool) -> Judgement:
    """Done with 2xx; again after 5xx, no answer, and 429 if so wished; anything else would come back the same."""
    if isinstance(answer, PortError):
        return Judgement(Fate.RETRY, answer.message)
    if 200 <= answer.status < 300:
        return Judgement(Fate.DONE)
    text = answer.body[:300].decode("utf-8", "replace").strip()
    reason = f"HTTP status {answer.status}" + (f": {text}" if text else "")
    if answer.status >= 500 or (answer.status == 429 and retry_429):
        return Judgement(Fate.RETRY, reason, retry_after(answer.headers.get("retry-after", ""), now))
    return Judgement(Fate.DROP, reason)


def retry_after(text: str, now: Ms) -> Ms:
    """The header ``Retry-After``: seconds, or a date; ms from now, 0 where it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text), 86_400) * 1000
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0
    return min(max(int(at.timestamp() * 1000) - now, 0), 86_400_000)
