"""What a path of Prometheus' API is: one row of a table; and the table's place in the API's description."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hypercare.access import Area, Need, Role

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI

    from hypercare.app import App
    from hypercare.web.api.parameters import Parameters

    Answer: TypeAlias = Callable[["Asked"], "bytes | Page"]

FORM: Final = b"application/x-www-form-urlencoded"
READ: Final = Need(Role.VIEWER, Area.QUERY)
"""What reading needs, by whichever method."""
_JSON: Final = "application/json"


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON with status 200."""

    body: bytes
    type: str = _JSON
    status: int = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is made from.

    Attributes:
        path: the part of the path that varies.
        stop: set once nobody waits for the answer any more.
        headers: by names in lower case.

    """

    app: App
    parameters: Parameters
    path: str
    stop: threading.Event
    headers: Mapping[bytes, bytes]


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One path.

    Attributes:
        path: as in the API's description; one part may vary: ``{name}``.
        answer: makes the answer, in a worker.
        parameters: their names, for the description.
        is_query: evaluates an expression: bounded in time, and in how many run at once.
        need: what it demands of who uses it.
        empty: a good answer has no body.

    """

    path: str
    answer: Answer
    parameters: str = ""
    methods: tuple[str, ...] = ("GET",)
    is_query: bool = False
    need: Need = READ
    empty: bool = False


def describe(web: FastAPI, endpoints: tuple[Endpoint, ...]) -> None:
    """Have the endpoints stand in the API's description."""
    usual = web.openapi

    def openapi() -> dict[str, Any]:
        schema = usual()
        if endpoints[0].path not in schema["paths"]:
            paths = {e.path: {m.lower(): _operation(e, m) for m in e.methods} for e in endpoints}
            schema["paths"] = paths | schema["paths"]
        return schema

    web.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its description


_ENVELOPE: Final = {"200": {"description": "Prometheus' envelope", "content": {_JSON: {"schema": {}}}}}


def _operation(endpoint: Endpoint, method: str) -> dict[str, Any]:
    """One operation; its parameters are read by hand, as only Prometheus' rules say how."""
    text = {"schema": {"type": "string"}}
    listed = {"schema": {"type": "array", "items": {"type": "string"}}}
    names = endpoint.parameters.split()
    operation = {
        "tags": ["prometheus"],
        "summary": (endpoint.answer.__doc__ or "").strip(),
        "operationId": f"prometheus_{endpoint.answer.__name__.strip('_')}_{method.lower()}",
        "responses": {"204": {"description": "done"}} if endpoint.empty else dict(_ENVELOPE),
    }
    if method != "GET":
        fields = {n: (listed if n.endswith("[]") else text)["schema"] for n in names}
        form = {"schema": {"type": "object", "properties": fields}}
        return {**operation, "requestBody": {"content": {FORM.decode(): form}}}
    found = [{"name": n, "in": "path", "required": True, **text} for n in ("name",) if f"{{{n}}}" in endpoint.path]
    found += [{"name": n, "in": "query", **(listed if n.endswith("[]") else text)} for n in names]
    return {**operation, "parameters": found}
