"""Talks to a running hypercare."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer

from hypercare.cli.failure import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

DEFAULT_URL = "http://127.0.0.1:9600"
Url = Annotated[str, typer.Option("--url", envvar="HYPERCARE_URL", help="A running hypercare.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option("--by", envvar="HYPERCARE_USER", help="Who you are; your log-in name by default.")]
_TIMEOUT_SECONDS = 35


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: the token must not travel to another place."""

    def redirect_request(self, req: Any, _fp: Any, code: int, _msg: str, _headers: Message, newurl: str) -> None:
        """Refuse."""
        text = f"{req.full_url} sends us on to {newurl}; name that place: --url URL"
        raise ServerError(text, code)


def whoami(by: str) -> str:
    """The name given, or that of the log-in."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run under a number that has no name.
        return "cli"


def request(url: str, path: str, body: Any = None, method: str = "", **parameters: Any) -> Any:
    """One exchange with the server; JSON in and out.

    Raises:
        ServerError: no answer, or the server's own words for what is wrong.

    """
    return _exchange(
        url, path, body, method, parameters, lambda answer: None if answer.status == 204 else json.load(answer)
    )


def request_text(url: str, path: str, **parameters: Any) -> str:
    """What a GET answers, as text.

    Raises:
        ServerError: as ``request``.

    """
    return str(_exchange(url, path, None, "", parameters, lambda answer: answer.read().decode()))


def _json(answer: Any) -> Any:
    """What an answer holds; none where it is empty."""
    return None if answer.status == 204 else json.load(answer)


def _exchange(
    url: str, path: str, body: Any, method: str, parameters: dict[str, Any], read: Callable[[Any], Any]
) -> Any:
    pairs = {k: v for k, v in parameters.items() if v is not None}
    address = url.rstrip("/") + path + (f"?{urlencode(pairs, doseq=True)}" if pairs else "")
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    token = os.environ.get("HYPERCARE_TOKEN", "").strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    if not address.startswith(("http://", "https://")):
        msg = f"not an http address: {url}"
        raise ServerError(msg)
    asked = urllib.request.Request(address, data, headers, method=method or None)  # noqa: S310 - checked above
    try:
        with _opener(address).open(asked, timeout=_TIMEOUT_SECONDS) as answer:
            return read(answer)
    except urllib.error.HTTPError as error:
        raise ServerError(_words(error), error.code) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", "") or str(error) or type(error).__name__
        msg = f"no hypercare answers at {url}: {reason}\n  start one: hypercare serve    or name another: --url URL"
        raise ServerError(msg) from error


def _opener(address: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_Straight()]
    host = urlsplit(address).hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127."):
        # A proxy of the environment cannot reach what listens on this machine only.
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _words(error: urllib.error.HTTPError) -> str:
    if error.code == 401:
        if os.environ.get("HYPERCARE_TOKEN", "").strip():
            return "the token in HYPERCARE_TOKEN is not valid here: it has expired, was revoked, or is another server's"
        return "a token is needed: log in at /account of the server, make one, and set HYPERCARE_TOKEN"
    try:
        body = json.load(error)
    except (ValueError, OSError, http.client.HTTPException):
        return f"HTTP {error.code}"
    if not isinstance(body, dict):
        return str(body)
    return str(body.get("error") or body.get("message") or body)
