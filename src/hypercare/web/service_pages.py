"""The pages of services: the list, and what somebody wants who opens one of them at night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

from hypercare.kernel import CommandError
from hypercare.model.time import SECOND
from hypercare.model.units import Unit
from hypercare.reports.service_charts import drawn
from hypercare.reports.services import service_lines, service_page
from hypercare.web import charts

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.model.time import Ms
    from hypercare.reports.service_parts import ChartSpec, ServicePage
    from hypercare.web.pages import Pages

_FRESH: Final[Ms] = 10 * SECOND
_KEPT: Final = 16


class Pictures:
    """Charts of services, kept for some seconds: the page asks anew whenever anything happens."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept: dict[str, tuple[Ms, tuple[Any, ...], dict[str, Any]]] = {}

    def of(self, page: ServicePage) -> dict[str, Any]:
        """What is drawn of a service, with the opening of its newest incident that is open."""
        name, now = page.line.name, page.at
        opened = max((i.opened_at for i in page.line.incidents), default=0)
        about = page.charts, opened
        kept = self._kept.get(name)
        if kept is not None and kept[1] == about and 0 <= now - kept[0] < _FRESH:
            return kept[2]
        result = drawn(self._app, page.charts, name, now)
        found: dict[str, Any] = {
            "span": result.span,
            "missing": result.missing,
            "graphs": [
                {"spec": spec, "data": data, "svg": charts.chart(data, opened, Unit(spec.unit)), "bound": _bound(spec)}
                for spec, data in result.curves
            ],
        }
        while len(self._kept) >= _KEPT:
            # Several threads answer at once: another may have taken it out already.
            self._kept.pop(next(iter(tuple(self._kept)), name), None)
        self._kept[name] = now, about, found
        return found


def _bound(spec: ChartSpec) -> str:
    if not spec.op or spec.threshold is None:
        return ""
    return f"{spec.op} {Unit(spec.unit).beside([spec.threshold]).of(spec.threshold)}"


def found_page(app: App, name: str) -> ServicePage:
    """What is known of a service.

    Raises:
        CommandError: nothing is.

    """
    with app.state.read() as db:
        page = service_page(app, db, app.ports.clock.now(), name)
    if page is None:
        text = f"no service {name!r} is known: name it in services: of hypercare.yml, or label what belongs to it"
        raise CommandError(f'{text} service="{name}"', 404)
    return page


def add_service_pages(router: APIRouter, pages: Pages) -> None:
    """All of them; before the fragments that are found by their name."""
    app, pictures = pages.app, Pictures(pages.app)

    def lines() -> dict[str, Any]:
        with app.state.read() as db:
            return {"lines": service_lines(app, db, app.ports.clock.now())}

    def view(name: str) -> dict[str, Any]:
        page = found_page(app, name)
        return {"p": page, "s": page.line, **pictures.of(page)}

    @router.get("/services")
    def services(request: Request) -> Response:
        return pages.render(request, "services.html", **lines())

    @router.get("/fragments/services")
    def services_fragment(request: Request) -> Response:
        return pages.render(request, "f_services.html", **lines())

    @router.get("/services/{name:path}")
    def service(request: Request, name: str) -> Response:
        return pages.render(request, "service.html", **view(name))

    @router.get("/fragments/services/{name:path}")
    def service_fragment(request: Request, name: str) -> Response:
        return pages.render(request, "f_service.html", **view(name))
