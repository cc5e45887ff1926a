"""Pretended receivers, shipped for your tests, the demo and our own: each channel's folder has one (``fake.py``).

A fake judges what it gets as the real service would (limits, required fields, tokens), keeps what it accepted, and does
the other side's part: it presses buttons and sends webhooks, signed. It can be in trouble: ``fake.trouble(...)`` for
the next requests. A fake is the handler of a host in the virtual world (``world.host("slack.com", fake.answer)``);
``hypercare channels fake slack`` and ``adapters.fakes`` put it behind a real socket.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from hypercare.ports import HttpRequest, HttpResponse, PortError

if TYPE_CHECKING:
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a fake answers to one request."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, content: Any, status: int = 200) -> Reply:
        """JSON."""
        return cls(status, json.dumps(content).encode(), (("content-type", "application/json"),))


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong with one request.

    Attributes:
        reply: instead of the service's own answer; none: it answers as usual, late perhaps.
        delay: before the answer, ms.
        accepts: whether what was sent counts all the same.
        hangs_up: the connection is closed without an answer.

    """

    reply: Reply | None = None
    delay: Ms = 0
    accepts: bool = False
    hangs_up: bool = False


def slow_down(seconds: int, status: int = 429) -> Trouble:
    """Too many requests; come back after so many seconds."""
    return Trouble(Reply(status, b"slow down", (("retry-after", str(seconds)),)))


def broken(status: int = 503) -> Trouble:
    """The service is ill."""
    return Trouble(Reply(status, b"we are ill"))


def refused(status: int = 400) -> Trouble:
    """The service does not want this, now or ever."""
    return Trouble(Reply(status, b"never"))


def late(delay: Ms) -> Trouble:
    """It takes a while."""
    return Trouble(delay=delay, accepts=True)


def lying() -> Trouble:
    """It takes the message and hangs up without saying so."""
    return Trouble(accepts=True, hangs_up=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Signed:
    """A request that a fake would send to us: give it to the endpoint."""

    body: bytes
    headers: dict[str, str]


class FakeService:
    """What all fakes of HTTP services have.

    Attributes:
        requests: everything that arrived, in order.

    """

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self._troubles: deque[Trouble] = deque()

    def trouble(self, *troubles: Trouble) -> None:
        """What goes wrong with the next requests, one each."""
        self._troubles.extend(troubles)

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """Judge one request as the service does. For overriding."""
        raise NotImplementedError

    def meet(self, request: HttpRequest, now: Ms) -> tuple[Reply | None, Ms]:
        """The answer to one request and its delay; none where the line is cut."""
        self.requests.append(request)
        trouble = self._troubles.popleft() if self._troubles else Trouble(accepts=True)
        reply = self.receive(request, now) if trouble.accepts else Reply()
        if trouble.hangs_up:
            return None, trouble.delay
        return trouble.reply or reply, trouble.delay

    def answer(self, request: HttpRequest, now: Ms) -> tuple[HttpResponse | PortError, Ms]:
        """The handler of a host in the virtual world."""
        reply, delay = self.meet(request, now)
        if reply is None:
            return PortError("protocol", "the server closed the connection without an answer", 0.005, now), delay + 5
        headers = {name.lower(): value for name, value in reply.headers}
        return HttpResponse(reply.status, headers, reply.body, 0.005, now), delay + 5


def header(request: HttpRequest, name: str) -> str:
    """A header of a request, whatever its case; empty where it has none."""
    return next((value for known, value in request.headers if known.lower() == name.lower()), "")


def json_of(request: HttpRequest) -> Any:
    """The JSON of a request's body; none where it is none."""
    try:
        return json.loads(request.body)
    except ValueError:
        return None
