"""Samples that others send, as a part of the kernel's loop."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.config.remote import Otlp
from hypercare.ingest.decoded import BadRequestError, Decoded
from hypercare.ingest.otlp import Encoding, SeriesCache, translate_body
from hypercare.ingest.protocol import Message, unpack
from hypercare.ingest.remote_v1 import decode_v1
from hypercare.ingest.remote_v2 import V2Cache, decode_v2
from hypercare.ingest.series_labels import V1Cache
from hypercare.ingest.wire import WireError
from hypercare.kernel import CommandError
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.ingest import MetricMetadata, WriteBatch, WriteResult
    from hypercare.tsdb import Tsdb

REMOTE_WRITE: Final = "remote_write"
_MAX_METADATA: Final = 50_000


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """Command: store a batch; the result is a ``WriteResult``.

    Attributes:
        exemplars: how many came with it and are not stored.
        refused: samples left out before.

    """

    batch: WriteBatch
    exemplars: int = 0
    refused: int = 0


@dataclasses.dataclass(slots=True)
class _Counts:
    """What came from one kind of sender; written in the kernel's thread."""

    requests: int = 0
    samples: int = 0
    histograms: int = 0
    refused: int = 0
    exemplars: int = 0


class IngestService:
    """Decodes requests (in any thread) and stores batches (in the kernel's).

    Args:
        tsdb: gets the samples.

    Attributes:
        metadata: what was told of metrics, by name; replaced as a whole, may be read from any thread.

    """

    def __init__(self, tsdb: Tsdb) -> None:
        self._tsdb = tsdb
        self._v1 = V1Cache()
        self._v2 = V2Cache()
        self._otlp = Otlp()
        self._otlp_series = SeriesCache()
        self.metadata: dict[str, MetricMetadata] = {}
        self._counts: dict[str, _Counts] = {kind: _Counts() for kind in (REMOTE_WRITE, "otlp")}

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(Write, self._write)

    def configure(self, _ctx: Context, config: Config) -> None:
        """Take a configuration over."""
        self._otlp = config.prometheus.otlp or Otlp()

    def decode_remote_write(self, body: bytes, message: Message) -> Decoded:
        """The samples of a request of remote write; from any thread.

        Raises:
            BadRequestError: it is none.

        """
        data = unpack(body)
        try:
            if message is Message.V1:
                return decode_v1(data, self._v1, REMOTE_WRITE)
            return decode_v2(data, self._v2, REMOTE_WRITE)
        except WireError as error:
            msg = f"the body is no {message}: {error}"
            raise BadRequestError(msg) from None

    def translate_otlp(self, body: bytes, encoding: Encoding) -> Decoded:
        """The series of a request of OTLP, by the running configuration; from any thread.

        Raises:
            BadRequestError: it is none.

        """
        return translate_body(body, encoding, self._otlp, self._otlp_series)

    def readings(self) -> Iterator[Reading]:
        """What was taken in, for ``/metrics``."""
        texts = {
            "requests": "Requests with samples, by how they were sent.",
            "samples": "Samples stored of those that were sent to us.",
            "histograms": "Native histograms stored of those that were sent to us.",
            "refused": "Samples sent to us and not stored: invalid, too old, or of a time that has another value.",
            "exemplars": "Exemplars sent to us; none is stored.",
        }
        for field, text in texts.items():
            samples = tuple(
                ((("protocol", kind),), float(getattr(counts, field))) for kind, counts in self._counts.items()
            )
            yield Reading(f"hypercare_ingest_{field}_total", "counter", text, samples)

    def _note(self, told: tuple[MetricMetadata, ...]) -> None:
        """Remember what was told of metrics; the newest word counts."""
        fresh = {item.name: item for item in told if self.metadata.get(item.name) != item}
        if fresh and len(self.metadata) + len(fresh) <= _MAX_METADATA:
            self.metadata = {**self.metadata, **fresh}

    def _write(self, ctx: Context, command: Write) -> WriteResult:
        result = self._tsdb.write(command.batch, ctx.now)
        if not self._tsdb.write_out():
            # It is in memory, and is tried again; but the sender had better keep it, too.
            msg = "the write-ahead log cannot be written; see the log of hypercare"
            raise CommandError(msg, 503)
        counts = self._counts[command.batch.source.partition("/")[0]]
        if command.batch.metadata:
            self._note(command.batch.metadata)
        counts.requests += 1
        counts.samples += result.appended
        counts.histograms += result.histograms
        counts.refused += command.refused + result.conflicts + result.too_old
        counts.exemplars += command.exemplars
        return result
