"""The API's description, completed: how every operation refuses, what it demands, and how one shows who one is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hypercare.access import Area, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from hypercare.access import Need
    from hypercare.web.roles import Demands

_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "a token: hypercare tokens add"},
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "a user and password, or any name and a token",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hypercare_session",
        "description": "of browsers",
    },
}
_WORDS: Final = {
    400: "The request is not right; the answer says what is wrong.",
    401: "Nobody is logged in, or the signature is not right.",
    403: "Whoever asks may not do this; or the request comes from another site's page.",
    404: "What the request names does not exist.",
    408: "The body did not come in time.",
    409: "It cannot be done as things are.",
    413: "The body is too large.",
    415: "The body is packed or written in a way that is not understood.",
    422: "A parameter or field is missing or not of its kind.",
    429: "Too many tries with a wrong password, or too many requests.",
    503: "The server is starting, is busy, or does not lead.",
}
_HEALTH: Final = "/-/healthy", "/-/ready"


def describe_refusals(web: FastAPI, demands: Demands) -> None:
    """Have the description tell it; call after all that adds operations."""
    usual = web.openapi
    done: list[bool] = []

    def openapi() -> dict[str, Any]:
        schema = usual()
        if not done:
            done.append(True)
            schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    _complete(operation, path, method.upper(), demands)
        return schema

    web.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its description


def _complete(operation: dict[str, Any], path: str, method: str, demands: Demands) -> None:
    if path in _HEALTH:
        return
    need = demands.of(method, re.sub(r"\{[^}]+\}", "x", path))
    operation["x-least-role"] = "none" if need.role is Role.NOBODY else str(need.role)
    if need.role is not Role.NOBODY:
        operation.setdefault("security", [{name: []} for name in _SCHEMES])
    responses = operation.setdefault("responses", {})
    for status in _statuses(method, need):
        responses.setdefault(str(status), {"description": _WORDS[status]})


def _statuses(method: str, need: Need) -> Iterator[int]:
    yield from (400, 401, 403, 404, 422, 429, 503)
    if method != "GET":
        yield from (408, 409, 413)
    if need.area is Area.INGEST:
        yield 415
