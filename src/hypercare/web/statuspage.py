"""The status page: on the server itself for those who log in, and alone on a listener of its own for everybody.

The public application knows the page, its JSON and its feeds: no log-in, no forms, no way to the rest.
"""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from email.utils import format_datetime
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
_ATOM: Final = "http://www.w3.org/2005/Atom"
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


def atom(view: StatusView, base: str) -> bytes:
    """The posts as an Atom feed (RFC 4287), newest first."""
    feed = ET.Element("feed", xmlns=_ATOM)
    _add(feed, "title", f"{view.title} status")
    _add(feed, "id", f"{base or 'urn:status'}/feed.atom")
    _add(feed, "updated", format_rfc3339(view.updated_at))
    author = ET.SubElement(feed, "author")
    _add(author, "name", view.title)
    if base:
        ET.SubElement(feed, "link", href=f"{base}/")
        ET.SubElement(feed, "link", rel="self", href=f"{base}/feed.atom")
    for key, title, at, text in _items(view):
        entry = ET.SubElement(feed, "entry")
        _add(entry, "title", title)
        _add(entry, "id", f"{base or 'urn:status'}/#{key}")
        _add(entry, "updated", format_rfc3339(at))
        _add(entry, "content", text)
        if base:
            ET.SubElement(entry, "link", href=f"{base}/#{key.partition('-')[0]}")
    return _xml(feed)


def rss(view: StatusView, base: str) -> bytes:
    """The posts as an RSS 2.0 feed, newest first."""
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", f"{view.title} status")
    _add(channel, "link", f"{base}/")
    _add(channel, "description", f"{view.title}: problems and maintenance")
    for key, title, at, text in _items(view):
        item = ET.SubElement(channel, "item")
        _add(item, "title", title)
        _add(item, "guid", key).set("isPermaLink", "false")
        _add(item, "pubDate", format_datetime(to_datetime(at)))
        _add(item, "description", text)
        if base:
            _add(item, "link", f"{base}/#{key.partition('-')[0]}")
    return _xml(root)


def _items(view: StatusView) -> list[tuple[str, str, Ms, str]]:
    """Key, title, time and text of each post and of each maintenance."""
    found = [
        (f"{i.id}-{len(i.posts) - n}", f"{i.title}: {p.state}", p.at, p.text)
        for i in (*view.incidents, *view.past)
        for n, p in enumerate(i.posts)
    ]
    found += [
        (f"{m.id}-{m.state}", f"Maintenance: {m.title} ({m.state})", m.start_at, m.text) for m in view.maintenance
    ]
    return sorted(found, key=lambda item: (-item[2], item[0]))[:100]


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    child = ET.SubElement(parent, name)
    # What XML has no place for (control characters of a pasted text) would make the feed unreadable.
    child.text = "".join(c for c in text if c in "\n\t" or (c >= " " and not "\ud800" <= c <= "\udfff"))
    return child


def _xml(root: ET.Element) -> bytes:
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


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
