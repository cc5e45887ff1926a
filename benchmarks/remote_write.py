"""Samples per second of receiving and sending by remote write: ``python -m benchmarks.remote_write``.

Requests of 2,000 series with one sample each and eight labels, as Prometheus sends them; seconds are processor time of one
thread. Receiving is decoding (in a web worker) and storing (in the kernel); sending is reading the log and encoding.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from hypercare.collectors.scrape.job import HttpSettings
from hypercare.ingest.remote_v1 import decode_v1
from hypercare.ingest.remote_v2 import V2Cache, decode_v2
from hypercare.ingest.series_labels import V1Cache
from hypercare.model.labels import Labels
from hypercare.remote.encode import RequestV2, labels_v1, sample_head, sample_time
from hypercare.remote.series import Encoder
from hypercare.remote.settings import V1, V2, Destination
from hypercare.tsdb import Options, Tsdb

START = 1_767_600_000_000
SERIES = [
    Labels.of(
        __name__="http_request_duration_seconds_bucket", job="api", instance=f"10.0.0.{i // 400}:9090", le=str(i % 12),
        code="200", handler=f"/api/v1/items/{i}", namespace="production", pod=f"api-{i // 400}-abcde",
    )
    for i in range(2000)
]  # fmt: skip
ROUNDS = 40


def requests(version: str) -> list[bytes]:
    """One request for each of some scrapes; a third of the values are 0."""
    heads = [sample_head(labels_v1(labels), 7) for labels in SERIES]
    found = []
    for n in range(ROUNDS):
        values = np.array([0.0 if i % 3 == 0 else i * 3.5 + n for i in range(2000)]).tobytes()
        times = [sample_time(START + n * 15_000 + target * 7) for target in range(5)]
        two = RequestV2()
        pieces = []
        for i in range(2000):
            value = values[i * 8 : i * 8 + 8]
            if version == V2:
                two.add(SERIES[i], value, times[i // 400])
            elif any(value):
                pieces += (heads[i], value, times[i // 400])
            else:
                # As Prometheus' library writes it: a field that is 0 is left out.
                short = heads[i][:-3] + b"\x12\x07"
                pieces += (_resized(short, -9), times[i // 400])
        found.append(two.message() if version == V2 else b"".join(pieces))
    return found


def _resized(head: bytes, by: int) -> bytes:
    """A head whose length field says so many bytes more."""
    size, at, shift = 0, 1, 0
    while True:
        byte = head[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    size += by
    return (
        head[:1] + bytes((size & 0x7F | 0x80, size >> 7)) + head[at:]
        if size > 0x7F
        else head[:1] + bytes((size,)) + head[at:]
    )


def receive(version: str) -> None:
    """Decode and store."""
    decode, cache = (decode_v2, V2Cache()) if version == V2 else (decode_v1, V1Cache())
    with tempfile.TemporaryDirectory() as folder:
        store = Tsdb.open(Path(folder), Options(fsync=False))
        decoding = storing = first = 0.0
        for n, data in enumerate(requests(version)):
            began = time.process_time()
            batch = decode(data, cache, "remote_write").batch
            decoded = time.process_time()
            result = store.write(batch, START + n * 15_000)
            if n == 0:
                first = decoded - began
            elif n > 3:
                decoding += decoded - began
                storing += time.process_time() - decoded
            assert result.appended == 2000, result
        store.close()
    count = 2000 * (ROUNDS - 4) / 1e6
    print(f"{version}: {2000 / first / 1e3:.0f} thousand new series/s; known ones: decoded {count / decoding:.2f}, "
          f"stored {count / storing:.2f}, both {count / (decoding + storing):.2f} million samples/s")  # fmt: skip


def send(version: str) -> None:
    """Read the log and encode."""
    with tempfile.TemporaryDirectory() as folder:
        store = Tsdb.open(Path(folder), Options(fsync=False))
        tail = store.tail()
        group = store.group("scrape/a")
        columns = np.array([group.column(labels) for labels in SERIES], np.int64)
        for n in range(ROUNDS):
            store.append(group, START + n * 15_000, columns, np.arange(2000) * 1.5 + n)
        store.flush(START)
        encoder = Encoder(Destination("far", "http://far", HttpSettings(), message=version), dict)
        encoder.encode(tail.read(2000), 1, START)
        began, samples, size = time.process_time(), 0, 0
        while rows := tail.read(20_000):
            for part in encoder.encode(rows, 1, START):
                samples += sum(one.samples for one in part)
                size += sum(len(one.body) for one in part)
        took = time.process_time() - began
        store.close()
    print(f"{version}: sent {samples / took / 1e6:.2f} million samples/s, {size / samples:.1f} bytes a sample")


if __name__ == "__main__":
    for message in (V1, V2):
        receive(message)
        send(message)
