"""Sending as a part of the kernel's loop."""

from __future__ import annotations

import dataclasses
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from hypercare.collectors.settings import SecretFiles
from hypercare.model.time import SECOND
from hypercare.ports import PortError
from hypercare.remote.answers import Fate, judge
from hypercare.remote.encode import metadata_v1
from hypercare.remote.metrics import readings
from hypercare.remote.queue import Portion, Queue
from hypercare.remote.series import compress
from hypercare.remote.settings import destinations_of
from hypercare.remote.tables import remote_positions
from hypercare.state import upsert
from hypercare.tsdb.tail import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.ingest import MetricMetadata
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest, HttpResponse, Ports, Reading
    from hypercare.remote.settings import Destination
    from hypercare.tsdb import Tsdb

_log = logging.getLogger(__name__)
_TICK: Final = "remote.tick"
_RETRY: Final = "remote.retry"
_METADATA: Final = "remote.metadata"
_SECRETS: Final = "remote.secrets"
_SECRETS_EVERY: Final = 30 * SECOND
_TICK_EVERY: Final[Ms] = SECOND
_METADATA_EVERY: Final[Ms] = 30 * SECOND


@dataclasses.dataclass(frozen=True, slots=True)
class _Answered:
    """The answer to the first request of a shard."""

    queue: Queue
    shard: int
    answer: HttpResponse | PortError


@dataclasses.dataclass(frozen=True, slots=True)
class _MetadataAnswered:
    """The answer to a request with metadata."""

    queue: Queue
    count: int
    answer: HttpResponse | PortError


class RemoteWriteService:
    """Sends what is appended to the store to other servers.

    Args:
        ports: the outside.
        tsdb: what is sent.
        metadata: what is known of metrics, by name; from the kernel's thread.
        more: destinations that stand elsewhere in a configuration than in ``remote_write``.

    """

    def __init__(
        self,
        ports: Ports,
        tsdb: Tsdb,
        metadata: Callable[[], dict[str, MetricMetadata]] = dict,
        more: Callable[[Config, SecretFiles], tuple[Destination, ...]] = lambda _config, _secrets: (),
    ) -> None:
        self._ports = ports
        self._tsdb = tsdb
        self._metadata = metadata
        self._more = more
        self._kernel: Kernel | None = None
        self._config: Config | None = None
        self._secrets = SecretFiles(ports.files)
        self._queues: dict[str, Queue] = {}
        self._told: dict[str, MetricMetadata] = {}
        self._told_at: Ms = 0

    def _known(self) -> dict[str, MetricMetadata]:
        """What is known of metrics, at most a minute old: asking all targets takes time."""
        return self._told

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        kernel.on_timer(_TICK, self._on_tick)
        kernel.on_timer(_RETRY, self._on_retry)
        kernel.on_timer(_METADATA, self._on_metadata)
        kernel.on_timer(_SECRETS, self._on_secrets)
        kernel.on_message(_Answered, self._on_answered)
        kernel.on_message(_MetadataAnswered, self._on_metadata_answered)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration over; a destination that it leaves alone goes on as it is."""
        secrets = SecretFiles(self._ports.files)
        wanted = {
            each.key: each for each in (*destinations_of(config, secrets), *self._more(config, secrets))
        }  # fmt: skip
        queues: dict[str, Queue] = {}
        for key, to in wanted.items():
            before = self._queues.get(key)
            queues[key] = before if before is not None and before.to == to else self._open(ctx, to, before)
            ctx.set_timer(f"{_TICK}:{key}", ctx.now + _TICK_EVERY, _TICK, durable=False)
            if to.metadata_every:
                ctx.set_timer(f"{_METADATA}:{key}", ctx.now + to.metadata_every, _METADATA, durable=False)
            else:
                ctx.cancel_timer(f"{_METADATA}:{key}", durable=False)
        gone = [key for key in self._queues if key not in wanted]
        if gone:
            ctx.own.execute(delete(remote_positions).where(remote_positions.c.name.in_(gone)))
        if secrets.names:
            ctx.set_timer(_SECRETS, ctx.now + _SECRETS_EVERY, _SECRETS, durable=False)
        ctx.after_commit(lambda: self._take(config, secrets, queues))

    def _take(self, config: Config, secrets: SecretFiles, queues: dict[str, Queue]) -> None:
        kept = {id(queue) for queue in queues.values()}
        for queue in self._queues.values():
            if id(queue) not in kept:
                queue.tail.close()
        self._config, self._secrets, self._queues = config, secrets, queues

    def _open(self, ctx: Context, to: Destination, before: Queue | None) -> Queue:
        """A queue that goes on where the last one of its name was; a new one begins with what comes."""
        row = ctx.own.execute(select(remote_positions).where(remote_positions.c.name == to.key)).one_or_none()
        if row is None:
            tail = self._tsdb.tail()
            self._save(ctx, to.key, Portion(tail.position, tail.position, to.pace.min_shards))
            return Queue(to, tail, self._known)
        start, until = Position(row.file, row.offset), Position(row.until_file, row.until_offset)
        if before is not None and before.idle:
            start = until = before.tail.position
        repeat = Portion(start, until, row.shards) if until > start else None
        return Queue(to, self._tsdb.tail(start), self._known, repeat=repeat)

    def _save(self, ctx: Context, key: str, portion: Portion) -> None:
        values = {
            "file": portion.start.file, "offset": portion.start.offset,
            "until_file": portion.until.file, "until_offset": portion.until.offset,
            "shards": portion.shards, "saved_at": ctx.now,
        }  # fmt: skip
        upsert(ctx.own, remote_positions, [{"name": key, **values}])

    # -- sending -----------------------------------------------------------------------------------------------

    def _on_tick(self, ctx: Context, timer: str) -> None:
        queue = self._queues.get(timer.removeprefix(f"{_TICK}:"))
        if queue is not None:
            if ctx.now - self._told_at >= _METADATA_EVERY:
                self._told_at, self._told = ctx.now, self._metadata()
            every = min(_TICK_EVERY, max(queue.to.pace.deadline, 50))
            ctx.set_timer(timer, ctx.now + every, _TICK, durable=False)
            if queue.idle and queue.ready(ctx.now):
                self._next_portion(ctx, queue)

    def _next_portion(self, ctx: Context, queue: Queue) -> None:
        """Read on until there is something to send, and send it once its place is written down."""
        try:
            something = queue.fill(ctx.now)
        except OSError as error:
            _log.error("remote write to %s: the log cannot be read: %s", queue.to.shown, error)
            return
        portion = queue.portion
        assert portion is not None  # noqa: S101 - it has just been filled
        if not something:
            queue.finish()
            if portion.start.file != portion.until.file:
                self._save(ctx, queue.to.key, Portion(portion.until, portion.until, portion.shards))
            until = portion.until
            ctx.after_commit(lambda: queue.tail.keep_from(until))
            if queue.ready(ctx.now):
                ctx.set_timer(f"{_TICK}:{queue.to.key}", ctx.now, _TICK, durable=False)
            return
        self._save(ctx, queue.to.key, portion)
        start = portion.start
        ctx.after_commit(lambda: queue.tail.keep_from(start))
        for number in range(len(queue.shards)):
            self._send(ctx, queue, number)

    def _send(self, ctx: Context, queue: Queue, number: int) -> None:
        """Send the first request of a shard, if there is one and its time has come."""
        shard = queue.shards[number]
        if not shard.waiting or shard.in_flight:
            return
        if shard.due > ctx.now:
            ctx.set_timer(f"{_RETRY}:{number}:{queue.to.key}", shard.due, _RETRY, durable=False)
            return
        shard.in_flight = True
        request = queue.to.request(shard.waiting[0].body)
        ctx.after_commit(lambda: self._submit(queue, request, partial(_Answered, queue, number)))

    def _submit(
        self, queue: Queue, request: HttpRequest, message: Callable[[HttpResponse | PortError], object]
    ) -> None:
        assert self._kernel is not None  # noqa: S101 - register comes first
        post = self._kernel.post
        if queue.to.http.error:
            post(message(PortError("other", queue.to.http.error)))
        else:
            self._ports.http.submit(request, lambda answer: post(message(answer)))

    def _on_retry(self, ctx: Context, timer: str) -> None:
        _, number, key = timer.split(":", 2)
        queue = self._queues.get(key)
        if queue is not None and int(number) < len(queue.shards):
            self._send(ctx, queue, int(number))

    def _on_answered(self, ctx: Context, message: _Answered) -> None:
        queue = message.queue
        if self._queues.get(queue.to.key) is not queue:
            return
        before = queue.error
        found = queue.answered(message.shard, message.answer, ctx.now, ctx.uniform())
        if found.fate is Fate.DROP:
            _log.warning("remote write to %s: samples are given up: %s", queue.to.shown, found.reason)
        elif found.fate is Fate.RETRY and not before:
            _log.warning("remote write to %s: trying again: %s", queue.to.shown, found.reason)
        elif before and not found.reason:
            _log.info("remote write to %s works again", queue.to.shown)
        if not queue.finish():
            self._send(ctx, queue, message.shard)
        elif queue.ready(ctx.now):
            self._next_portion(ctx, queue)

    # -- metadata ----------------------------------------------------------------------------------------------

    def _on_metadata(self, ctx: Context, timer: str) -> None:
        queue = self._queues.get(timer.removeprefix(f"{_METADATA}:"))
        if queue is None or not queue.to.metadata_every:
            return
        ctx.set_timer(timer, ctx.now + queue.to.metadata_every, _METADATA, durable=False)
        known = [item for _, item in sorted(self._known().items())]
        for at in range(0, len(known), queue.to.metadata_size):
            part = known[at : at + queue.to.metadata_size]
            request = queue.to.request(compress(metadata_v1(part)))
            send = partial(self._submit, queue, request, partial(_MetadataAnswered, queue, len(part)))
            ctx.after_commit(send)

    def _on_metadata_answered(self, ctx: Context, message: _MetadataAnswered) -> None:
        if judge(message.answer, ctx.now, retry_429=False).fate is Fate.DONE:
            message.queue.counts.metadata += message.count

    def _on_secrets(self, ctx: Context, _key: str) -> None:
        """Passwords and certificates are replaced while we run: read them again when their files change."""
        if self._config is not None and self._secrets.changed():
            self.configure(ctx, self._config)
        else:
            ctx.set_timer(_SECRETS, ctx.now + _SECRETS_EVERY, _SECRETS, durable=False)

    # -- what is told ------------------------------------------------------------------------------------------

    def queues(self) -> tuple[Queue, ...]:
        """The queues as they are; from any thread, to be read only."""
        return tuple(self._queues.values())

    def readings(self) -> Iterator[Reading]:
        """What was sent, for ``/metrics``."""
        return readings(self.queues(), self._tsdb.size.samples_appended)
