"""Services and how they stand, below /api/hypercare/v1/services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path

from hypercare.reports.services import service_lines
from hypercare.web.api.timed import timed
from hypercare.web.service_pages import found_page

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.reports.service_parts import ServiceLine, WatchLine

Name = Annotated[str, Path(description="name of the service", max_length=200)]


def services_router(app: App) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/hypercare/v1/services", tags=["services"])

    @router.get("", operation_id="list_services")
    def services() -> Any:
        """All services: status, alerts, open incidents, running watch, version, who is on call, error budgets."""
        with app.state.read() as db:
            return [_line(line) for line in service_lines(app, db, app.ports.clock.now())]

    @router.get("/{name:path}", operation_id="show_service")
    def service(name: Name) -> Any:
        """One service with everything that is known of it; charts as expressions with units and thresholds."""
        page = found_page(app, name)
        found: dict[str, Any] = timed(page)
        found |= {"watches": [_watch(w) for w in page.watches]}
        found.pop("line")
        return {**_line(page.line), **found}

    return router


def _line(line: ServiceLine) -> dict[str, Any]:
    found: dict[str, Any] = timed(line)
    on_call = line.on_call
    return {**found, "watch": None if line.watch is None else _watch(line.watch),
            "on_call": None if on_call is None else timed(on_call)}  # fmt: skip


def _watch(line: WatchLine) -> dict[str, Any]:
    found: dict[str, Any] = timed(line)
    found["watch"].pop("plan_json")
    return found
