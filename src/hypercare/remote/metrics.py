"""What is told of sending, under Prometheus' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.remote.queue import Queue

_PREFIX: Final = "prometheus_remote_storage_"
_FAMILIES: Final[tuple[tuple[str, str, str, Callable[[Queue], float]], ...]] = (
    ("samples_total", "counter", "Samples that arrived.", lambda q: q.counts.samples),
    ("histograms_total", "counter", "Native histograms that arrived.", lambda q: q.counts.histograms),
    ("metadata_total", "counter", "Metadata entries that arrived.", lambda q: q.counts.metadata),
    ("bytes_total", "counter", "Bytes of samples that arrived, compressed.", lambda q: q.counts.bytes),
    ("samples_retried_total", "counter", "Samples sent again.", lambda q: q.counts.retried),
    ("histograms_retried_total", "counter", "Histograms sent again.", lambda q: q.counts.histograms_retried),
    ("samples_failed_total", "counter", "Samples that the server refused.", lambda q: q.counts.failed),
    ("histograms_failed_total", "counter", "Histograms that the server refused.", lambda q: q.counts.histograms_failed),
    ("samples_pending", "gauge", "Samples that wait or are on their way, about.", lambda q: q.pending),
    ("shards", "gauge", "Requests that may be on their way at once.", lambda q: len(q.shards)),
    ("shards_max", "gauge", "Upper limit of shards.", lambda q: q.to.pace.max_shards),
    ("shards_min", "gauge", "Lower limit of shards.", lambda q: q.to.pace.min_shards),
    ("shard_capacity", "gauge", "Samples that a shard holds.", lambda q: q.to.pace.capacity),
    ("max_samples_per_send", "gauge", "Samples of a request.", lambda q: q.to.pace.max_samples),
    (
        "queue_highest_sent_timestamp_seconds", "gauge", "Time of the newest sample that arrived.",
        lambda q: q.counts.newest_sent / 1000,
    ),
    (
        "highest_timestamp_in_seconds", "gauge", "Time of the newest sample that was read to be sent.",
        lambda q: q.counts.newest_read / 1000,
    ),
    ("sent_batches_total", "counter", "Requests with samples that were answered.", lambda q: q.counts.requests),
    ("sent_batch_seconds_total", "counter", "Time that their answers took.", lambda q: q.counts.seconds),
    ("log_gaps_total", "counter", "Times that samples went before they were sent.", lambda q: q.counts.lost_files),
)  # fmt: skip


def readings(queues: tuple[Queue, ...], appended: int) -> Iterator[Reading]:
    """The families; none where nothing is sent."""
    if not queues:
        return
    yield Reading(f"{_PREFIX}samples_in_total", "counter", "Samples stored since the start.", (((), float(appended)),))
    of = [((("remote_name", queue.to.key), ("url", queue.to.shown)), queue) for queue in queues]
    for name, kind, text, value in _FAMILIES:
        yield Reading(_PREFIX + name, kind, text, tuple((labels, float(value(queue))) for labels, queue in of))
    dropped = tuple((tuple(sorted((*labels, ("reason", "too_old")))), float(q.encoder.dropped)) for labels, q in of)
    yield Reading(f"{_PREFIX}samples_dropped_total", "counter", "Samples not sent because of their age.", dropped)
