"""The queue of one destination: portions of the store's log, cut into requests, each sent until its fate is known.

A portion is written down before any of it is sent. After a crash the same portion is cut into the same requests again:
one that had arrived comes a second time as a whole, and none mixes samples that the server has with new ones, which
some servers refuse together.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from hypercare.remote.answers import Fate, Judgement, judge
from hypercare.remote.series import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.ingest import MetricMetadata
    from hypercare.model.time import Ms
    from hypercare.ports import HttpResponse, PortError
    from hypercare.remote.series import Outgoing
    from hypercare.remote.settings import Destination
    from hypercare.tsdb.tail import Position, Rows, Tail

_log = logging.getLogger(__name__)
_PORTION: Final = 20_000
"""Samples encoded at once: a few ms of the loop."""
_CELL: Final = 8


class Portion(NamedTuple):
    """What is on its way.

    Attributes:
        start: everything before is done.
        until: what lies before is in the portion.

    """

    start: Position
    until: Position
    shards: int


@dataclasses.dataclass(slots=True)
class Shard:
    """Requests that go one after the other.

    Attributes:
        tries: how often the first one was sent in vain.
        due: when the first one may be sent, ms.

    """

    waiting: deque[Outgoing] = dataclasses.field(default_factory=deque)
    in_flight: bool = False
    tries: int = 0
    due: Ms = 0


@dataclasses.dataclass(slots=True)
class Counts:
    """What became of samples since the start."""

    samples: int = 0
    histograms: int = 0
    bytes: int = 0
    requests: int = 0
    retried: int = 0
    failed: int = 0
    histograms_retried: int = 0
    histograms_failed: int = 0
    lost_files: int = 0
    newest_sent: Ms = 0
    newest_read: Ms = 0
    metadata: int = 0
    seconds: float = 0.0


class Queue:
    """Everything that is sent to one destination.

    Attributes:
        portion: what is on its way; none: nothing.
        error: why the last request failed; empty where it did not.
        waiting: samples and histograms on their way.

    """

    def __init__(
        self,
        to: Destination,
        tail: Tail,
        metadata: Callable[[], dict[str, MetricMetadata]],
        *,
        repeat: Portion | None = None,
    ) -> None:
        self.to = to
        self.tail = tail
        self.portion: Portion | None = None
        self.encoder = Encoder(to, metadata)
        self.shards = [Shard() for _ in range(to.pace.min_shards)]
        self.counts = Counts()
        self.error = ""
        self._since: Ms | None = None
        self.waiting = 0
        self._repeat = repeat

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return self.portion is None

    @property
    def pending(self) -> int:
        """Samples on their way, and about as many as are not read yet."""
        return self.waiting + self.tail.unread // _CELL

    def ready(self, now: Ms) -> bool:
        """Whether there is enough to send, or it has waited for long enough."""
        unread = self.tail.unread
        if not unread:
            return False
        if self._since is None:
            self._since = now
        full = unread >= self.to.pace.max_samples * _CELL
        return full or self._repeat is not None or now - self._since >= self.to.pace.deadline

    def fill(self, now: Ms) -> bool:
        """Take the next portion; false: nothing of it is to be sent.

        Raises:
            OSError: the log cannot be read.

        """
        self._since = None
        repeat, self._repeat = self._repeat, None
        start = self.tail.position
        if repeat is not None:
            start, count = repeat.start, repeat.shards
            _log.info("remote write to %s: what was on its way at the last stop is sent again", self.to.shown)
            rows = self._read_again(repeat.until)
        else:
            count = self._wanted_shards()
            rows = self.tail.read(min(self.to.pace.capacity * count, _PORTION))
        self.counts.lost_files = self.tail.lost
        self.counts.newest_read = max([self.counts.newest_read, *(int(each.times[-1]) for each in rows)])
        parts = self.encoder.encode(rows, count, now)
        self.shards = [Shard(deque(part)) for part in parts]
        self.waiting = sum(each.samples + each.histograms for part in parts for each in part)
        self.portion = Portion(start, self.tail.position, count)
        return any(parts)

    def _wanted_shards(self) -> int:
        """As many as there are requests to make, but not many at once for a server that has just come back."""
        pace = self.to.pace
        requests = -(-min(self.tail.unread // _CELL, _PORTION) // pace.max_samples)
        return max(min(requests, pace.max_shards, len(self.shards) * 2), pace.min_shards)

    def _read_again(self, until: Position) -> list[Rows]:
        """Exactly what was on its way before a restart."""
        found: list[Rows] = []
        while self.tail.position < until:
            rows = self.tail.read(1)
            if not rows and not self.tail.unread:
                break
            found += rows
        return found

    def answered(self, number: int, answer: HttpResponse | PortError, now: Ms, chance: float) -> Judgement:
        """Take the answer to the first request of a shard.

        Args:
            number: of the shard.
            answer: what came.
            now: ms.
            chance: in [0, 1), so that many senders do not come back at once.

        """
        shard, counts, pace = self.shards[number], self.counts, self.to.pace
        sent = shard.waiting[0]
        shard.in_flight = False
        found = judge(answer, now, retry_429=pace.retry_429)
        counts.requests += 1
        counts.seconds += answer.duration
        self.error = found.reason
        if found.fate is Fate.RETRY:
            counts.retried += sent.samples
            counts.histograms_retried += sent.histograms
            backoff = min(max(pace.min_backoff, 1) << min(shard.tries, 30), pace.max_backoff)
            shard.tries += 1
            shard.due = now + max(int(backoff * (0.75 + chance / 4)), found.wait, 1)
            return found
        shard.waiting.popleft()
        shard.tries, shard.due = 0, 0
        self.waiting -= sent.samples + sent.histograms
        if found.fate is Fate.DONE:
            counts.samples += sent.samples
            counts.histograms += sent.histograms
            counts.bytes += len(sent.body)
            counts.newest_sent = max(counts.newest_sent, sent.newest)
        else:
            counts.failed += sent.samples
            counts.histograms_failed += sent.histograms
        return found

    def finish(self) -> bool:
        """Whether the whole portion is done; the queue is idle then."""
        if self.portion is None or any(shard.waiting for shard in self.shards):
            return False
        self.portion = None
        return True
