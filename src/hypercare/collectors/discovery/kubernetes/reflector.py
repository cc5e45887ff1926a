"""Keeps one kind of objects in step with the API: a list in pages, then a watch from where the list ended.

The rules of the API that this follows (Kubernetes documentation, "Efficient detection of changes"): a watch goes on
from the last ``resourceVersion`` that was seen, which bookmarks move on where nothing changes; 410 Gone, as a status or
as an event, says that the server does not remember that version any more, and everything is listed anew; a continue
token that has expired ends a list in pages, which is then asked for in one piece.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from hypercare.collectors.discovery.kubernetes.objects import CUT, key_of, listed, part, text
from hypercare.ports import HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.discovery.kubernetes.objects import Json
    from hypercare.model.time import Ms
    from hypercare.ports import Http, HttpRequest, Streams

_PAGE: Final = 500
_FIRST_WAIT: Final[Ms] = 1_000
_LONGEST_WAIT: Final[Ms] = 60_000
_WATCH: Final = 300
"""Seconds after which the server is to end a watch; it is then gone on with."""
SILENCE: Final[Ms] = (_WATCH + 30) * 1000
_SHORT: Final = 1.0
"""Seconds: a watch that ends sooner without an event is no working one."""


class Reflector:
    """One kind of objects, of one namespace or of all.

    Args:
        kind: ``pods``, ``services``, …
        collection: the URL of the list.
        selectors: query parameters that choose among the objects.
        outside: how lists are asked for, and how watches are opened.
        request: a request for a URL, with the log-in, and the longest silence (ms).
        changed: called from any thread when there is something new, or an error.

    Attributes:
        objects: by key; replaced, never changed while somebody may read it.
        synced: whether there was a whole list.
        error: why nothing is heard now; empty where it is well.

    """

    def __init__(
        self,
        kind: str,
        collection: str,
        selectors: tuple[tuple[str, str], ...],
        outside: tuple[Http, Streams],
        request: Callable[[str, Ms], HttpRequest],
        changed: Callable[[], None],
    ) -> None:
        self.kind = kind
        self._collection = collection
        self._selectors = selectors
        self._http, self._streams = outside
        self._request = request
        self._changed = changed
        self._cut = CUT[kind]
        self._lock = threading.Lock()
        self._objects: dict[str, Json] = {}
        self._fresh: dict[str, Json] = {}
        self._version = ""
        self._running = False
        self._heard = False
        self._gone = False
        self._said = ""
        self._opened = 0
        self._closed = False
        self._end: Callable[[], None] = _nothing
        self._failures = 0
        self._retry_at: Ms | None = None
        self.synced = False
        self.error = ""

    def objects(self) -> dict[str, Json]:
        """A copy: what is known now."""
        with self._lock:
            return dict(self._objects)

    def go_on(self, now: Ms) -> None:
        """Begin, or try again once the time for that has come."""
        with self._lock:
            if self._running or self._closed or (self._retry_at is not None and now < self._retry_at):
                return
            self._running = True
            self._retry_at = None
        self._next()

    def retry_in(self, now: Ms) -> Ms:
        """After how long it wants to try again: twice as long after each failure, up to a minute; 0: it is well."""
        with self._lock:
            if self._running or self._closed or not self.error:
                return 0
            if self._retry_at is None:
                self._retry_at = now + min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures - 1, 10))
            return max(1, self._retry_at - now)

    def close(self) -> None:
        """End what is under way."""
        with self._lock:
            self._closed = True
            end = self._end
        end()

    def _next(self) -> None:
        if self._version:
            self._watch()
        else:
            self._fresh = {}
            self._list("", _PAGE)

    # -- list --------------------------------------------------------------------------------------------------------

    def _list(self, token: str, limit: int) -> None:
        query = [*self._selectors, *((("limit", str(limit)),) if limit else ())]
        if token:
            query.append(("continue", token))
        self._http.submit(self._request(self._url(query), 0), lambda answer: self._listed(answer, token))

    def _url(self, query: list[tuple[str, str]]) -> str:
        return f"{self._collection}?{urlencode(query)}" if query else self._collection

    def _listed(self, answer: HttpResponse | PortError, token: str) -> None:
        if isinstance(answer, HttpResponse) and answer.status == HTTPStatus.GONE and token:
            self._fresh = {}
            self._list("", 0)
            return
        document = self._document(answer, "list")
        if document is None:
            return
        for each in listed(document, "items"):
            self._fresh[key_of(each)] = self._cut(each)
        following = text(document, "metadata", "continue")
        if following:
            self._list(following, _PAGE)
            return
        with self._lock:
            self._objects, self._fresh = self._fresh, {}
            self._version = text(document, "metadata", "resourceVersion")
            self.synced, self.error = True, ""
        self._changed()
        if not self._version:
            self._fail("the list has no resourceVersion")
            return
        self._watch()

    def _document(self, answer: HttpResponse | PortError, doing: str) -> Json | None:
        """The object that was answered; none where there is an error, which is then noted."""
        if isinstance(answer, PortError):
            self._fail(f"cannot {doing} {self.kind}: {answer.message}")
            return None
        document = _json(answer.body)
        if answer.status == HTTPStatus.OK and document is not None:
            return document
        said = text(document or {}, "message")
        wrong = f"HTTP status {answer.status}" if answer.status != HTTPStatus.OK else "the answer is no object"
        self._fail(f"cannot {doing} {self.kind}: {wrong}{f': {said}' if said else ''}")
        return None

    def _fail(self, error: str) -> None:
        with self._lock:
            self._failures += 1
            self.error = error
            self._running = False
        self._changed()

    # -- watch -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        query = [
            *self._selectors,
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(_WATCH)),
        ]
        self._heard = False
        request = self._request(self._url(query), SILENCE)
        with self._lock:
            closed = self._closed
            self._opened += 1
            opened = self._opened
        if closed:
            return
        end = self._streams.open(request, self._event, self._watched)
        with self._lock:
            closed = self._closed
            # It may have ended already, and the next one have begun.
            if opened == self._opened:
                self._end = end
        if closed:
            end()

    def _event(self, line: bytes) -> None:
        if not line:
            self._begun()
            return
        event = _json(line)
        if event is None:
            msg = "an event is no object"
            raise ValueError(msg)
        kind, document = text(event, "type"), part(event, "object")
        if kind == "ERROR":
            self._gone = document.get("code") == HTTPStatus.GONE
            self._said = text(document, "message") or "the server ended the watch with an error"
            raise ValueError(self._said)
        version = text(document, "metadata", "resourceVersion")
        with self._lock:
            self._heard = True
            self._failures = 0
            self._version = version or self._version
            news = bool(self.error) or kind != "BOOKMARK"
            self.error = ""
            if kind in {"ADDED", "MODIFIED"}:
                self._objects[key_of(document)] = self._cut(document)
            elif kind == "DELETED":
                self._objects.pop(key_of(document), None)
        if news:
            self._changed()

    def _begun(self) -> None:
        with self._lock:
            news, self.error = bool(self.error), ""
        if news:
            self._changed()

    def _watched(self, answer: HttpResponse | PortError) -> None:
        """A watch has ended: go on from where it ended, or list anew, or wait."""
        with self._lock:
            self._end = _nothing
            if self._closed:
                return
            gone, said, self._gone, self._said = self._gone, self._said, False, ""
        if gone:
            self._version = ""
            self._again()
        elif isinstance(answer, PortError):
            if answer.kind == "timeout" and self._heard:
                self._next()
            else:
                self._fail(f"cannot watch {self.kind}: {said or answer.message}")
        elif answer.status == HTTPStatus.GONE:
            self._version = ""
            self._again()
        elif answer.status != HTTPStatus.OK:
            self._document(answer, "watch")
        elif self._heard or answer.duration >= _SHORT:
            self._failures = 0
            self._next()
        else:
            self._fail(f"cannot watch {self.kind}: the server ended the watch at once")

    def _again(self) -> None:
        """List anew after 410: at once the first time, later and later where the server says it again and again."""
        self._failures += 1
        if self._failures == 1:
            self._next()
        else:
            self._failures -= 1
            self._fail(f"cannot watch {self.kind}: the server has forgotten the version that it gave")


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _nothing() -> None:
    """No watch is open."""
