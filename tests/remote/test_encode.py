"""Messages as google.protobuf and our own receiver read them."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_kit import v1, v2

from hypercare.ingest.native import read_histogram
from hypercare.ingest.remote_v1 import decode_v1
from hypercare.ingest.remote_v2 import V2Cache, decode_v2
from hypercare.ingest.series_labels import V1Cache
from hypercare.model.histograms import Buckets, Histogram, ResetHint
from hypercare.model.ingest import MetricMetadata
from hypercare.model.labels import Labels
from hypercare.ports import HttpResponse, PortError
from hypercare.remote.answers import Fate, judge, retry_after
from hypercare.remote.encode import RequestV2, histogram, labels_v1, metadata_v1, sample_head, sample_time

NOW = 1_767_600_000_000
texts = st.text(max_size=200)
label_sets = st.dictionaries(texts.filter(bool), texts.filter(bool), max_size=4).map(
    lambda d: Labels({**d, "__name__": "m"}.items())
)
times = st.integers(-(2**62), 2**62)


@settings(deadline=None)
@given(label_sets, times, st.floats(allow_nan=False))
def test_samples(labels, at, value):
    time, packed = sample_time(at), struct.pack("<d", value)
    message = sample_head(labels_v1(labels), len(time)) + packed + time
    found = v1("WriteRequest").FromString(message)
    assert Labels((one.name, one.value) for one in found.timeseries[0].labels) == labels
    assert [(s.timestamp, s.value) for s in found.timeseries[0].samples] == [(at, value)]
    request = RequestV2()
    request.add(labels, packed, time, 7, metadata=MetricMetadata("m", "counter", "help", "s"))
    two = v2("Request").FromString(request.message())
    series = two.timeseries[0]
    assert two.symbols[0] == ""
    assert [two.symbols[r] for r in series.labels_refs] == [word for pair in labels.pairs for word in pair]
    assert [(s.timestamp, s.value, s.start_timestamp) for s in series.samples] == [(at, value, 7)]
    assert (series.metadata.type, two.symbols[series.metadata.help_ref], two.symbols[series.metadata.unit_ref]) == (
        1,
        "help",
        "s",
    )
    for decode, cache, data in ((decode_v1, V1Cache(), message), (decode_v2, V2Cache(), request.message())):
        (one,) = decode(data, cache, "s").batch.series
        assert (one.labels, one.times.tolist(), one.values.tolist()) == (labels, [at], [value])


def buckets():
    counts = st.floats(0, 1e9)
    return st.dictionaries(st.integers(-500, 500), counts, max_size=12).map(
        lambda d: Buckets(np.array(sorted(d), np.int64), np.array([d[k] for k in sorted(d)], np.float64))
    )


@settings(deadline=None)
@given(buckets(), buckets(), st.integers(-4, 8), st.floats(0, 1e6), st.sampled_from(ResetHint))
def test_histograms(positive, negative, schema, zero, hint):
    count = float(positive.counts.sum() + negative.counts.sum() + zero)
    given_ = Histogram(schema, 0.25, zero, count, -1.5, positive, negative, (), hint)
    data = histogram(given_, NOW, NOW - 5)
    found = read_histogram(data, 0, len(data))
    assert (found.at, found.start) == (NOW, NOW - 5)
    one = found.histogram
    for side in ("positive", "negative"):
        assert getattr(one, side).indexes.tolist() == getattr(given_, side).indexes.tolist()
        assert getattr(one, side).counts.tolist() == getattr(given_, side).counts.tolist()
    assert (one.schema, one.zero_threshold, one.zero_count, one.count, one.sum, one.hint) == (
        schema,
        0.25,
        zero,
        count,
        -1.5,
        hint,
    )
    theirs = v1("Histogram").FromString(data)
    assert (theirs.count_float, theirs.timestamp) == (count, NOW)


def test_custom_buckets():
    given_ = Histogram(
        -53, count=3.0, sum=2.0, positive=Buckets(np.array([0, 2]), np.array([1.0, 2.0])), custom_values=(1.0, 5.0)
    )
    data = histogram(given_, NOW)
    assert read_histogram(data, 0, len(data)).histogram.custom_values == (1.0, 5.0)


def test_metadata():
    data = metadata_v1([MetricMetadata("a_total", "counter", "hilfe ü", "s"), MetricMetadata("b", "odd")])
    found = v1("WriteRequest").FromString(data).metadata
    assert [(m.metric_family_name, m.type, m.help, m.unit) for m in found] == [
        ("a_total", 1, "hilfe ü", "s"),
        ("b", 0, "", ""),
    ]


def answer(status, **headers):
    return HttpResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, b"text", 0.0, 0)


JUDGED = [
    (answer(200), Fate.DONE, 0), (answer(204), Fate.DONE, 0), (answer(400), Fate.DROP, 0), (answer(404), Fate.DROP, 0),
    (answer(302), Fate.DROP, 0), (answer(500), Fate.RETRY, 0), (answer(503, retry_after="7"), Fate.RETRY, 7000),
    (answer(429, retry_after="2"), Fate.RETRY, 2000), (PortError("refused", "no"), Fate.RETRY, 0),
    (answer(503, retry_after="99999999999"), Fate.RETRY, 86_400_000), (answer(503, retry_after="soon"), Fate.RETRY, 0),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "fate", "wait"), JUDGED)
def test_what_an_answer_means(given_, fate, wait):
    found = judge(given_, NOW, retry_429=True)
    assert (found.fate, found.wait) == (fate, wait)
    assert bool(found.reason) == (fate is not Fate.DONE)


def test_429_may_be_final():
    assert judge(answer(429), NOW, retry_429=False).fate is Fate.DROP


def test_retry_after_as_a_date():
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 946_684_799_000 - 5000) == 5000
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT", NOW) == 0
    assert not math.isnan(retry_after("", NOW))
