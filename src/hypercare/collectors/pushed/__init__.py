"""What jobs pushed, scraped as a target of our own so that it stays alive until it is deleted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from hypercare.collectors.discovery.base import Discovery, Found
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.collectors.scrape.job import Job
    from hypercare.collectors.scrape.target import Target
    from hypercare.ports import Clock, HttpReply


PUSHED_JOB: Final = "pushgateway"
NO_INSTANCE: Final = "\x01"
"""Value of the label ``instance`` of what was pushed without one."""


class Pushed(Protocol):
    """Keeps what was pushed."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to scrape."""
        ...

    def text(self) -> bytes:
        """All of it, in the text format."""
        ...


class PushedDiscovery(Discovery):
    """The one target, while there is something to scrape; whoever keeps the pushes says when to look again."""

    kind: ClassVar[str] = "pushed"

    def __init__(self, pushed: Pushed, target: LabelPairs) -> None:
        self._pushed = pushed
        self._target = target

    def read(self) -> Found:
        """The target, or none."""
        return Found(() if self._pushed.empty else (self._target,))

    @property
    def identity(self) -> object:
        """Where it is scraped."""
        return self._target


@dataclasses.dataclass(frozen=True, slots=True)
class PushedSources:
    """Makes the one source."""

    pushed: Pushed
    clock: Clock

    def __call__(self, _job: Job, target: Target) -> PushedSource:
        """The source."""
        return PushedSource(self.pushed, self.clock, target.url)


class PushedSource:
    """What is kept at the moment."""

    def __init__(self, pushed: Pushed, clock: Clock, url: str) -> None:
        self.url = url
        self._pushed = pushed
        self._clock = clock

    def fetch(self, reply: HttpReply) -> None:
        """Show it."""
        now = self._clock.now()
        body = self._pushed.text()
        reply(HttpResponse(200, {"content-type": "text/plain"}, body, (self._clock.now() - now) / 1000, now))
