"""Prometheus' protobuf format: golden bytes, hostile bytes, and Prometheus itself as a target."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import time
import urllib.request

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.collectors.exposition import (
    DROPPED,
    ExpositionError,
    NativeLimits,
    ProtobufOptions,
    ProtobufReader,
    ScrapeCache,
    Series,
    parse,
)
from hypercare.collectors.exposition.client_model import message_class
from hypercare.collectors.exposition.families import families
from hypercare.collectors.exposition.lines import Meta
from hypercare.collectors.scrape.http_source import accept_header
from hypercare.collectors.scrape.job import Limits
from hypercare.model.histograms import CUSTOM_SCHEMA, ResetHint
from hypercare.model.matchers import Matcher, MatchOp
from ports_kit import free_port

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)
NATIVE = ProtobufOptions(native=True)
BOTH = ProtobufOptions(native=True, classic_too=True)
CONVERT = ProtobufOptions(native=True, convert=True)
# A family written by hand, byte for byte: x{a="b"} 1.5 and x{a="c"} -2, type gauge, help "H".
GOLDEN = bytes.fromhex(
    "32" "0a0178" "120148" "1801"
    "2213" "0a06" "0a0161" "120162" "1209" "09" "000000000000f83f"
    "2213" "0a06" "0a0161" "120163" "1209" "09" "00000000000000c0"
)  # fmt: skip


def family(name, kind, *metrics, text=""):
    made = message_class("MetricFamily")(name=name, type=kind, help=text)
    for metric in metrics:
        made.metric.add(**metric)
    data = made.SerializeToString()
    size, head = len(data), b""
    while size >= 0x80:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + data


def labels(**pairs):
    return [{"name": n, "value": v} for n, v in pairs.items()]


class Target:
    """Reads bodies as a target's cache does; answers by the texts of series."""

    def __init__(self, drop=lambda _labels: False):
        self.columns: dict = {}
        self.drop = drop
        self.cache = ScrapeCache(self.resolve)
        self.reader = ProtobufReader(self.cache)

    def resolve(self, found):
        return DROPPED if self.drop(found) else self.columns.setdefault(found, len(self.columns))

    def read(self, body, options=NATIVE, **more):
        parsed = self.reader.parse(body, options, **more)
        names = {column: str(found) for found, column in self.columns.items()}
        floats = {names[c]: v for c, v in zip(parsed.columns.tolist(), parsed.values.tolist(), strict=True)}
        return floats, {names[c]: h for c, h in parsed.histograms}, parsed


def test_golden_bytes():
    target = Target()
    for _ in range(3):
        floats, natives, parsed = target.read(GOLDEN)
        assert floats == {'x{a="b"}': 1.5, 'x{a="c"}': -2.0}
        assert natives == {}
    assert (parsed.scraped, parsed.kept, parsed.added) == (2, 2, 0)
    assert (target.cache.metadata["x"].type, target.cache.metadata["x"].help) == ("gauge", "H")


def test_equal_scrapes_share_their_columns():
    target = Target()
    first, second = target.read(GOLDEN)[2], target.read(GOLDEN)[2]
    assert first.columns is second.columns


def test_classic_families():
    bucket = [{"upper_bound": 0.5, "cumulative_count": 2}, {"upper_bound": 1, "cumulative_count": 3}]
    body = (
        family("c_total", COUNTER, {"counter": {"value": 3, "created_timestamp": {"seconds": 12, "nanos": 5_000_000}}})
        + family("u", UNTYPED, {"untyped": {"value": math.inf}})
        + family("s", SUMMARY, {"label": labels(a="b"), "summary": {
            "sample_count": 4, "sample_sum": 2.5, "quantile": [{"quantile": 0.99, "value": 7}, {"quantile": 1, "value": 8}]}})
        + family("h", HISTOGRAM, {"histogram": {"sample_count": 5, "sample_sum": 9, "bucket": bucket}})
    )  # fmt: skip
    target = Target()
    for options in (ProtobufOptions(), NATIVE, ProtobufOptions(starts=True)):
        floats, natives, parsed = target.read(body, options)
        assert floats == {
            "c_total": 3, "u": math.inf, 's_count{a="b"}': 4, 's_sum{a="b"}': 2.5, 's{a="b", quantile="0.99"}': 7,
            's{a="b", quantile="1.0"}': 8, "h_count": 5, "h_sum": 9, 'h_bucket{le="0.5"}': 2, 'h_bucket{le="1.0"}': 3,
            'h_bucket{le="+Inf"}': 5,
        }  # fmt: skip
        assert natives == {}
        starts = [(target.columns_name(c), at) for c, at in parsed.starts] if options.starts else []
        assert starts == ([("c_total", 12_005)] if options.starts else [])


Target.columns_name = lambda self, column: next(str(k) for k, c in self.columns.items() if c == column)

SPANS = {
    "schema": 3, "sample_count": 12, "sample_sum": 6.5, "zero_threshold": 0.001, "zero_count": 2,
    "positive_span": [{"offset": -2, "length": 2}, {"offset": 3, "length": 1}], "positive_delta": [1, 2, -1],
    "negative_span": [{"offset": 0, "length": 2}], "negative_delta": [3, -2],
}  # fmt: skip


def native_body(kind=HISTOGRAM, **changes):
    return family("h", kind, {"histogram": {**SPANS, **changes}})


def test_a_native_histogram_of_whole_numbers():
    floats, natives, parsed = Target().read(native_body())
    assert (floats, parsed.scraped, parsed.kept) == ({}, 1, 1)
    found = natives["h"]
    assert (found.schema, found.count, found.sum, found.zero_count, found.zero_threshold) == (3, 12, 6.5, 2, 0.001)
    assert found.positive.indexes.tolist() == [-2, -1, 3]
    assert found.positive.counts.tolist() == [1, 3, 2]
    assert (found.negative.indexes.tolist(), found.negative.counts.tolist()) == ([0, 1], [3, 1])
    assert found.hint is ResetHint.UNKNOWN
    assert Target().read(native_body(GAUGE_HISTOGRAM))[1]["h"].hint is ResetHint.GAUGE


def test_a_native_histogram_of_floats():
    body = family("h", HISTOGRAM, {"histogram": {
        "schema": -1, "sample_count_float": 4.0, "sample_sum": 1, "zero_count_float": 0.5,
        "positive_span": [{"offset": 1, "length": 2}], "positive_count": [1.25, 2.25],
    }})  # fmt: skip
    found = Target().read(body)[1]["h"]
    assert (found.count, found.zero_count, found.positive.counts.tolist()) == (4, 0.5, [1.25, 2.25])


def test_an_empty_native_histogram_says_so_with_an_empty_span():
    body = family("h", HISTOGRAM, {"histogram": {"sample_count": 0, "sample_sum": 0, "positive_span": [{"offset": 0}]}})
    floats, natives, _ = Target().read(body)
    assert floats == {}
    assert natives["h"].count == 0


def test_a_resolution_finer_than_ours_is_lowered():
    body = native_body(schema=10, positive_span=[{"offset": 1, "length": 8}], positive_delta=[1, 0, 0, 0, 0, 0, 0, 0],
                       negative_span=[], negative_delta=[], sample_count=10)  # fmt: skip
    found = Target().read(body)[1]["h"]
    assert (found.schema, found.positive.indexes.tolist(), found.positive.counts.tolist()) == (8, [1, 2], [4, 4])


def test_which_buckets_a_job_takes():
    both = {**SPANS, "bucket": [{"upper_bound": 1, "cumulative_count": 7}]}
    body = family("h", HISTOGRAM, {"histogram": both})
    classic = {"h_count": 12, "h_sum": 6.5, 'h_bucket{le="1.0"}': 7, 'h_bucket{le="+Inf"}': 12}
    for options, floats, natives in (
        (ProtobufOptions(), classic, set()),
        (NATIVE, {}, {"h"}),
        (BOTH, classic, {"h"}),
        (ProtobufOptions(convert=True), {}, {"h"}),
    ):
        found = Target().read(body, options)
        assert (found[0], set(found[1])) == (floats, natives)
    assert Target().read(body, CONVERT)[1]["h"].schema == 3
    assert Target().read(body, ProtobufOptions(convert=True))[1]["h"].schema == CUSTOM_SCHEMA


def test_classic_buckets_become_custom_ones():
    bucket = [{"upper_bound": b, "cumulative_count": c} for b, c in ((0.5, 2), (1, 2), (2, 7), (math.inf, 9))]
    body = family("h", HISTOGRAM, {"histogram": {"sample_count": 9, "sample_sum": 4, "bucket": bucket}})
    found = Target().read(body, CONVERT)[1]["h"]
    assert (found.schema, found.custom_values, found.count, found.sum) == (CUSTOM_SCHEMA, (0.5, 1, 2), 9, 4)
    assert (found.positive.indexes.tolist(), found.positive.counts.tolist()) == ([0, 2, 3], [2, 5, 2])


@pytest.mark.parametrize(
    ("limits", "schema", "buckets"),
    [(NativeLimits(), 3, 5), (NativeLimits(5), 3, 5), (NativeLimits(4), 1, 4), (NativeLimits(0, 1.5), 0, 4),
     (NativeLimits(0, 2), 0, 4), (NativeLimits(0, 1.09), 3, 5), (NativeLimits(0, 1.1), 2, 5), (NativeLimits(0, 1e9), -4, 4)],
)  # fmt: skip
def test_limits_lower_the_resolution(limits, schema, buckets):
    found = Target().read(native_body(), ProtobufOptions(native=True, limits=limits))[1]["h"]
    assert (found.schema, len(found.positive.indexes) + len(found.negative.indexes)) == (schema, buckets)
    assert (found.positive.counts.sum(), found.negative.counts.sum(), found.count) == (6, 4, 12)


def test_a_limit_that_cannot_be_kept_fails_the_scrape():
    with pytest.raises(ExpositionError, match="native_histogram_bucket_limit exceeded: 4 buckets, limit 3"):
        Target().read(native_body(), ProtobufOptions(native=True, limits=NativeLimits(3)))


BAD = {
    "count": native_body(sample_count=13),
    "spans": native_body(positive_delta=[1]),
    "huge span": native_body(positive_span=[{"offset": 0, "length": 4_000_000_000}]),
    "overlap": native_body(positive_span=[{"offset": 0, "length": 2}, {"offset": -1, "length": 1}]),
    "negative bucket": native_body(positive_delta=[1, -5, 10]),
    "schema": native_body(schema=-5),
    "custom schema": native_body(schema=-53),
    "cut off": GOLDEN[:-3],
    "endless length": b"\xff" * 12,
    "no name": family("", GAUGE, {"gauge": {"value": 1}}),
    "unknown type": family("x", 17, {"gauge": {"value": 1}}),
    "label twice": family("x", GAUGE, {"label": [*labels(a="1"), *labels(a="2")], "gauge": {"value": 1}}),
    "label without a name": family("x", GAUGE, {"label": labels(**{"": "1"}), "gauge": {"value": 1}}),
    "label of the store": family("x", GAUGE, {"label": labels(**{"\0": "+x"}), "gauge": {"value": 1}}),
    "not UTF-8": GOLDEN.replace(b"\x0a\x01x", b"\x0a\x01\xff"),
    "label not UTF-8": GOLDEN.replace(b"\x12\x01b", b"\x12\x01\x80"),
    "text": b"x 1\n",
}


@pytest.mark.parametrize("name", BAD)
def test_bodies_that_are_refused(name):
    target = Target()
    with pytest.raises(ExpositionError):
        target.read(BAD[name])
    assert target.read(GOLDEN)[0] == {'x{a="b"}': 1.5, 'x{a="c"}': -2.0}


def test_labels_may_stand_behind_the_value():
    metrics = [bytes.fromhex("120909000000000000f83f0a060a01611201") + bytes([c]) for c in b"bc"]
    data = b"\x0a\x01x\x18\x01" + b"".join(b"\x22" + bytes([len(m)]) + m for m in metrics)
    target = Target()
    for _ in range(3):
        assert target.read(bytes([len(data)]) + data)[0] == {'x{a="b"}': 1.5, 'x{a="c"}': 1.5}


def test_timestamps_make_rows_of_their_own():
    body = family("x", GAUGE, {"gauge": {"value": 1}, "timestamp_ms": 7000}) + native_body()
    timed = family("h", HISTOGRAM, {"histogram": SPANS, "timestamp_ms": 8000})
    target = Target()
    floats, natives, parsed = target.read(body)
    assert (floats, set(natives), [t[::2] for t in parsed.timed]) == ({}, {"h"}, [(7000, 1.0)])
    parsed = target.read(timed)[2]
    assert [(t[0], t[2].count) for t in parsed.timed_histograms] == [(8000, 12)]
    assert target.read(body, honor_timestamps=False)[0] == {"x": 1}


def mixed(n, *, more=0, help_text="", exemplar=False):
    counter = {"value": n, **({"created_timestamp": {"seconds": n}} if exemplar else {})}
    return (
        family(
            "g",
            GAUGE,
            *({"label": labels(i=str(i)), "gauge": {"value": n * i}} for i in range(5 + more)),
            text=help_text,
        )
        + family(
            "s",
            SUMMARY,
            {"summary": {"sample_count": n, "sample_sum": n / 2, "quantile": [{"quantile": 0.5, "value": n}]}},
        )
        + native_body(sample_sum=n)
        + family("c", COUNTER, {"label": labels(a="b"), "counter": counter})
    )


@given(st.lists(st.tuples(
    st.integers(1, 1 << 40), st.integers(0, 1), st.sampled_from(["", "x", "y"]), st.booleans()), max_size=8))  # fmt: skip
def test_bodies_read_by_their_layout_are_read_as_any_other(sequence):
    target = Target()
    for n, more, text, exemplar in sequence:
        body = mixed(n, more=more, help_text=text, exemplar=exemplar)
        floats, natives, parsed = target.read(body)
        assert floats == {
            **{f'g{{i="{i}"}}': n * i for i in range(5 + more)}, "s_count": n, "s_sum": n / 2, 's{quantile="0.5"}': n,
            'c{a="b"}': n,
        }  # fmt: skip
        assert natives["h"].sum == n
        assert (parsed.scraped, parsed.kept) == (10 + more, 10 + more)
        assert target.cache.metadata["g"].help == text
        assert {name: m.type for name, m in target.cache.metadata.items()} == {
            "g": "gauge", "s": "summary", "h": "histogram", "c": "counter"}  # fmt: skip


def test_dropped_and_double_series():
    body = family("x", GAUGE, {"gauge": {"value": 1}}, {"gauge": {"value": 2}}) + family(
        "y", GAUGE, {"gauge": {"value": 3}}
    )
    target = Target(drop=lambda found: found.name == "y")
    for _ in range(3):
        floats, _, parsed = target.read(body)
        assert (floats, parsed.scraped, parsed.kept) == ({"x": 1}, 3, 2)
    with pytest.raises(ExpositionError, match="sample limit"):
        target.read(body, sample_limit=1)
    assert target.read(body, sample_limit=2)[0] == {"x": 1}


def test_what_vanishes_is_told_whatever_the_format():
    target = Target()
    target.read(GOLDEN + native_body())
    parsed = target.read(native_body())[2]
    assert sorted(target.columns_name(c) for c in parsed.vanished) == ['x{a="b"}', 'x{a="c"}']
    parsed = target.cache.parse(b'x{a="b"} 1\n')
    assert [target.columns_name(c) for c in parsed.vanished] == ["h"]
    assert [target.columns_name(c) for c in target.read(native_body())[2].vanished] == ['x{a="b"}']
    assert [target.columns_name(c) for c in target.cache.failed()] == ["h"]


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=120), st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=3))))
def test_no_bytes_break_the_reader(change):
    good = GOLDEN + native_body() + family("s", SUMMARY, {"summary": {"sample_count": 4, "sample_sum": 2.5}})
    if isinstance(change, tuple):
        at = change[0] % len(good)
        data = good[:at] + change[1] + good[at + len(change[1]) :]
    else:
        data = change
    target = Target()
    for _ in range(2):
        with contextlib.suppress(ExpositionError):
            target.read(data, BOTH)


def histograms(lab, name):
    return lab.tsdb.snapshot().select_histograms((Matcher("__name__", MatchOp.EQUAL, name),), 0, 1 << 60)


def test_scraped_into_the_store(lab):
    kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    lab.target("a:80", GOLDEN + native_body(), kind)
    lab.apply(lab.setup("a:80", native=NATIVE))
    lab.run(45)
    assert lab.values("x", a="b") == [1.5] * 3
    assert lab.values("scrape_samples_scraped") == [3] * 3
    (one,) = histograms(lab, "h")
    assert one.labels.as_dict() == {"__name__": "h", "instance": "a:80", "job": "j"}
    assert [h.count for h in one.values] == [12] * 3
    lab.bodies["a:80"] = GOLDEN
    lab.run(15)
    assert lab.values("h") == ["stale"]
    lab.target("a:80", BAD["count"], kind)
    lab.run(15)
    assert lab.values("up")[-1] == 0


def test_label_limits_hold_for_histograms(lab):
    kind = "application/vnd.google.protobuf"
    lab.target("a:80", family("h", HISTOGRAM, {"label": labels(a="b", c="d"), "histogram": SPANS}), kind)
    lab.apply(lab.setup("a:80", native=NATIVE, limits=Limits(labels=4)))
    lab.run(15)
    assert lab.values("up") == [0]


PROMETHEUS = shutil.which("prometheus")


def _until_ready(url):
    """While it starts, more and more of its metrics come to be."""
    end = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


@pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus is installed")
def test_prometheus_itself_says_the_same_in_both_formats(tmp_path):
    port = free_port()
    (tmp_path / "p.yml").write_text("global: {}\n")
    command = [PROMETHEUS, f"--config.file={tmp_path}/p.yml", f"--storage.tsdb.path={tmp_path}/d",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        found = {}
        _until_ready(f"http://127.0.0.1:{port}/-/ready")
        # The first request brings the series about requests into being.
        for protocol in ("PrometheusText0.0.4", "PrometheusProto", "PrometheusText0.0.4"):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept_header([protocol])}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                found[protocol] = (answer.headers["Content-Type"], answer.read())
    finally:
        server.terminate()
        server.wait(60)
    kind, body = found["PrometheusProto"]
    assert kind.startswith("application/vnd.google.protobuf")
    floats, natives, parsed = Target().read(body)
    text = {
        str(e.labels): e for e in parse(found["PrometheusText0.0.4"][1], openmetrics=False) if isinstance(e, Series)
    }
    assert len(floats) > 200
    assert natives == {}
    # Between both requests some series may come: those about requests.
    assert len(floats.keys() ^ text.keys()) <= 40
    assert floats.keys() & text.keys() >= {"go_goroutines", "process_resident_memory_bytes"}
    assert all("_bucket" in name or "_count" in name or "_sum" in name or "promhttp" in name or "quantile" in name
               for name in floats.keys() ^ text.keys())  # fmt: skip
    metas = {e.metric for e in parse(found["PrometheusText0.0.4"][1], openmetrics=False) if isinstance(e, Meta)}
    assert {f.name for f in families(body)} == metas
    assert parsed.scraped == len(floats)
