"""/docs: every operation of the API on one page, from /openapi.json and without foreign scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

if TYPE_CHECKING:
    from fastapi import FastAPI

    from hypercare.web.pages import Pages

_TITLES = {
    "hypercare": "Hypercare",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager v2",
    "access": "Users, tokens, journal",
    "health": "Health and metrics",
}


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations of an OpenAPI document, in groups by tag; GET and POST of one operation share a line."""
    groups: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = next(iter(operation.get("tags", ())), "")
            text = operation.get("description") or operation.get("summary", "")
            known = groups.setdefault(tag, {}).setdefault((path, text), {"path": path, "text": text, "methods": []})
            known["methods"].append(method.upper())
            if method != "post" or "parameters" not in known:
                known["parameters"] = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
            known["link"] = method == "get" and "{" not in path and not path.endswith("/events")
    order = [*_TITLES, *groups]
    return [
        {"title": _TITLES.get(tag, tag), "operations": list(groups[tag].values())}
        for tag in dict.fromkeys(order)
        if tag in groups
    ]


def docs_router(web: FastAPI, pages: Pages) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    def docs(request: Request) -> Response:
        return pages.render(request, "docs.html", groups=operations(web.openapi()))

    return router
