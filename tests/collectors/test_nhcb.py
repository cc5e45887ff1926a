"""Classic histograms of the text formats as native ones with custom buckets."""

from __future__ import annotations

import pytest

from hypercare.collectors.exposition import NativeLimits, ProtobufOptions
from hypercare.collectors.scrape.job import Limits
from hypercare.model.histograms import CUSTOM_SCHEMA
from hypercare.model.matchers import Matcher, MatchOp

A = "a:80"
CONVERT = ProtobufOptions(convert=True)


def body(n=0, extra=""):
    return (
        "# TYPE up_to gauge\nup_to 1\n# TYPE h histogram\n"
        f'h_bucket{{path="/",le="0.5"}} {n}\nh_bucket{{path="/",le="1"}} {n + 2}\nh_bucket{{path="/",le="+Inf"}} {n + 5}\n'
        f'h_sum{{path="/"}} {n * 2.5}\nh_count{{path="/"}} {n + 5}\n{extra}'
    ).encode()


def natives(lab, name="h"):
    return lab.tsdb.snapshot().select_histograms((Matcher("__name__", MatchOp.EQUAL, name),), 0, 1 << 60)


def test_parts_become_one(lab):
    lab.target(A, body(1))
    lab.apply(lab.setup(A, native=CONVERT))
    lab.run(30)
    lab.bodies[A] = body(4)
    lab.run(15)
    (one,) = natives(lab)
    assert one.labels.as_dict() == {"__name__": "h", "path": "/", "instance": A, "job": "j"}
    assert [(h.schema, h.custom_values, h.count, h.sum) for h in one.values] == [
        (CUSTOM_SCHEMA, (0.5, 1), 6, 2.5), (CUSTOM_SCHEMA, (0.5, 1), 6, 2.5), (CUSTOM_SCHEMA, (0.5, 1), 9, 10),
    ]  # fmt: skip
    assert one.values[2].positive.counts.tolist() == [4, 2, 3]
    assert lab.series("h_bucket") == {}
    assert lab.values("up_to") == [1, 1, 1]
    assert lab.values("scrape_samples_scraped") == [2, 2, 2]
    assert lab.values("scrape_samples_post_metric_relabeling") == [2, 2, 2]
    assert lab.values("scrape_series_added") == [2, 0, 0]


def test_parts_may_stay(lab):
    lab.target(A, body(1))
    lab.apply(lab.setup(A, native=ProtobufOptions(convert=True, classic_too=True)))
    lab.run(30)
    assert [h.count for h in natives(lab)[0].values] == [6, 6]
    assert lab.values("h_count") == [6, 6]
    assert len(lab.series("h_bucket")) == 3
    assert lab.values("scrape_samples_scraped") == [7, 7]


def test_one_that_vanishes_and_a_target_that_fails_get_markers(lab):
    lab.target(A, body(1))
    lab.apply(lab.setup(A, native=CONVERT))
    lab.run(15)
    lab.bodies[A] = b"up_to 1\n"
    lab.run(30)
    assert lab.values("h") == ["stale"]
    lab.bodies[A] = body(2)
    lab.run(15)
    lab.bodies[A] = b"{{{"
    lab.run(30)
    assert lab.values("h") == ["stale", "stale"]
    assert lab.values("up_to")[-1] == "stale"
    lab.bodies[A] = body(3)
    lab.run(15)
    assert [h.count for h in natives(lab)[0].values] == [6, 7, 8]


def test_timestamps(lab):
    at = lab.clock.now() + 5_000
    lines = (
        body(1)
        .decode()
        .replace("\n", f" {at}\n")
        .replace(f"gauge {at}", "gauge")
        .replace(f"histogram {at}", "histogram")
    )
    lab.target(A, lines.encode())
    lab.apply(lab.setup(A, native=CONVERT))
    lab.run(15)
    (one,) = natives(lab)
    assert (one.times.tolist(), one.values[0].count) == ([at], 6)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('h_bucket{le="1"} 5\nh_bucket{le="+Inf"} 3\nh_count 3\n', False),
        ('h_bucket{le="1"} 5\nh_sum 3\n', False),
        ('h_bucket{le="1"} 5\nh_bucket{le="+Inf"} 7\n', True),
        ("h_count 3\nh_sum 2\n", True),
        ('h_bucket{le="x"} 5\nh_count 3\n', True),
    ],
)  # fmt: skip
def test_incomplete_and_contradictory_ones(lab, lines, found):
    lab.target(A, f"# TYPE h histogram\n{lines}".encode())
    lab.apply(lab.setup(A, native=CONVERT))
    lab.run(30)
    assert [len(one.values) for one in natives(lab)] == ([2] if found else [])
    assert lab.values("up") == [1, 1]


def test_limits(lab):
    lab.target(A, body(1))
    lab.apply(lab.setup(A, native=CONVERT, limits=Limits(samples=2)))
    lab.run(15)
    lab.apply(lab.setup(A, native=CONVERT, limits=Limits(samples=1)))
    lab.run(15)
    lab.apply(lab.setup(A, native=ProtobufOptions(convert=True, limits=NativeLimits(2))))
    lab.run(15)
    assert lab.values("up") == [1, 0, 0]
    assert "bucket_limit" in lab.service.snapshot().active[0].last_error


def test_a_series_of_another_kind_is_left_alone(lab):
    lab.target(A, b'# TYPE h summary\nh_count 3\nh_sum 2\n# TYPE k histogram\nk 5\nother_bucket{le="1"} 2\n')
    lab.apply(lab.setup(A, native=CONVERT))
    lab.run(15)
    assert [lab.values(name) for name in ("h_count", "h_sum", "k", "other_bucket")] == [[3], [2], [5], [2]]
