"""Native histograms written to us and to a real Prometheus in the same bytes: the same JSON comes back."""

from __future__ import annotations

import json
import struct
import time
from urllib.parse import quote

import cramjam
import pytest
from prometheus_kit import Hypercare, Prometheus, field, varint

from ports_kit import free_port

pytestmark = pytest.mark.peer
HEAD = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def _zigzag(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _whole(number, value):
    return varint(number << 3) + varint(value)


def _double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def _spans(number, spans):
    return b"".join(field(number, varint(1 << 3) + _zigzag(gap) + _whole(2, length)) for gap, length in spans)


def _deltas(number, counts):
    before = [0, *counts]
    return field(number, b"".join(_zigzag(b - a) for a, b in zip(before, counts, strict=False)))


def histogram(at, schema, zero, positive, negative, total):
    """One histogram of whole numbers, as remote write 1.0 has it; a side is spans and counts."""
    count = zero + sum(positive[1]) + sum(negative[1])
    return b"".join([
        _whole(1, count), _double(3, total), varint(4 << 3) + _zigzag(schema), _double(5, 0.001), _whole(6, zero),
        _spans(8, negative[0]), _deltas(9, negative[1]), _spans(11, positive[0]), _deltas(12, positive[1]), _whole(15, at),
    ])  # fmt: skip


def request(end):
    """Twenty samples of three series."""
    shapes = {
        "wide": (0, ([(-3, 2), (2, 3)], [1, 2, 3, 0, 5]), ([(1, 2)], [4, 1])),
        "fine": (3, ([(-40, 2), (30, 1), (60, 2)], [7, 1, 2, 2, 9]), ([], [])),
        "coarse": (-4, ([(0, 3)], [1, 1, 1]), ([(0, 1)], [3])),
    }
    series = []
    for name, (schema, positive, negative) in shapes.items():
        labels = b"".join(
            field(1, field(1, n) + field(2, v)) for n, v in ((b"__name__", b"took"), (b"kind", name.encode()))
        )
        samples = b""
        for i in range(20):
            grown = tuple((spans, [c * (i + 1) for c in counts]) for spans, counts in (positive, negative))
            samples += field(4, histogram(end - (19 - i) * 15_000, schema, 2 * i, *grown, 1.5 * i))
        series.append(field(1, labels + samples))
    return bytes(cramjam.snappy.compress_raw(b"".join(series)))


# Neither quantiles, interpolated otherwise since 3.0, nor ranges that begin before the samples, extrapolated otherwise.
EXPRESSIONS = [
    "took", 'took{kind="coarse"}', "sum(took)", "rate(took[1m7s])",  "histogram_count(took)", "histogram_sum(took)", "count(took)", "took{kind='wide'} + took{kind='wide'}",
]  # fmt: skip


def close(left, right):
    """Equal, but for the last digits of numbers in texts."""
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(close(left[key], right[key]) for key in right)
    if isinstance(right, list):
        return len(left) == len(right) and all(map(close, left, right))
    if isinstance(left, str) and left != right:
        return float(left) == pytest.approx(float(right), rel=1e-12, abs=0, nan_ok=True)
    return left == right


def ordered(body):
    found = json.loads(body)
    assert found["status"] == "success", body
    return sorted(found["data"]["result"], key=lambda each: sorted(each["metric"].items()))


def test_the_same_json(tmp_path):
    end = int(time.time()) // 15 * 15_000 - 5_000
    body = request(end)
    theirs = Prometheus(tmp_path / "peer", free_port(), "{}", "--enable-feature=native-histograms")
    try:
        ours = Hypercare(tmp_path, free_port(), {"hypercare.yml": "collect: {host: {enabled: false}}\n"})
        try:
            for side in (ours, theirs):
                status, _, told = side.ask("POST", "/api/v1/write", body, HEAD)
                assert status in {200, 204}, told
            for expr in EXPRESSIONS:
                at = end / 1000 + 2
                for path in (
                    f"query?query={quote(expr)}&time={at}",
                    f"query_range?query={quote(expr)}&start={at - 160}&end={at}&step=20",
                ):
                    mine, yours = (ordered(side.ask("GET", f"/api/v1/{path}")[2]) for side in (ours, theirs))
                    assert yours, path
                    assert close(mine, yours), (path, mine[0], yours[0])
            # As it was written, to the letter (bounds that are no powers of two may differ in their last digit).
            coarse = quote("took{kind!='fine'}[59s]")
            path = f"/api/v1/query?query={coarse}&time={end / 1000}"
            assert ours.ask("GET", path)[2] == theirs.ask("GET", path)[2]
            # The text format of federation has no room for them.
            assert ours.ask("GET", "/federate?match[]=took")[2] == b""
        finally:
            ours.stop()
    finally:
        theirs.stop()
