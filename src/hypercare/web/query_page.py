"""The page of an expression, under the address that Prometheus' links to its graphs have (``/graph?g0.expr=…``).

Every notification names it: as ``generatorURL`` of an alert, and where templates use ``graphLink`` and ``tableLink``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

from hypercare.model.time import DAY, HOUR, MINUTE, YEAR, Ms, format_duration, parse_duration
from hypercare.promql.measures import unit_of
from hypercare.reports.expression import Looked, look_at
from hypercare.web import charts

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.pages import Pages

_SPANS: Final[tuple[Ms, ...]] = (15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY)
_LONGEST: Final = 20_000
"""Characters of an expression that are read."""


def _span(text: str) -> Ms:
    """The length that a link names; an hour where it names none that can be drawn."""
    try:
        found = parse_duration(text)
    except ValueError:
        return HOUR
    return found if MINUTE <= found <= YEAR else HOUR


def add_query_page(router: APIRouter, pages: Pages) -> None:
    """One page; it is asked again by its form alone, so that nobody loses what they look at."""
    app = pages.app

    @router.get("/graph")
    def graph(request: Request) -> Response:
        asked = request.query_params
        text, length = asked.get("g0.expr", "").strip()[:_LONGEST], _span(asked.get("g0.range_input", "1h"))
        seen = look_at(app, text, length, app.ports.clock.now()) if text else Looked()
        graphs: list[dict[str, Any]] = [
            {"data": data, "svg": charts.chart(data, 0), "bound": _bound(data)} for data in seen.curves
        ]
        spans = sorted({*_SPANS, length})
        return pages.render(
            request, "graph.html", expr=text, seen=seen, graphs=graphs, span=format_duration(length),
            spans=[format_duration(s) for s in spans],
        )  # fmt: skip


def _bound(data: dict[str, Any]) -> str:
    if not data["op"] or data["threshold"] is None:
        return ""
    return f"{data['op']} {unit_of(data['expr']).beside([data['threshold']]).of(data['threshold'])}"
