"""The status page: on the server itself for those who log in, and alone on a listener of its own for everybody.

The public application knows the page, its JSON and its feeds: no log-in, no forms, no way to the rest.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hypercare.incidents.statusview import StatusView, status_view
from hypercare.model.time import SECOND, format_rfc3339, to_datetime
from hypercare.web.api.encode import plain_json
from hypercare.web.api.timed import timed

if TYPE_CHECKING:
    from starlette.requests import Request

    from hypercare.app import App
    from hypercare.model.time import Ms

_FRESH: Final = 5 * SECOND
WORDS: Final = {
    "operational": "Everything works",
    "maintenance": "Maintenance",
    "degraded": "Slower or partly failing",
    "partial": "Partial outage",
    "major": "Major outage",
    "none": "No impact",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=15",
    # Anybody may read what anybody may read.
    "Access-Control-Allow-Origin": "*",
}
_STATIC: Final = Path(__file__).parent / "static"


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters["rfc3339"] = format_rfc3339
    found.filters["clock"] = lambda at: to_datetime(at).strftime("%a %d %b %Y %H:%M UTC")
    return found


def view_of(app: App) -> StatusView | None:
    """The page as it is now; none: there is none."""
    settings = app.incidents.settings.status_page
    if settings is None:
        return None
    with app.state.read() as db:
        return status_view(db, settings, app.ports.clock.now())


def page_html(environment: Environment, view: StatusView, now: Ms, base: str) -> str:
    """The page; ``base`` is where its style and feeds are."""
    return environment.get_template("status.html").render(v=view, words=WORDS, now=now, base=base)


class Copies:
    """Answers, made anew every few seconds: however many people look, the database is asked as often as that."""

    def __init__(self, app: App, base: str = "") -> None:
        self._app = app
        self._base = base
        self._lock = threading.Lock()
        self._environment = _environment()
        self._made: tuple[Ms, dict[str, tuple[bytes, str]]] | None = None

    def answer(self, name: str) -> Response:
        """One of the documents."""
        with self._lock:
            now = self._app.ports.clock.now()
            if self._made is None or not 0 <= now - self._made[0] < _FRESH:
                self._made = now, self._make(now)
            found = self._made[1].get(name)
        if found is None:
            return PlainTextResponse("there is no status page\n", 404, headers=HEADERS)
        return Response(found[0], media_type=found[1], headers=HEADERS)

    def _make(self, now: Ms) -> dict[str, tuple[bytes, str]]:
        view = view_of(self._app)
        if view is None:
            return {}
        from hypercare.web.feeds import atom, rss  # noqa: PLC0415 - for those who have a status page

        html = page_html(self._environment, view, now, self._base)
        return {
            "page": (html.encode(), "text/html; charset=utf-8"),
            "json": (plain_json(document(view)), "application/json"),
            "atom": (atom(view, view.url), "application/atom+xml; charset=utf-8"),
            "rss": (rss(view, view.url), "application/rss+xml; charset=utf-8"),
        }


def document(view: StatusView) -> Any:
    """The page as JSON."""
    return timed(view)


def status_app(app: App) -> Starlette:
    """The application that serves the status page alone."""
    copies = Copies(app)
    style, mark = (_STATIC / "status.css").read_bytes(), (_STATIC / "icon.svg").read_bytes()

    def serving(name: str) -> Any:
        async def endpoint(request: Request) -> Response:
            del request
            return await run_in_threadpool(copies.answer, name)

        return endpoint

    async def css(request: Request) -> Response:
        del request
        return Response(style, media_type="text/css", headers=HEADERS)

    async def icon(request: Request) -> Response:
        del request
        return Response(mark, media_type="image/svg+xml", headers=HEADERS)

    async def healthy(request: Request) -> Response:
        del request
        return PlainTextResponse("healthy\n", headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", serving("page")),
            Route("/status.json", serving("json")),
            Route("/feed.atom", serving("atom")),
            Route("/feed.rss", serving("rss")),
            Route("/status.css", css),
            Route("/icon.svg", icon),
            Route("/-/healthy", healthy),
        ]
    )
