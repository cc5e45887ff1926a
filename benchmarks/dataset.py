"""10,000 series at 15 s, two hours or a day of them, for our store and, over remote write, for the peers."""

from __future__ import annotations

import dataclasses
import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import cramjam
import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent
from hypercare.tsdb import Tsdb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

STEP = 15_000
ROWS = 480
_BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf")
_CHUNK = 120
# One sample in a remote-write message: field 2 of 16 bytes, a double, a varint of six bytes (times until the year 2109).
_SAMPLE = np.dtype([("head", "u1", 3), ("value", "<f8"), ("tag", "u1"), ("time", "u1", 6)])


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """All series of one target: rows share their times."""

    key: str
    labels: tuple[dict[str, str], ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def _series(n: int) -> Iterator[dict[str, str]]:
    common = {"job": f"job-{n % 5}", "instance": f"10.0.0.{n}:80"}
    for handler in range(10):
        for code in ("200", "404", "500", "503"):
            yield {"__name__": "http_requests_total", "handler": f"/v1/{handler}", "code": code, **common}
    for handler in range(4):
        for le in _BOUNDS:
            yield {"__name__": "request_duration_seconds_bucket", "handler": f"/v1/{handler}", "le": le, **common}
    for cpu in range(20):
        yield {"__name__": "queue_depth", "queue": str(cpu), **common}


def groups(end: int, count: int = 100, rows: int = ROWS) -> list[Group]:
    """Targets whose last row is at most 15 s before ``end``; each has its own phase, none at a full second."""
    rng = np.random.default_rng(7)
    made = []
    for n in range(count):
        times = end - STEP * np.arange(rows, 0, -1, dtype=np.int64) + (n * 100 + 57) % STEP
        requests = np.cumsum(rng.poisson(20, (rows, 40)), axis=0)
        buckets = np.cumsum(np.cumsum(rng.poisson(3, (rows, 4, len(_BOUNDS))), axis=0), axis=2).reshape(rows, -1)
        gauges = np.round(rng.normal(50, 10, (rows, 20)), 2)
        made.append(Group(f"bench/{n}", tuple(_series(n)), times, np.hstack([requests, buckets, gauges]).astype(float)))
    return made


def into_hypercare(data: Path, made: list[Group]) -> None:
    """Write them as the running program would."""
    db = Tsdb.open(data / "metrics")
    handles = [db.group(group.key) for group in made]
    columns = [
        np.array([handle.column(Labels.of(**labels)) for labels in group.labels], dtype=np.int64)
        for handle, group in zip(handles, made, strict=True)
    ]
    for row in range(len(made[0].times)):
        for handle, numbers, group in zip(handles, columns, made, strict=True):
            appended = db.append(handle, int(group.times[row]), numbers, group.values[row])
            assert appended.appended == len(numbers), appended
        db.flush(int(made[-1].times[row]))
        if row % 20 == 19:
            db.maintain(int(made[-1].times[row]))
    db.maintain(int(made[-1].times[-1]))
    db.close()


def into_prometheus(url: str, made: list[Group]) -> None:
    """Send them to a remote-write receiver in the order of time, so that its head takes them."""
    into_receivers([url], made)


def into_receivers(urls: list[str], made: list[Group], chunk: int = _CHUNK) -> None:
    """Send them to several remote-write receivers at once, each in the order of time, ``chunk`` rows a request."""
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        for begin in range(0, len(made[0].times), chunk):
            rows = slice(begin, begin + chunk)
            bodies = [write_request(group.labels, group.times[rows], group.values[rows]) for group in made]
            list(pool.map(lambda url, bodies=bodies: _post(url, bodies), urls))


def _post(url: str, bodies: list[bytes]) -> None:
    where = urlsplit(url)
    headers = {
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }  # fmt: skip
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    for body in bodies:
        connection.request("POST", "/api/v1/write", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{url}: {answer.status}: {text[:500]!r}"
    connection.close()


def write_request(labels: Sequence[dict[str, str]], times: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    """A remote-write message, compressed; cells without a sample are left out."""
    encoded = np.zeros(values.T.shape, _SAMPLE)
    encoded["head"] = (0x12, 16, 0x09)
    encoded["value"] = values.T
    encoded["tag"] = 0x10
    encoded["time"] = _varint6(times)
    there = ~is_absent(values).T
    out = bytearray()
    for named, cells, here in zip(labels, encoded, there, strict=True):
        pairs = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(named.items()))
        out += _field(1, pairs + cells[here].tobytes())
    return bytes(cramjam.snappy.compress_raw(bytes(out)))


def _varint6(times: NDArray[np.int64]) -> NDArray[np.uint8]:
    parts = (times[:, None] >> (7 * np.arange(6))) & 0x7F
    parts[:, :5] |= 0x80
    return parts.astype(np.uint8)


def _field(number: int, content: bytes) -> bytes:
    size, length = bytearray(), len(content)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return bytes([number << 3 | 2]) + bytes(size) + content
