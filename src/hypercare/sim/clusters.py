"""Streams into the virtual world: watches of a pretended Kubernetes API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from hypercare.ports import HttpResponse, PortError
from hypercare.sim.world import ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.discovery.kubernetes.fake import FakeCluster, Watching
    from hypercare.model.time import Ms
    from hypercare.ports import HttpReply, HttpRequest
    from hypercare.sim.world import Answer, World

_TAKES: Final[Ms] = 5
_BOOKMARKS: Final[Ms] = 60_000
_LONGEST: Final[Ms] = 300_000


class VirtualStreams:
    """Watches, told of changes as they happen. Implements ``ports.Streams``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clusters: dict[str, FakeCluster] = {}

    def cluster(self, address: str, cluster: FakeCluster) -> None:
        """Let ``host:port`` be the API of a cluster."""
        self._clusters[address] = cluster
        self._world.host(address, lambda request, now: _listed(cluster, request, now))

    def open(self, request: HttpRequest, line: Callable[[bytes], None], reply: HttpReply) -> Callable[[], None]:
        """Begin a watch; the server ends it after five minutes."""
        cluster = self._clusters.get(urlsplit(request.url).netloc)
        if cluster is None:
            gone = PortError("dns", f"no such host in this world: {request.url}")
            self._world.after(_TAKES, lambda: reply(gone))
            return _nothing
        status, body, watching = cluster.answer(request)
        if watching is None:
            refused = HttpResponse(status, {}, orjson.dumps(body), 0.005, self._world.clock.now())
            self._world.after(_TAKES, lambda: reply(refused))
            return _nothing
        stream = _Stream(self._world, cluster, watching, line, reply)
        self._world.after(_TAKES, stream.begin)
        return stream.end


def _listed(cluster: FakeCluster, request: HttpRequest, now: Ms) -> Answer:
    status, body, _ = cluster.answer(request)
    answer = ok(orjson.dumps(body), now, 0.005, "application/json")
    return (answer if status == 200 else HttpResponse(status, answer.headers, answer.body, 0.005, now)), _TAKES


def _nothing() -> None:
    """There is no watch to end."""


class _Stream:
    def __init__(
        self,
        world: World,
        cluster: FakeCluster,
        watching: Watching,
        line: Callable[[bytes], None],
        reply: HttpReply,
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._watching = watching
        self._line = line
        self._reply = reply
        self._until = world.clock.now() + _LONGEST
        self._told = False
        self._over = False

    def begin(self) -> None:
        self._line(b"")
        self._cluster.on_change.append(self._changed)
        self._show()
        self._world.after(_BOOKMARKS, self._bookmark)

    def end(self) -> None:
        self._finish(PortError("other", "ended by us"))

    def _changed(self) -> None:
        if not self._told:
            self._told = True
            self._world.after(_TAKES, self._show)

    def _bookmark(self) -> None:
        if self._over:
            return
        self._show(bookmark=True)
        if self._world.clock.now() >= self._until:
            self._finish(HttpResponse(200, {}, b"", _LONGEST / 1000, self._world.clock.now()))
        else:
            self._world.after(_BOOKMARKS, self._bookmark)

    def _show(self, *, bookmark: bool = False) -> None:
        self._told = False
        if self._over:
            return
        try:
            for each in self._watching.lines(bookmark=bookmark):
                self._line(each)
        except ValueError as error:
            self._finish(PortError("protocol", str(error)))
            return
        if self._watching.ended:
            self._finish(HttpResponse(200, {}, b"", 1.0, self._world.clock.now()))

    def _finish(self, answer: HttpResponse | PortError) -> None:
        if self._over:
            return
        self._over = True
        if self._changed in self._cluster.on_change:
            self._cluster.on_change.remove(self._changed)
        self._world.after(_TAKES, lambda: self._reply(answer))
