"""The machine as a target."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.collectors.exposition.render import render
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from hypercare.collectors.scrape.job import Job
    from hypercare.collectors.scrape.target import Target
    from hypercare.model.time import Ms
    from hypercare.ports import Clock, Host, HttpReply, Reading


@dataclasses.dataclass(frozen=True, slots=True)
class HostSources:
    """Makes the one source."""

    host: Host
    clock: Clock

    def __call__(self, _job: Job, target: Target) -> HostSource:
        """The source."""
        return HostSource(self.host, self.clock, target.url)


class HostSource:
    """Readings of the machine as text, so that they take the way of every scrape."""

    def __init__(self, host: Host, clock: Clock, url: str) -> None:
        self.url = url
        self._host = host
        self._clock = clock

    def fetch(self, reply: HttpReply) -> None:
        """Read the machine."""
        began = self._clock.now()
        self._host.submit(lambda readings: reply(self._answer(began, readings)))

    def _answer(self, began: Ms, readings: tuple[Reading, ...]) -> HttpResponse:
        duration = (self._clock.now() - began) / 1000
        return HttpResponse(200, {"content-type": "text/plain"}, render(readings), duration, began)
