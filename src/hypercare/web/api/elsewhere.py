"""Queries that another server answers (``metrics.backend``): handed on as they came, answers handed back untouched."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.responses import Response

from hypercare.model.time import MINUTE
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY

if TYPE_CHECKING:
    from starlette.requests import Request

    from hypercare.app import App

_FORM: Final = "application/x-www-form-urlencoded"
_TIMEOUT: Final = 2 * MINUTE
_PASSED: Final = ("content-type", "warning")
_ROOT: Final = "/api/v1/"
_WHOLE: Final = frozenset(("query", "query_range", "query_exemplars", "series", "labels", "metadata"))


def answered_elsewhere(app: App, path: str) -> bool:
    """Whether a request to this path is for the other server: what is asked of series, and not of our own parts."""
    if app.backend.settings is None or not path.startswith(_ROOT):
        return False
    name = path.removeprefix(_ROOT)
    return name in _WHOLE or (name.startswith("label/") and name.endswith("/values"))


async def ask_elsewhere(app: App, request: Request) -> Response:
    """The other server's answer, or 503 in Prometheus' form where it gives none."""
    settings = app.backend.settings
    if settings is None:
        return _away("no other server is configured")
    fields = list(request.query_params.multi_items())
    if request.method == "POST" and request.headers.get("content-type", "").split(";")[0].strip().lower() == _FORM:
        fields += parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    path = request.scope.get("raw_path", b"").decode("ascii").split("?")[0] or request.url.path
    loop = asyncio.get_running_loop()
    came: asyncio.Future[HttpResponse | PortError] = loop.create_future()

    def arrive(got: HttpResponse | PortError) -> None:
        # Whoever asked may be gone already.
        if not came.done():
            came.set_result(got)

    def reply(got: HttpResponse | PortError) -> None:
        loop.call_soon_threadsafe(arrive, got)

    sent = settings.request(path, fields, _TIMEOUT, method=request.method, max_bytes=1 << 30)
    app.backend.send(sent, reply)
    got = await came
    if isinstance(got, PortError):
        return _away(got.message)
    headers = {name: got.headers[name] for name in _PASSED if name in got.headers}
    return Response(got.body, got.status, headers)


def _away(why: str) -> Response:
    body = {"status": "error", "errorType": "unavailable", "error": f"{AWAY}: {why}"}
    return Response(json.dumps(body), 503, {"content-type": "application/json"})
