"""Where fuzzing begins: what the tests and other people's test data hold, cut into inputs."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cramjam
import numpy as np
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, STALE
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_ROOT: Final = Path(__file__).parents[1]
_EVALUATION: Final = re.compile(
    r"^\s*eval(?:_\w+)?\s+(?:instant at \S+|range from \S+ to \S+ step \S+)\s+(.+)$", re.MULTILINE
)
_LITERAL: Final = re.compile(r'"((?:[^"\\\n]|\\.)+)"|\'((?:[^\'\\\n]|\\.)+)\'')
_LONGEST: Final = 4096


def conformance() -> Path | None:
    """Other people's test data, where they are there."""
    place = Path(os.environ.get("HYPERCARE_CONFORMANCE") or _ROOT.parent / "shared" / "conformance")
    return place if place.is_dir() else None


def _promql() -> Iterator[bytes]:
    for path in (_ROOT / "tests" / "promql").glob("*.py"):
        for found in _LITERAL.finditer(path.read_text()):
            yield (found[1] or found[2]).encode()
    for path in _ROOT.glob("examples/**/*.y*ml"):
        for line in re.findall(r"^\s*expr:\s*(.+)$", path.read_text(), re.MULTILINE):
            yield line.strip("'\"").encode()
    place = conformance()
    if place is not None:
        for path in sorted(place.glob("promql/**/*.test")):
            for expression in _EVALUATION.findall(path.read_text()):
                yield expression.encode()


def _exposition() -> Iterator[bytes]:
    yield b'p# HELP a b\n# TYPE a counter\na{x="y"} 1 1000\nb 2\n'
    yield b'o# TYPE a histogram\na_bucket{le="1"} 1 # {t="x"} 0.5 1.5\n# UNIT a_s s\n# EOF\n'
    place = conformance()
    if place is None:
        return
    for path in sorted(place.glob("exposition/openmetrics/parsers/*/*")):
        yield b"o" + path.read_bytes()
        yield b"p" + path.read_bytes()
    for name, mark in (("errors_openmetrics", b"o"), ("errors_text", b"p"), ("parse", b"o"), ("parse", b"p")):
        told = json.loads((place / "exposition" / "prometheus" / f"{name}.json").read_text())
        for case in told["cases"] if isinstance(told, dict) else told:
            yield mark + case.get("input", "").encode("utf-8", "surrogatepass")


def _remote_write() -> Iterator[bytes]:
    kit = _ingest_kit()
    at = 1_700_000_000_000
    histogram = {
        "count_int": 3, "sum": 1.5, "schema": 2, "timestamp": at, "positive_deltas": [1, 1], "zero_threshold": 0.001,
    }  # fmt: skip
    for series in (
        [({"__name__": "m", "job": "j"}, [(at, 1.5)])],
        [({"__name__": "m", "i": str(n)}, [(at, float(n)), (at + 15_000, n + 0.5)]) for n in range(3)],
        [({"__name__": "süß", "le": "0.5"}, [(at, float("nan"))]), ({}, [])],
    ):
        one, two = kit.request_v1(series), kit.request_v2(series)
        yield from (b"1" + one, b"2" + two)
        yield b"3" + bytes(cramjam.snappy.compress_raw(one))
        yield b"4" + bytes(cramjam.snappy.compress_raw(two))
    for make, mark, name in ((kit.v1, b"1", "WriteRequest"), (kit.v2, b"2", "Request")):
        told = make(
            "Histogram", **histogram, positive_spans=[make("BucketSpan", offset=1, length=2)],
            negative_spans=[make("BucketSpan", offset=-1, length=0)],
        )  # fmt: skip
        labels = {"labels": [kit.v1("Label", name="__name__", value="h")]} if mark == b"1" else {"labels_refs": [1, 2]}
        symbols = {} if mark == b"1" else {"symbols": ["", "__name__", "h"]}
        series = make("TimeSeries", **labels, histograms=[told])
        yield mark + make(name, **symbols, timeseries=[series]).SerializeToString()


def _otlp() -> Iterator[bytes]:
    at = "1700000000000000000"
    points = [{"timeUnixNano": at, "startTimeUnixNano": "1", "asDouble": 1.5, "attributes": [
        {"key": "gen_ai.system", "value": {"stringValue": "x"}}, {"key": "n", "value": {"arrayValue": {"values": [
            {"intValue": "7"}]}}}]}]  # fmt: skip
    histogram = {"timeUnixNano": at, "count": "3", "sum": 2.5, "bucketCounts": ["1", "2"], "explicitBounds": [0.5]}
    exponential = {"timeUnixNano": at, "count": "3", "sum": 2.5, "scale": 2, "zeroCount": "1",
                   "positive": {"offset": 3, "bucketCounts": ["1", "1"]}}  # fmt: skip
    summary = {"timeUnixNano": at, "count": "3", "sum": 2.5, "quantileValues": [{"quantile": 0.5, "value": 1}]}
    cumulative = {"aggregationTemporality": 2}
    kinds = (
        {"gauge": {"dataPoints": points}},
        {"sum": {"dataPoints": points, "isMonotonic": True, **cumulative}},
        {"histogram": {"dataPoints": [histogram], **cumulative}},
        {"exponentialHistogram": {"dataPoints": [exponential], **cumulative}},
        {"summary": {"dataPoints": [summary]}},
    )
    for kind in kinds:
        document = {"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
            "scopeMetrics": [{"metrics": [{"name": "a.b", "unit": "ms", **kind}]}],
        }]}  # fmt: skip
        text = json.dumps(document)
        yield b"j" + text.encode()
        request = ExportMetricsServiceRequest()
        yield b"p" + ParseDict(document, request).SerializeToString()


def _ingest_kit() -> ModuleType:
    """The messages of remote write, as the tests write them."""
    path = _ROOT / "tests" / "ingest" / "messages_kit.py"
    spec = importlib.util.spec_from_file_location("messages_kit_of_fuzz", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _log() -> Iterator[bytes]:
    for _, data in _stores("wal", "*.wal"):
        yield data


def _block() -> Iterator[bytes]:
    for _, data in _stores("blocks", "*.block"):
        yield data


def _pieces() -> Iterator[bytes]:
    """Every piece of a store's blocks, as it is and unpacked, in the order in which they are read."""
    from fuzz import targets
    from hypercare.tsdb.blockfile import BlockFile

    found: list[bytes] = []
    real = BlockFile.piece

    def piece(file: BlockFile, where: tuple[int, int, int]) -> bytes:
        found.append(real(file, where))
        return found[-1]

    BlockFile.piece = piece  # type: ignore[method-assign]
    try:
        targets.store_pieces(b"\x7f")
    finally:
        BlockFile.piece = real  # type: ignore[method-assign]
    for number, content in enumerate(found[:127]):
        yield bytes([number]) + content
        with contextlib.suppress(cramjam.DecompressionError):
            yield bytes([128 + number]) + bytes(cramjam.zstd.decompress(content))


def _records() -> Iterator[bytes]:
    """Logs, as bodies of records behind their lengths."""
    from hypercare.tsdb import wal

    for _, data in _stores("wal", "*.wal"):
        out, at = bytearray(), len(wal.FILE_HEADER)
        while at < len(data) and len(out) < _LONGEST:
            _, size, _ = wal.FRAME.unpack_from(data, at)
            at += wal.FRAME.size
            out += size.to_bytes(2, "little") + data[at : at + size]
            at += size
        yield bytes(out)


def _pages() -> Iterator[bytes]:
    from hypercare.tsdb import codec
    from hypercare.tsdb.chunks import Effort

    rng = np.random.default_rng(1)
    counters = np.cumsum(rng.poisson(5, (30, 4)), axis=0).astype(float)
    mixed = np.hstack([counters[:, :2], np.round(rng.normal(9, 2, (30, 2)), 2), rng.random((30, 1)), np.ones((30, 1))])
    mixed[5:8, 3] = ABSENT
    mixed[9, 1] = STALE
    for values in (counters, mixed, rng.random((3, 1))):
        yield bytes([2 * (values.shape[1] - 1)]) + np.ascontiguousarray(values).tobytes()
        yield b"\x01" + codec.encode(values)
    # What merged blocks have: layers, sums of seconds, columns that lean on others.
    parts = np.cumsum(rng.integers(0, 3000, (600, 3)), axis=0).astype(float)
    seconds = np.cumsum(rng.integers(1, 4000, (600, 1)) / 1e9, axis=0)
    merged = np.hstack([parts, parts[:, :1] + parts[:, 1:2], parts[:, 2:] + rng.integers(0, 3, (600, 1)), seconds])
    yield b"\x01" + codec.encode(merged, Effort.THOROUGH)
    yield b"\x01" + codec.encode(merged[:, 5:], Effort.THOROUGH)
    yield bytes([2 * (parts.shape[1] - 1) + 54]) + parts[:12].tobytes()


def _stores(folder: str, pattern: str) -> Iterator[tuple[Path, bytes]]:
    """Files of small stores."""
    for width, rows in ((1, 3), (3, 12), (2, 250)):
        with tempfile.TemporaryDirectory() as place:
            db = Tsdb.open(Path(place), Options(block_span=100, seal_rows=4, keep_rows=2, fsync=False))
            group = db.group("g")
            columns = [group.column(Labels.of(__name__="m", i=str(i))) for i in range(width)]
            for at in range(1, rows * 5, 5):
                db.append(group, at, columns, np.arange(width) + float(at))
                db.flush(at)
                if folder == "blocks":
                    db.maintain(at)
            for at in range(rows * 5, rows * 5 + 1000, 100):
                if folder == "blocks":
                    db.maintain(at)
            db.close()
            for path in sorted((Path(place) / folder).glob(pattern)):
                yield path, path.read_bytes()


SEEDS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "promql": _promql,
    "exposition": _exposition,
    "remote_write": _remote_write,
    "otlp": _otlp,
    "log_records": _records,
    "pages": _pages,
    "store_log": _log,
    "store_block": _block,
    "store_pieces": _pieces,
}


def seeds(target: str) -> list[bytes]:
    """The inputs to begin with, each once."""
    return list(dict.fromkeys(seed for seed in SEEDS[target]() if len(seed) <= _LONGEST))
