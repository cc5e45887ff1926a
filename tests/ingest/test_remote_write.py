"""Decoding remote write, against google.protobuf."""

from __future__ import annotations

import contextlib
import struct

import cramjam
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from messages_kit import Symbols, request_v1, request_v2, v1, v2

from hypercare.ingest.decoded import BadRequestError
from hypercare.ingest.protocol import Message, message_of, unpack
from hypercare.ingest.remote_v1 import decode_v1
from hypercare.ingest.remote_v2 import V2Cache, decode_v2
from hypercare.ingest.series_labels import V1Cache
from hypercare.ingest.wire import WireError
from hypercare.model.histograms import ResetHint
from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, is_stale

NOW = 1_767_600_000_000
CACHES = (V1Cache(), V2Cache())

names = st.sampled_from(["__name__", "job", "instance", "le", "ü", "a.b"])
values = st.one_of(st.text(max_size=12), st.sampled_from(["x" * 16, "y" * 130, "\x12\x10\x09", "\x10" * 16]))
label_sets = st.dictionaries(names, values, max_size=5).map(lambda d: {**d, "__name__": d.get("__name__") or "m"})
times = st.one_of(st.integers(NOW - 10**7, NOW + 10**7), st.integers(-(2**63), 2**63 - 1), st.just(0))
cells = st.floats(allow_nan=True, width=64)
lists = st.lists(st.tuples(label_sets, st.lists(st.tuples(times, cells), max_size=3)), max_size=6)


def plain(batch):
    """Floats as {labels: [(time, bits)]}; the order within one label set is that of the message."""
    found = {}
    for series in batch.series:
        bits = np.asarray(series.values, np.float64).view(np.int64).tolist()
        assert series.times.dtype == np.int64
        found.setdefault(series.labels, []).extend(zip(series.times.tolist(), bits, strict=True))
    return {labels: sorted(samples) for labels, samples in found.items()}


def wanted(series):
    found = {}
    for labels, samples in series:
        bits = [(t, struct.unpack("<q", struct.pack("<d", x))[0]) for t, x in samples]
        if bits:
            found.setdefault(Labels(labels.items()), []).extend(bits)
    return {labels: sorted(samples) for labels, samples in found.items()}


MISLEADING = [  # these end as series with one sample do, behind bytes that were the labels of another
    [({"__name__": "m", "job": ""}, [])],
    [({"__name__": "m"}, [(NOW, 0.0), (NOW, 0.0)])],
    [({"__name__": "m"}, [(NOW, 1.0), (NOW, 0.0)])],
]


@settings(deadline=None, max_examples=150)
@given(lists)
@example(MISLEADING[0])
@example(MISLEADING[1])
@example(MISLEADING[2])
def test_version_1_reads_what_protobuf_wrote(series):
    data = request_v1(series)
    for value in (0.0, 1.0):
        decode_v1(request_v1([({"__name__": "m"}, [(NOW, value)])]), CACHES[0], "s")
    for cache in (V1Cache(), CACHES[0], CACHES[0]):
        decoded = decode_v1(data, cache, "s")
        assert plain(decoded.batch) == wanted(series)
        assert decoded.problems == ()


@settings(deadline=None, max_examples=150)
@given(lists)
def test_version_2_reads_what_protobuf_wrote(series):
    data = request_v2(series)
    for cache in (V2Cache(), CACHES[1], CACHES[1]):
        decoded = decode_v2(data, cache, "s")
        assert plain(decoded.batch) == wanted(series)
        assert decoded.problems == ()


@pytest.mark.parametrize("make", [request_v1, request_v2])
@settings(deadline=None, max_examples=300)
@given(series=lists, data=st.data())
def test_damaged_bytes_are_refused_or_read(make, series, data):
    good = bytearray(make(series))
    for _ in range(data.draw(st.integers(1, 3))):
        if good:
            good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    bad = bytes(good[: data.draw(st.integers(0, len(good)))])
    decode, cache = (decode_v1, CACHES[0]) if make is request_v1 else (decode_v2, CACHES[1])
    with contextlib.suppress(WireError):
        decode(bad, cache, "s")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data):
    for decode, cache in ((decode_v1, V1Cache()), (decode_v2, V2Cache())):
        with contextlib.suppress(WireError):
            decode(data, cache, "s")


def test_a_damaged_request_leaves_no_wrong_label_set_behind():
    cache, second = V1Cache(), V2Cache()
    good = [({"__name__": "a", "job": "x"}, [(NOW, 1.0)]), ({"__name__": "b", "job": "x"}, [(NOW, 0.0)])]
    for data, decode, known in ((request_v1(good), decode_v1, cache), (request_v2(good), decode_v2, second)):
        for cut in range(len(data)):
            with contextlib.suppress(WireError):
                decode(data[:cut], known, "s")
        assert plain(decode(data, known, "s").batch) == wanted(good)


BAD_LABELS = [
    ([("job", "x")], "without a metric name"),
    ([("__name__", "a"), ("job", "x"), ("job", "y")], "'job' stands twice"),
    ([("__name__", "a"), ("", "y")], "label without a name"),
    ([("__name__", "")], "without a metric name"),
]


@pytest.mark.parametrize(("pairs", "text"), BAD_LABELS)
def test_series_with_bad_labels_are_left_out_and_told(pairs, text):
    sample = v1("Sample", timestamp=NOW, value=1.0)
    good = v1("TimeSeries", labels=[v1("Label", name="__name__", value="ok")], samples=[sample])
    bad = v1("TimeSeries", labels=[v1("Label", name=n, value=x) for n, x in pairs], samples=[sample])
    decoded = decode_v1(v1("WriteRequest", timeseries=[bad, good]).SerializeToString(), V1Cache(), "s")
    assert [s.labels.name for s in decoded.batch.series] == ["ok"]
    assert decoded.refused == 1
    assert text in decoded.problems[0]
    symbols = Symbols()
    refs = [symbols.ref(word) for pair in pairs for word in pair]
    sample = v2("Sample", timestamp=NOW, value=1.0)
    series = [v2("TimeSeries", labels_refs=r, samples=[sample]) for r in (refs, symbols.refs({"__name__": "ok"}))]
    decoded = decode_v2(
        v2("Request", symbols=list(symbols.texts), timeseries=series).SerializeToString(), V2Cache(), "s"
    )
    assert [s.labels.name for s in decoded.batch.series] == ["ok"]
    assert text in decoded.problems[0]


def test_labels_in_any_order_are_one_series():
    sample = v1("Sample", timestamp=NOW, value=1.0)
    pairs = [v1("Label", name=n, value="v") for n in ("job", "__name__")]
    data = v1("WriteRequest", timeseries=[v1("TimeSeries", labels=pairs, samples=[sample])]).SerializeToString()
    assert decode_v1(data, V1Cache(), "s").batch.series[0].labels == Labels.of(job="v", __name__="v")


def test_metadata_exemplars_and_staleness_of_version_1():
    label = v1("Label", name="__name__", value="a_total")
    series = v1("TimeSeries", labels=[label], samples=[v1("Sample", timestamp=NOW, value=STALE)],
                exemplars=[v1("Exemplar", value=1.0)])  # fmt: skip
    meta = v1("MetricMetadata", type=1, metric_family_name="a_total", help="all", unit="s")
    odd = v1("MetricMetadata", type=99, metric_family_name="b")
    decoded = decode_v1(
        v1("WriteRequest", timeseries=[series], metadata=[meta, odd]).SerializeToString(), V1Cache(), "s"
    )
    assert is_stale(np.asarray(decoded.batch.series[0].values)).all()
    assert decoded.exemplars == 1
    assert [tuple(m) for m in decoded.batch.metadata] == [("a_total", "counter", "all", "s"), ("b", "unknown", "", "")]


def test_metadata_and_starts_of_version_2():
    symbols = Symbols()
    series = [
        v2("TimeSeries", labels_refs=symbols.refs({"__name__": "a_bucket", "le": "1"}),
           samples=[v2("Sample", timestamp=NOW, value=1.0)],
           metadata=v2("Metadata", type=3, help_ref=symbols.ref("how long"), unit_ref=symbols.ref("seconds"))),
        v2("TimeSeries", labels_refs=symbols.refs({"__name__": "b"}), created_timestamp=NOW - 5,
           samples=[v2("Sample", timestamp=NOW, value=2.0)], exemplars=[v2("Exemplar", value=1.0)]),
        v2("TimeSeries", labels_refs=symbols.refs({"__name__": "c"}),
           samples=[v2("Sample", timestamp=NOW, value=2.0, start_timestamp=NOW - 7), v2("Sample", timestamp=NOW + 1)]),
    ]  # fmt: skip
    decoded = decode_v2(
        v2("Request", symbols=list(symbols.texts), timeseries=series).SerializeToString(), V2Cache(), "s"
    )
    assert [tuple(m) for m in decoded.batch.metadata] == [("a", "histogram", "how long", "seconds")]
    starts = {s.labels.name: None if s.starts is None else s.starts.tolist() for s in decoded.batch.series}
    assert starts == {"a_bucket": None, "b": [NOW - 5], "c": [NOW - 7, 0]}
    assert decoded.exemplars == 1


def spans(make, *pairs):
    return [make("BucketSpan", offset=o, length=n) for o, n in pairs]


def histograms(make, **fields):
    one = make("Histogram", timestamp=NOW, **fields)
    if make is v1:
        series = v1("TimeSeries", labels=[v1("Label", name="__name__", value="h")], histograms=[one])
        return decode_v1(v1("WriteRequest", timeseries=[series]).SerializeToString(), V1Cache(), "s")
    series = v2("TimeSeries", labels_refs=[1, 2], histograms=[one])
    return decode_v2(
        v2("Request", symbols=["", "__name__", "h"], timeseries=[series]).SerializeToString(), V2Cache(), "s"
    )


both = pytest.mark.parametrize("make", [v1, v2])


@both
def test_integer_histograms(make):
    decoded = histograms(
        make, count_int=14, sum=2.5, schema=-2, zero_threshold=1e-9, zero_count_int=2, reset_hint=3,
        positive_spans=spans(make, (-3, 2), (4, 1)), positive_deltas=[1, 2, -1],
        negative_spans=spans(make, (5, 1)), negative_deltas=[6],
    )  # fmt: skip
    assert decoded.problems == ()
    (series,) = decoded.batch.histograms
    (found,) = series.values
    assert series.times.tolist() == [NOW]
    assert found.positive.indexes.tolist() == [-3, -2, 3]
    assert found.positive.counts.tolist() == [1, 3, 2]
    assert found.negative.indexes.tolist() == [5]
    assert (found.schema, found.count, found.sum, found.zero_count, found.zero_threshold) == (-2, 14, 2.5, 2, 1e-9)
    assert found.hint is ResetHint.GAUGE


@both
def test_float_histograms_and_custom_buckets(make):
    decoded = histograms(make, count_float=4.5, sum=1.0, schema=-53, custom_values=[1.0, 2.0],
                         positive_spans=spans(make, (0, 3)), positive_counts=[1.5, 2.0, 1.0])  # fmt: skip
    assert decoded.problems == ()
    found = decoded.batch.histograms[0].values[0]
    assert found.custom_values == (1.0, 2.0)
    assert found.positive.counts.tolist() == [1.5, 2.0, 1.0]


@both
def test_a_stale_histogram_is_a_stale_float(make):
    batch = histograms(make, sum=STALE).batch
    assert batch.histograms == ()
    assert is_stale(np.asarray(batch.series[0].values)).all()


WRONG = [
    (dict(count_int=1, schema=9), "schema 9"),
    (dict(count_int=1, schema=0, positive=[(0, 2)], positive_deltas=[1]), "spans need 2 buckets, have 1"),
    (dict(count_int=1, positive=[(0, 1), (-1, 1)], positive_deltas=[1, 0]), "a span begins before"),
    (dict(count_int=1, positive=[(0, 1)], positive_deltas=[-1]), "negative count"),
    (dict(count_int=1, positive=[(0, 1)], positive_deltas=[2]), "2 observations are in buckets, but the count is 1"),
    (dict(count_int=3, positive=[(0, 1)], positive_deltas=[2]), "but the count is 3"),
    (dict(count_float=1.0, positive=[(0, 1)], positive_counts=[2.0]), "but the count is 1"),
    (dict(count_float=1.0, schema=-53, custom_values=[2.0, 1.0]), "ascending"),
    (dict(count_float=1.0, schema=-53, custom_values=[float("inf")]), "infinite"),
    (dict(count_float=1.0, schema=-53, positive=[(0, 2)], positive_counts=[1.0, 0.0]), "has the number 1"),
    (dict(count_int=1, custom_values=[1.0]), "custom values"),
    (dict(count_int=1, positive=[(2**31 - 1, 2)], positive_deltas=[1, -1]), "beyond 32 bits"),
    (dict(count_int=1, positive=[(0, 2**32 - 1)], positive_deltas=[1]), "spans need 4294967295 buckets"),
]


@both
@pytest.mark.parametrize(("fields", "text"), WRONG)
def test_histograms_that_contradict_themselves_are_left_out(make, fields, text):
    fields = dict(fields)
    if "positive" in fields:
        fields["positive_spans"] = spans(make, *fields.pop("positive"))
    decoded = histograms(make, **fields)
    assert decoded.batch.histograms == ()
    assert decoded.refused == 1
    assert text in decoded.problems[0]


def test_the_cache_stays_bounded():
    cache = V1Cache(limit=2000)
    for n in range(200):
        data = request_v1([({"__name__": f"metric_{n}"}, [(NOW, 1.0)])])
        assert decode_v1(data, cache, "s").batch.series[0].labels.name == f"metric_{n}"
    assert len(cache.valued.young) < 40


TYPES = [
    ("", "", Message.V1),
    ("application/x-protobuf", "snappy", Message.V1),
    ("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", Message.V1),
    ("Application/X-Protobuf; proto=io.prometheus.write.v2.Request", "Snappy", Message.V2),
    ("application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", "not known"),
    ("application/x-protobuf;proto", "snappy", "without a value"),
    ("application/json", "snappy", "content type"),
    ("application/x-protobuf", "zstd", "content encoding"),
    ("application/x-protobuf", "gzip", "content encoding"),
]


@pytest.mark.parametrize(("content_type", "encoding", "want"), TYPES)
def test_negotiation(content_type, encoding, want):
    if isinstance(want, Message):
        assert message_of(content_type, encoding) is want
        return
    with pytest.raises(BadRequestError, match=want) as refused:
        message_of(content_type, encoding)
    assert refused.value.status == 415


def test_snappy():
    assert unpack(bytes(cramjam.snappy.compress_raw(b"abc" * 99))) == b"abc" * 99
    for bad in (b"", b"\xff" * 9, b"\x05abc", bytes(cramjam.snappy.compress(b"framed"))):
        with pytest.raises(BadRequestError) as refused:
            unpack(bad)
        assert refused.value.status == 400
    with pytest.raises(BadRequestError) as refused:
        unpack(b"\xff\xff\xff\xff\x0fab")
    assert refused.value.status == 413
