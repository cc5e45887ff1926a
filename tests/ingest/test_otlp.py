"""Translation of OpenTelemetry's metrics, with its own messages."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)

from hypercare.config.remote import Otlp
from hypercare.ingest.otlp import Encoding, OtlpError, SeriesCache, answer, encoding_of, refusal, translate_body
from hypercare.ingest.otlp.names import Kind, Naming, label_name, metric_name
from hypercare.ingest.otlp.points import bound_text
from hypercare.model.samples import is_stale
from hypercare.tsdb import Tsdb

AT = 1_767_600_000_000
NANO = 1_000_000
DEFAULT = Naming()
UTF8 = Naming(escape=False)
PLAIN = Naming(suffixes=False)


def pairs(**values):
    return [KeyValue(key=k.replace("__", "."), value=any_value(v)) for k, v in values.items()]


def any_value(value):
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(v) for v in value]))
        case dict():
            items = [KeyValue(key=k, value=any_value(v)) for k, v in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=items))
    return AnyValue()


def point(value=1.0, **attributes):
    kind = "as_int" if isinstance(value, int) else "as_double"
    return NumberDataPoint(time_unix_nano=AT * NANO, start_time_unix_nano=(AT - 5000) * NANO,
                           attributes=pairs(**attributes), **{kind: value})  # fmt: skip


def gauge(name, *points, unit=""):
    return Metric(name=name, unit=unit, gauge=Gauge(data_points=points))


def total(name, *points, unit="", monotonic=True, temporality=2):
    found = Sum(data_points=points, is_monotonic=monotonic, aggregation_temporality=temporality)
    return Metric(name=name, unit=unit, description="what it counts", sum=found)


def request(*metrics, scope="lib", **resource):
    part = ScopeMetrics(metrics=metrics, schema_url="http://schema")
    part.scope.name, part.scope.version = scope, "1.2"
    part.scope.attributes.extend(pairs(team="x"))
    found = ResourceMetrics(scope_metrics=[part])
    found.resource.attributes.extend(pairs(**resource))
    return ExportMetricsServiceRequest(resource_metrics=[found])


SHARED = SeriesCache(limit=50)


def translate(message, **config):
    decoded = translate_body(message.SerializeToString(), Encoding.PROTOBUF, Otlp(**config))
    warm = translate_body(message.SerializeToString(), Encoding.PROTOBUF, Otlp(**config), SHARED)
    assert shown(warm.batch) == shown(decoded.batch)
    text = json_format.MessageToJson(message).encode()
    same = translate_body(text, Encoding.JSON, Otlp(**config))
    assert shown(same.batch) == shown(decoded.batch)
    return decoded


def shown(batch):
    return {
        str(s.labels): np.asarray(s.values).view(np.int64).tolist() if is_stale(s.values).any() else s.values.tolist()
        for s in batch.series
    }


METRIC_NAMES = [
    ("gen_ai.client.token.usage", "{token}", Kind.OTHER, "gen_ai_client_token_usage"),
    ("gen_ai.client.operation.duration", "s", Kind.OTHER, "gen_ai_client_operation_duration_seconds"),
    ("gen_ai.server.time_to_first_token", "s", Kind.OTHER, "gen_ai_server_time_to_first_token_seconds"),
    ("http.server.request.duration", "s", Kind.OTHER, "http_server_request_duration_seconds"),
    ("system.io", "foo/bar", Kind.OTHER, "system_io_foo_per_bar"),
    ("system.io", "By/s", Kind.COUNTER, "system_io_bytes_per_second_total"),
    ("request.count.total", "1", Kind.COUNTER, "request_count_total"),
    ("my_total_things", "", Kind.COUNTER, "my_things_total"),
    ("system.memory.utilization", "1", Kind.GAUGE, "system_memory_utilization_ratio"),
    ("ratio.of.hits", "1", Kind.GAUGE, "of_hits_ratio"),
    ("queue.size", "1", Kind.OTHER, "queue_size"),
    ("process.cpu.seconds", "s", Kind.COUNTER, "process_cpu_seconds_total"),
    ("network (I/O)", "By", Kind.OTHER, "network_I_O_bytes"),
    ("2xx.count", "", Kind.OTHER, "_2xx_count"),
    ("a__b", "", Kind.OTHER, "a_b"),
    ("load", "%", Kind.GAUGE, "load_percent"),
    ("broken.unit", "/s", Kind.OTHER, "broken_unit_per_second"),
    ("with:colon", "", Kind.OTHER, "with:colon"),
    ("odd.unit", "°F", Kind.OTHER, "odd_unit_F"),
    ("naïve", "", Kind.OTHER, "na_ve"),
]


@pytest.mark.parametrize(("name", "unit", "kind", "want"), METRIC_NAMES)
def test_metric_names(name, unit, kind, want):
    assert metric_name(name, unit, kind, DEFAULT) == want


def test_metric_names_of_other_strategies():
    assert metric_name("a.b__c.total", "s", Kind.COUNTER, PLAIN) == "a_b__c_total"
    assert metric_name("a.b", "s", Kind.COUNTER, UTF8) == "a.b_seconds_total"
    assert metric_name("a.b_total", "By/s", Kind.COUNTER, UTF8) == "a.b_bytes_per_second_total"
    assert metric_name("a.b_seconds", "s", Kind.OTHER, UTF8) == "a.b_seconds"
    assert metric_name("a.b", "1", Kind.GAUGE, UTF8) == "a.b_ratio"
    assert metric_name("a.b/ü", "s", Kind.COUNTER, Naming(escape=False, suffixes=False)) == "a.b/ü"


LABELS = [
    ("http.method", "http_method"), ("0zero", "key_0zero"), ("_private", "key_private"), ("__reserved", "__reserved"),
    ("ü", "key_"), ("a..b", "a__b"), ("fine", "fine"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "want"), LABELS)
def test_label_names(name, want):
    assert label_name(name, DEFAULT) == want


def test_label_names_of_other_settings():
    assert label_name("a..b", Naming(many_underscores=False)) == "a_b"
    assert label_name("_a", Naming(key_prefix=False)) == "_a"
    assert label_name("a.ü", UTF8) == "a.ü"


def test_sums_gauges_and_identity():
    decoded = translate(
        request(
            total("requests", point(7, route="/a"), point(8, route="/b")),
            total("in.flight", point(-2), monotonic=False),
            gauge("temperature", point(21.5), unit="Cel"),
            service__name="api", service__namespace="shop", service__instance__id="i-1", host__name="h",
        )
    )  # fmt: skip
    assert shown(decoded.batch) == {
        'requests_total{instance="i-1", job="shop/api", route="/a"}': [7.0],
        'requests_total{instance="i-1", job="shop/api", route="/b"}': [8.0],
        'in_flight{instance="i-1", job="shop/api"}': [-2.0],
        'temperature_celsius{instance="i-1", job="shop/api"}': [21.5],
        'target_info{host_name="h", instance="i-1", job="shop/api"}': [1.0],
    }
    assert decoded.batch.source == "otlp/shop/api"
    starts = {s.labels.name: s.starts for s in decoded.batch.series}
    assert starts["requests_total"].tolist() == [AT - 5000]
    assert starts["temperature_celsius"] is None
    assert {s.times.tolist()[0] for s in decoded.batch.series} == {AT}
    kinds = {m.name: (m.type, m.unit) for m in decoded.batch.metadata}
    assert kinds["requests_total"] == ("counter", "")
    assert kinds["in_flight"] == ("gauge", "")
    assert kinds["target_info"][0] == "gauge"


def test_values_of_attributes_and_names_that_clash():
    attributes = dict(
        a__b="x", a_b="y", yes=True, n=3, f=2.5, raw=b"\x00\x01", many=[1, "two"], map={"k": 1.5}, none=None
    )
    decoded = translate(request(gauge("g", point(1.0, **attributes))))
    assert decoded.batch.series[0].labels.as_dict() == {
        "__name__": "g", "a_b": "x;y", "yes": "true", "n": "3", "f": "2.5", "raw": "AAE=", "many": '[1,"two"]',
        "map": '{"k":1.5}',
    }  # fmt: skip


def test_an_attribute_without_a_name_is_left_out():
    sent = request(total("requests", point(7, route="/a", **{"": "x"})), service__name="api", **{"": "y"})
    decoded = translate(sent, promote_all_resource_attributes=True)
    assert shown(decoded.batch) == {'requests_total{job="api", route="/a", service_name="api"}': [7.0]}
    assert Tsdb.open(None).write(decoded.batch, AT)[:5] == (1, 0, 0, 0, 0)


def test_settings():
    message = request(
        gauge("g", point()), service__name="api", service__instance__id="i", k8s__pod__name="p", region="eu"
    )

    def labels(**config):
        return {s.labels.name: s.labels.as_dict() for s in translate(message, **config).batch.series}

    assert labels()["g"] == {"__name__": "g", "job": "api", "instance": "i"}
    assert labels(promote_resource_attributes=["k8s.pod.name", "absent"])["g"]["k8s_pod_name"] == "p"
    assert set(labels(promote_all_resource_attributes=True)["g"]) == {
        "__name__", "job", "instance", "k8s_pod_name", "region", "service_name", "service_instance_id"
    }  # fmt: skip
    some = labels(promote_all_resource_attributes=True, ignore_resource_attributes=["region"])["g"]
    assert "region" not in some
    assert labels(keep_identifying_resource_attributes=True)["target_info"]["service_name"] == "api"
    assert "service_name" not in labels()["target_info"]
    scoped = labels(promote_scope_metadata=True)["g"]
    assert scoped["otel_scope_name"], scoped["otel_scope_team"] == ("lib", "x")
    assert scoped["otel_scope_version"] == "1.2"
    assert scoped["otel_scope_schema_url"] == "http://schema"
    assert labels(translation_strategy="NoTranslation", promote_resource_attributes=["k8s.pod.name"])["g"][
        "k8s.pod.name"
    ]


def test_no_target_info_without_identity_or_something_to_tell():
    assert {s.labels.name for s in translate(request(gauge("g", point()), region="eu")).batch.series} == {"g"}
    assert {s.labels.name for s in translate(request(gauge("g", point()), service__name="a")).batch.series} == {"g"}


def histogram(**fields):
    base = dict(
        time_unix_nano=AT * NANO, count=10, sum=4.5, explicit_bounds=[0.1, 5, 1e-7 + 10], bucket_counts=[1, 2, 3, 4]
    )
    found = HistogramDataPoint(**{**base, **fields})
    return Metric(name="gen_ai.client.operation.duration", unit="s",
                  histogram=Histogram(data_points=[found], aggregation_temporality=2))  # fmt: skip


def test_histograms_are_classic_ones():
    decoded = translate(request(histogram(), service__name="llm"))
    name = "gen_ai_client_operation_duration_seconds"
    assert shown(decoded.batch) == {
        f'{name}_sum{{job="llm"}}': [4.5],
        f'{name}_count{{job="llm"}}': [10.0],
        f'{name}_bucket{{job="llm", le="0.1"}}': [1.0],
        f'{name}_bucket{{job="llm", le="5"}}': [3.0],
        f'{name}_bucket{{job="llm", le="10.0000001"}}': [6.0],
        f'{name}_bucket{{job="llm", le="+Inf"}}': [10.0],
    }
    assert decoded.batch.metadata[0] == (name, "histogram", "", "s")


def test_histograms_with_custom_buckets():
    (found,) = translate(request(histogram()), convert_histograms_to_nhcb=True).batch.histograms
    one = found.values[0]
    assert (one.schema, one.count, one.sum, one.custom_values) == (-53, 10, 4.5, (0.1, 5.0, 1e-7 + 10))
    assert one.positive.indexes.tolist() == [0, 1, 2, 3]
    assert one.positive.counts.tolist() == [1, 2, 3, 4]


def test_no_recorded_value_ends_the_series():
    gone = NumberDataPoint(time_unix_nano=AT * NANO, flags=1)
    exponential = Metric(name="e", exponential_histogram=ExponentialHistogram(
        data_points=[ExponentialHistogramDataPoint(time_unix_nano=AT * NANO, flags=1)], aggregation_temporality=2))  # fmt: skip
    decoded = translate(
        request(gauge("g", gone), histogram(flags=1, count=0, bucket_counts=[], explicit_bounds=[]), exponential)
    )
    assert all(is_stale(np.asarray(s.values)).all() for s in decoded.batch.series)
    assert {s.labels.name.rpartition("_")[2] for s in decoded.batch.series} == {"g", "sum", "count", "bucket", "e"}


def exponential(scale, offset, counts, negative=(), **more):
    data = ExponentialHistogramDataPoint(time_unix_nano=AT * NANO, scale=scale, count=sum(counts) + sum(negative) + 1,
                                         zero_count=1, sum=9.0, **more)  # fmt: skip
    data.positive.offset = offset
    data.positive.bucket_counts.extend(counts)
    data.negative.bucket_counts.extend(negative)
    found = ExponentialHistogram(data_points=[data], aggregation_temporality=2)
    return translate(request(Metric(name="e", exponential_histogram=found)))


def test_exponential_histograms():
    (series,) = exponential(3, -2, [1, 0, 2], negative=[5]).batch.histograms
    found = series.values[0]
    assert (found.schema, found.count, found.sum, found.zero_count, found.zero_threshold) == (3, 9, 9.0, 1, 1e-128)
    assert found.positive.indexes.tolist() == [-1, 1]
    assert found.positive.counts.tolist() == [1, 2]
    assert found.negative.indexes.tolist() == [1]
    assert exponential(0, 0, [1], zero_threshold=0.5).batch.histograms[0].values[0].zero_threshold == 0.5


@settings(deadline=None, max_examples=60)
@given(st.integers(9, 20), st.integers(-50_000, 50_000), st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_finer_exponential_histograms_become_coarser(scale, offset, counts):
    found = exponential(scale, offset, counts).batch.histograms[0].values[0]
    assert found.schema == 8
    # The middle of each bucket lies, in the new buckets, where the new index says.
    want = {}
    for i, count in enumerate(counts):
        exponent = (offset + i + 0.5) / 2**scale
        index = int(np.ceil(exponent * 2**8))
        want[index] = want.get(index, 0) + count
    got = dict(zip(found.positive.indexes.tolist(), found.positive.counts.tolist(), strict=True))
    assert got == {k: v for k, v in want.items() if v}


def test_summaries():
    data = SummaryDataPoint(time_unix_nano=AT * NANO, count=3, sum=6.0)
    data.quantile_values.add(quantile=0.99, value=4.0)
    decoded = translate(request(Metric(name="s", unit="ms", summary=Summary(data_points=[data]))))
    assert shown(decoded.batch) == {
        "s_milliseconds_sum": [6.0], "s_milliseconds_count": [3.0], 's_milliseconds{quantile="0.99"}': [4.0]
    }  # fmt: skip


REFUSED = [
    (total("d", point(1), point(2, a="b"), temporality=1), 2, "delta"),
    (Metric(name="h", histogram=Histogram(data_points=[HistogramDataPoint()], aggregation_temporality=1)), 1, "delta"),
    (histogram(bucket_counts=[1, 2]), 1, "3 bounds need 4 buckets, have 2"),
    (Metric(name="x"), 0, "no data of a known kind"),
    (gauge("", point()), 1, "without a name"),
]


@pytest.mark.parametrize(("metric", "points", "text"), REFUSED)
def test_what_cannot_be_translated_is_told_and_the_rest_kept(metric, points, text):
    decoded = translate(request(metric, gauge("ok", point())))
    assert [s.labels.name for s in decoded.batch.series] == ["ok"]
    assert decoded.refused == points
    assert text in decoded.problems[0]
    assert "scale -5 is coarser" in exponential(-5, 0, [1]).problems[0]


def test_json_as_other_programs_write_it():
    body = {
        "resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}], "new": 1},
            "scopeMetrics": [{"metrics": [{
                "name": "n", "sum": {
                    "isMonotonic": True, "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [{
                        "timeUnixNano": str(AT * NANO), "asInt": "12",
                        "exemplars": [{"spanId": "eee19b7ec3c1b17", "traceId": "5b8efff798038103d269b633813fc60c"}],
                    }, {"timeUnixNano": AT * NANO, "asInt": 13, "attributes": [{"key": "a", "value": {"intValue": "5"}}]}],
                }}]}],
        }],
        "unknownField": {"deep": [1]},
    }  # fmt: skip
    decoded = translate_body(json.dumps(body).encode(), Encoding.JSON, Otlp())
    assert shown(decoded.batch) == {'n_total{job="a"}': [12.0], 'n_total{a="5", job="a"}': [13.0]}


BODIES = [
    (b"", Encoding.JSON), (b"[]", Encoding.JSON), (b"{", Encoding.JSON), (b"\xff", Encoding.JSON),
    (b"[" * 5000, Encoding.JSON), (b'{"resourceMetrics":' * 2000, Encoding.JSON),
    (b'{"resourceMetrics": 5}', Encoding.JSON), (b'{"resourceMetrics": [{"resource": 5}]}', Encoding.JSON),
    (b"\x0a\xff", Encoding.PROTOBUF), (b"\xff\xff", Encoding.PROTOBUF),
]  # fmt: skip


@pytest.mark.parametrize(("body", "encoding"), BODIES)
def test_bodies_that_are_none(body, encoding):
    with pytest.raises(OtlpError) as refused:
        translate_body(body, encoding, Otlp())
    assert refused.value.status == 400


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_bodies_are_refused_or_read(data):
    message = request(total("c", point(1, a="b")), histogram(), service__name="a")
    encoding = data.draw(st.sampled_from(list(Encoding)))
    text = json_format.MessageToJson(message).encode() if encoding is Encoding.JSON else message.SerializeToString()
    body = bytearray(text)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        translate_body(bytes(body), encoding, Otlp())
    except OtlpError as error:
        assert error.status == 400  # noqa: PT017 - either outcome is right


def test_answers():
    found = ExportMetricsServiceResponse.FromString(answer(Encoding.PROTOBUF, 3, ("a", "b")))
    assert (found.partial_success.rejected_data_points, found.partial_success.error_message) == (3, "a; b")
    assert answer(Encoding.PROTOBUF, 0, ()) == b""
    assert answer(Encoding.JSON, 0, ()) == b"{}"
    assert json.loads(answer(Encoding.JSON, 3, ("a",))) == {
        "partialSuccess": {"rejectedDataPoints": "3", "errorMessage": "a"}
    }
    assert json.loads(refusal(Encoding.JSON, "why", 400)) == {"code": 3, "message": "why"}

    assert refusal(Encoding.PROTOBUF, "w" * 200, 503).startswith(b"\x08\x0e\x12\xc8\x01www")


def test_content_types():
    assert encoding_of("application/json; charset=utf-8") is Encoding.JSON
    assert encoding_of("Application/X-Protobuf") is Encoding.PROTOBUF
    with pytest.raises(OtlpError) as refused:
        encoding_of("text/plain")
    assert refused.value.status == 415


@pytest.mark.parametrize(
    ("bound", "want"),
    [
        (0.1, "0.1"),
        (5.0, "5"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (float("inf"), "+Inf"),
        (-0.5, "-0.5"),
    ],
)
def test_bounds(bound, want):
    assert bound_text(bound) == want
