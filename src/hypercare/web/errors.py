"""Refusals in plain words, in the shape that each caller understands: people, our API, Alertmanager's."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from hypercare.kernel import CommandError
from hypercare.state import StateAwayError, is_away
from hypercare.web.auth import TooManyTriesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

    ErrorPage = Callable[[Request, int, str], Response]

_log = logging.getLogger(__name__)
# What a client that speaks Alertmanager's API calls a body that cannot be read at all.
_UNREADABLE = {"json_invalid", "json_type", "string_type", "list_type", "dict_type", "model_attributes_type"}


def words(errors: list[Any]) -> str:
    """What is wrong with a request, by place: ``body.text: field required``."""
    parts = []
    for error in errors:
        place = ".".join(str(p) for p in error["loc"] if not (p == "body" and len(error["loc"]) > 1))
        message = str(error["msg"])
        parts.append(f"{place}: {message[:1].lower()}{message[1:]}")
    return sendable("; ".join(parts))


def sendable(text: str) -> str:
    """A text that quotes what was sent, which need not be text that can be sent back (JSON knows halves of pairs)."""
    return text.encode("utf-8", "replace").decode()


def install(web: FastAPI, page: ErrorPage) -> None:
    """Have all refusals answered.

    Args:
        web: the application.
        page: renders an error for people.

    """

    def answer(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
        path = request.url.path
        if "text/html" in request.headers.get("accept", "") and not path.startswith(("/api/", "/-/")):
            found = page(request, status, text)
            found.headers.update(headers or {})
            return found
        return JSONResponse({"error": text}, status, headers)

    @web.exception_handler(CommandError)
    async def _command(request: Request, error: CommandError) -> Response:
        if request.url.path.startswith("/api/v2/"):
            return JSONResponse(sendable(str(error)), error.status)
        return answer(request, error.status, sendable(str(error)))

    @web.exception_handler(StateAwayError)
    @web.exception_handler(DBAPIError)
    async def _away(request: Request, error: StateAwayError | DBAPIError) -> Response:
        if not is_away(error):
            raise error
        text = str(error) if isinstance(error, StateAwayError) else "the state database is away"
        return answer(request, 503, sendable(text), {"Retry-After": "5"})

    @web.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        text = words(list(error.errors()))
        if request.url.path.startswith("/api/v2/"):
            status = 400 if any(e["type"] in _UNREADABLE for e in error.errors()) else 422
            return JSONResponse({"code": status, "message": text}, status)
        return answer(request, 422, text)

    @web.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        text = str(error.detail)
        if text == HTTPStatus(error.status_code).phrase:
            text = f"there is no {request.url.path}" if error.status_code == 404 else text.lower()
        if request.url.path.startswith("/api/v2/"):
            return JSONResponse({"code": error.status_code, "message": text}, error.status_code, error.headers)
        return answer(request, error.status_code, text, error.headers)

    @web.exception_handler(TooManyTriesError)
    async def _tries(request: Request, _error: TooManyTriesError) -> Response:
        return answer(request, 429, "too many tries; wait five minutes", {"Retry-After": "300"})

    @web.exception_handler(TimeoutError)
    async def _busy(request: Request, _error: TimeoutError) -> Response:
        _log.error("no answer from the loop in time: %s %s", request.method, request.url.path)
        return answer(request, 503, "hypercare is busy; what was asked may still happen")
