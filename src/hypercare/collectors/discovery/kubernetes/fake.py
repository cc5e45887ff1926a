"""A pretended API of a cluster: lists in pages, watches with bookmarks, 410 Gone; for tests and rehearsals.

What a client can tell it from a real one by: it has no log-in of its own (``token`` asks for one), no field selectors
but ``metadata.name`` and ``metadata.namespace``, label selectors of the forms ``a=b``, ``a!=b``, ``a`` and ``!a``, and
it checks nothing of the objects.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.ports import HttpRequest

_PATH: Final = re.compile(
    r"/(?:api/(v1)|apis/([a-z0-9.]+/v[a-z0-9]+))(?:/namespaces/([^/]+)(?=/))?/([a-z]+)(?:/([^/]+))?"
)
KINDS: Final = {
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "nodes": ("v1", "Node"),
    "namespaces": ("v1", "Namespace"),
    "endpoints": ("v1", "Endpoints"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "ingresses": ("networking.k8s.io/v1", "Ingress"),
}
"""Resources, each with its group and version, and its kind."""


class FakeCluster:
    """Objects with one sequence of versions, and the history that watches are served from.

    Attributes:
        token: that requests must carry; empty: any may ask.
        failing: status that every answer has, to pretend trouble; 0: none.
        requests: the paths that were asked for, with their queries.
        on_change: called after each change.

    """

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.failing = 0
        self.requests: list[str] = []
        self.on_change: list[Callable[[], None]] = []
        self._version = 100
        self._objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self._history: list[tuple[int, str, str, dict[str, Any]]] = []
        self._forgotten = 0
        self._pages: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    # -- the cluster changes -----------------------------------------------------------------------------------------

    def put(self, resource: str, document: dict[str, Any]) -> int:
        """Add or change an object; answers with its version."""
        group, kind = KINDS[resource]
        kept = {"apiVersion": group, "kind": kind, **copy.deepcopy(document)}
        key = _key(kept)
        known = self._objects[resource].get(key)
        self._version += 1
        kept["metadata"] = {"uid": f"uid-{resource}-{key}", **kept["metadata"], "resourceVersion": str(self._version)}
        self._objects[resource][key] = kept
        self._history.append((self._version, "MODIFIED" if known else "ADDED", resource, kept))
        self._tell()
        return self._version

    def delete(self, resource: str, name: str, namespace: str = "") -> None:
        """Take an object away."""
        gone = self._objects[resource].pop(f"{namespace}/{name}" if namespace else name)
        self._version += 1
        last = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self._version)}}
        self._history.append((self._version, "DELETED", resource, last))
        self._tell()

    def forget(self) -> None:
        """Compact: what was until now is not remembered, so that older versions and tokens are 410 Gone."""
        self._forgotten = self._version
        self._history.clear()
        self._pages.clear()
        self._tell()

    def _tell(self) -> None:
        for each in tuple(self.on_change):
            each()

    # -- and answers -------------------------------------------------------------------------------------------------

    def answer(self, request: HttpRequest) -> tuple[int, dict[str, Any], Watching | None]:
        """Status, body and, where it is a watch that is taken, what it is to be told."""
        parts = urlsplit(request.url)
        self.requests.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.failing:
            return _refused(self.failing, "InternalError", "trouble is pretended")
        headers = {name.lower(): value for name, value in request.headers}
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return _refused(401, "Unauthorized", "Unauthorized")
        match = _PATH.fullmatch(parts.path)
        if match is None or match[4] not in KINDS or KINDS[match[4]][0] != (match[1] or match[2]):
            return _refused(404, "NotFound", "the server could not find the requested resource")
        resource, namespace = match[4], match[3] or ""
        if match[5]:
            found = self._objects[resource].get(f"{namespace}/{match[5]}" if namespace else match[5])
            return (200, found, None) if found else _refused(404, "NotFound", f"{resource} {match[5]!r} not found")
        chosen = _Chosen(resource, namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if query.get("watch") in {"1", "true"}:
            return self._watch(chosen, query)
        return self._list(chosen, query)

    def _list(self, chosen: _Chosen, query: dict[str, str]) -> tuple[int, dict[str, Any], None]:
        token, limit = query.get("continue", ""), int(query.get("limit") or 0)
        if token:
            if token not in self._pages:
                return _refused(410, "Expired", "The provided continue parameter is too old")
            version, left = self._pages.pop(token)
        else:
            objects = sorted(self._objects[chosen.resource].items())
            version, left = self._version, [each for _, each in objects if chosen.has(each)]
        shown, rest = (left[:limit], left[limit:]) if limit else (left, [])
        group, kind = KINDS[chosen.resource]
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        if rest:
            meta |= {"continue": f"page-{version}-{len(rest)}", "remainingItemCount": len(rest)}
            self._pages[meta["continue"]] = (version, rest)
        return 200, {"kind": f"{kind}List", "apiVersion": group, "metadata": meta, "items": shown}, None

    def _watch(self, chosen: _Chosen, query: dict[str, str]) -> tuple[int, dict[str, Any], Watching | None]:
        given = query.get("resourceVersion", "")
        since = int(given) if given.isdecimal() and given != "0" else None
        watching = Watching(self, chosen, since, bookmarks=query.get("allowWatchBookmarks") in {"1", "true"})
        return 200, {}, watching

    def since(self, version: int) -> list[tuple[int, str, str, dict[str, Any]]] | None:
        """What happened after a version; none where that is not remembered."""
        return None if version < self._forgotten else [each for each in self._history if each[0] > version]

    @property
    def version(self) -> int:
        """The newest."""
        return self._version

    def now(self, chosen: _Chosen) -> list[dict[str, Any]]:
        """The objects that are chosen."""
        return [each for _, each in sorted(self._objects[chosen.resource].items()) if chosen.has(each)]


class Watching:
    """One watch: asked again and again for the lines that are due."""

    def __init__(self, cluster: FakeCluster, chosen: _Chosen, since: int | None, *, bookmarks: bool) -> None:
        self._cluster = cluster
        self._chosen = chosen
        self._since = since
        self._bookmarks = bookmarks
        self.ended = False

    def lines(self, *, bookmark: bool = False) -> list[bytes]:
        """Events since the last call; with a bookmark at their end where one is due and was asked for."""
        if self._since is None:
            # Without a version a watch begins with all there is.
            self._since = self._cluster.version
            return [_event("ADDED", each) for each in self._cluster.now(self._chosen)]
        happened = self._cluster.since(self._since)
        if happened is None:
            self.ended = True
            _, status, _ = _refused(410, "Expired", f"too old resource version: {self._since}")
            return [_event("ERROR", status)]
        found: list[bytes] = []
        for version, kind, resource, document in happened:
            self._since = version
            if resource == self._chosen.resource and self._chosen.has(document):
                found.append(_event(kind, document))
        self._since = self._cluster.version
        if bookmark and self._bookmarks:
            group, kind = KINDS[self._chosen.resource]
            meta = {"resourceVersion": str(self._since), "creationTimestamp": None}
            found.append(_event("BOOKMARK", {"kind": kind, "apiVersion": group, "metadata": meta}))
        return found


class _Chosen:
    """Which objects of a kind are meant."""

    def __init__(self, resource: str, namespace: str, labels: str, fields: str) -> None:
        self.resource = resource
        self._namespace = namespace
        self._terms: list[Callable[[dict[str, Any]], bool]] = []
        self._terms += [_term(term.strip(), "labels") for term in labels.split(",") if term.strip()]
        self._terms += [_term(term.strip(), "fields") for term in fields.split(",") if term.strip()]

    def has(self, document: dict[str, Any]) -> bool:
        """Whether an object is one of them."""
        meta = document["metadata"]
        return (not self._namespace or meta.get("namespace") == self._namespace) and all(t(meta) for t in self._terms)


def _term(term: str, kind: str) -> Callable[[dict[str, Any]], bool]:
    name, operator, value = re.fullmatch(r"(!?[^=!]+?)\s*(?:(==|=|!=)\s*(.*))?", term).groups()  # type: ignore[union-attr]

    def of(meta: dict[str, Any]) -> Any:
        plain = name.lstrip("!")
        return meta.get(plain.removeprefix("metadata.")) if kind == "fields" else (meta.get("labels") or {}).get(plain)

    if operator is None:
        return lambda meta: (of(meta) is None) == name.startswith("!")
    return lambda meta: (of(meta) == value) != (operator == "!=")


def _key(document: dict[str, Any]) -> str:
    meta = document["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def _event(kind: str, document: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": document}, separators=(",", ":")).encode()


def _refused(code: int, reason: str, message: str) -> tuple[int, dict[str, Any], None]:
    status = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    }  # fmt: skip
    return code, status, None
