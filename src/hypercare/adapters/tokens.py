"""OAuth 2.0 access tokens by client credentials (RFC 6749, section 4.4), kept until shortly before their end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlencode

from hypercare.ports import BasicAuth, HttpRequest, HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hypercare.ports import OAuth2

_EARLY: Final = 10.0
"""Seconds before its end at which a token is replaced."""
_NO_END: Final = 3600.0
"""Seconds that a token is used which tells no end."""
_MAX_ANSWER: Final = 1 << 20


@dataclasses.dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    value: str = ""
    until: float = 0.0
    in_body: bool = False


class Tokens:
    """Tokens by credentials; used in the loop's thread.

    Args:
        send: makes one exchange.

    """

    def __init__(self, send: Callable[[HttpRequest], Awaitable[HttpResponse | PortError]]) -> None:
        self._send = send
        self._kept: dict[OAuth2, _Kept] = {}

    async def header(self, credentials: OAuth2, within: int) -> str | PortError:
        """The value of an Authorization header, or why there is none within so many ms."""
        kept = self._kept.setdefault(credentials, _Kept())
        # Those who come while a token is fetched wait for that one.
        async with kept.lock:
            if kept.until > time.monotonic():
                return kept.value
            answer = await self._ask(credentials, kept, within)
            if isinstance(answer, PortError):
                return answer
            return _take(kept, answer)

    def forget(self, credentials: OAuth2) -> None:
        """A server refused the token: fetch another one for the next request."""
        kept = self._kept.get(credentials)
        if kept is not None:
            kept.until = 0.0

    async def _ask(self, credentials: OAuth2, kept: _Kept, within: int) -> HttpResponse | PortError:
        answer = await self._send(_request(credentials, within, in_body=kept.in_body))
        if isinstance(answer, HttpResponse) and 400 <= answer.status < 500:
            # Servers take the secret in a header or in the body, and tell nobody which.
            other = await self._send(_request(credentials, within, in_body=not kept.in_body))
            if isinstance(other, HttpResponse) and other.status == 200:
                kept.in_body = not kept.in_body
                return other
        if isinstance(answer, PortError):
            text = f"no OAuth 2.0 token from {credentials.token_url}: {answer.message}"
            return PortError(answer.kind, text, answer.duration, answer.started_at)
        return answer


def _request(credentials: OAuth2, timeout: int, *, in_body: bool) -> HttpRequest:
    form = [("grant_type", "client_credentials")]
    if credentials.scopes:
        form.append(("scope", " ".join(credentials.scopes)))
    form += credentials.parameters
    basic = None
    if in_body:
        form += [("client_id", credentials.client_id), ("client_secret", credentials.client_secret)]
    else:
        basic = BasicAuth(quote_plus(credentials.client_id), quote_plus(credentials.client_secret))
    return HttpRequest(
        "POST",
        credentials.token_url,
        (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")),
        urlencode(form).encode(),
        timeout=timeout,
        max_bytes=_MAX_ANSWER,
        basic_auth=basic,
        tls=credentials.tls,
        proxy_url=credentials.proxy_url,
        no_proxy=credentials.no_proxy,
    )


def _take(kept: _Kept, answer: HttpResponse) -> str | PortError:
    try:
        found = json.loads(answer.body) if answer.status == 200 else {}
        token = found.get("access_token") if isinstance(found, dict) else None
        ends = float(found.get("expires_in") or _NO_END) if token else 0.0
    except (ValueError, TypeError):
        token, ends = None, 0.0
    if not isinstance(token, str) or not token:
        body = answer.body[:200].decode("utf-8", "replace")
        text = f"no OAuth 2.0 token: {answer.final_url} answered {answer.status}: {body}"
        return PortError("other", text, answer.duration, answer.started_at)
    kind = str(found.get("token_type") or "Bearer")
    kept.value = f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"
    kept.until = time.monotonic() + max(ends - _EARLY, 1.0)
    return kept.value
