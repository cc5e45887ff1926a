"""Hypercare as a target of its own, without HTTP."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from hypercare.collectors.own.metrics import OwnMetrics
    from hypercare.collectors.scrape.job import Job
    from hypercare.collectors.scrape.target import Target
    from hypercare.ports import Clock, HttpReply


@dataclasses.dataclass(frozen=True, slots=True)
class OwnSources:
    """Makes the one source."""

    own: OwnMetrics
    clock: Clock

    def __call__(self, _job: Job, target: Target) -> OwnSource:
        """The source."""
        return OwnSource(self.own, self.clock, target.url)


class OwnSource:
    """Our own metrics."""

    def __init__(self, own: OwnMetrics, clock: Clock, url: str) -> None:
        self.url = url
        self._own = own
        self._clock = clock

    def fetch(self, reply: HttpReply) -> None:
        """Render them."""
        now = self._clock.now()
        body = self._own.render(now)
        reply(HttpResponse(200, {"content-type": "text/plain"}, body, (self._clock.now() - now) / 1000, now))
