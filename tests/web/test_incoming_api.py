"""Samples that others send, by HTTP: answers, refusals, and what can be asked for afterwards."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from pathlib import Path

import cramjam
import pytest
from argon2 import PasswordHasher
from web_kit import START

sys.path.insert(0, str(Path(__file__).parents[1] / "ingest"))
from messages_kit import Symbols, request_v1, request_v2, v1, v2

NOW = START + 60_000
PROTOBUF = "application/x-protobuf"
V1 = {"content-type": PROTOBUF, "content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"}
V2 = {"content-type": f"{PROTOBUF};proto=io.prometheus.write.v2.Request", "content-encoding": "snappy"}
WRITE = "/api/v1/write"
OTLP = "/api/v1/otlp/v1/metrics"
WRITTEN = "x-prometheus-remote-write-{}-written"


def snappy(data):
    return bytes(cramjam.snappy.compress_raw(data))


def values(shop, query):
    found = shop.data(f"/api/v1/query?query={query}")["result"]
    return {tuple(sorted(r["metric"].items())): r["value"][1] for r in found}


def write(shop, data, headers=V1):
    return shop.post(WRITE, data=snappy(data), headers=headers)


@pytest.mark.parametrize(("wrap", "headers"), [(request_v1, V1), (request_v2, V2), (request_v1, {})])
def test_remote_write_is_stored(shop, wrap, headers):
    series = [({"__name__": "sent", "job": "j", "n": str(n)}, [(NOW, n * 1.5)]) for n in range(3)]
    answer = write(shop, wrap(series), headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers[WRITTEN.format("samples")] == "3"
    assert answer.headers[WRITTEN.format("histograms")] == "0"
    assert answer.headers[WRITTEN.format("exemplars")] == "0"
    assert values(shop, "sum(sent)") == {(): "4.5"}
    # The same once more does no harm.
    assert write(shop, wrap(series), headers).status == 204
    assert values(shop, "count_over_time(sent[1m])")[(("job", "j"), ("n", "2"))] == "1"


def test_a_large_request_is_decoded_beside_the_loop(shop):
    series = [({"__name__": "sent", "n": f"{n:05}" * 9}, [(NOW, 1.0)]) for n in range(8000)]
    body = snappy(request_v1(series))
    assert len(body) > 16_384
    assert shop.post(WRITE, data=body, headers=V1).status == 204
    assert values(shop, "count(sent)") == {(): "8000"}


@pytest.mark.parametrize(("wrap", "headers"), [(request_v1, V1), (request_v2, V2)])
def test_what_is_valid_is_stored_and_the_rest_told(shop, wrap, headers):
    series = [({"__name__": "sent"}, [(NOW, 1.0)]), ({"job": "nameless"}, [(NOW, 2.0)])]
    answer = write(shop, wrap(series), headers)
    assert answer.status == 400
    assert "without a metric name" in answer.text
    assert answer.headers[WRITTEN.format("samples")] == "1"
    assert values(shop, "sent") == {(("__name__", "sent"),): "1"}
    answer = write(shop, wrap([({"__name__": "sent"}, [(NOW, 3.0)]), ({"__name__": "more"}, [(NOW, 2.0)])]), headers)
    assert answer.status == 400
    assert "another value" in answer.text
    assert answer.headers[WRITTEN.format("samples")] == "1"
    assert values(shop, '{__name__=~"sent|more"}') == {(("__name__", "sent"),): "1", (("__name__", "more"),): "2"}


def test_histograms_come_in_both_versions(shop):
    fields = dict(timestamp=NOW, count_int=3, sum=4.0, schema=0, positive_deltas=[1, 1])
    one = v1("Histogram", positive_spans=[v1("BucketSpan", offset=0, length=2)], **fields)
    series = v1("TimeSeries", labels=[v1("Label", name="__name__", value="h1")], histograms=[one])
    answer = write(shop, v1("WriteRequest", timeseries=[series]).SerializeToString())
    assert (answer.status, answer.headers[WRITTEN.format("histograms")]) == (204, "1")
    symbols = Symbols()
    two = v2("Histogram", positive_spans=[v2("BucketSpan", offset=0, length=2)], **fields)
    series = v2("TimeSeries", labels_refs=symbols.refs({"__name__": "h2"}), histograms=[two])
    answer = write(shop, v2("Request", symbols=list(symbols.texts), timeseries=[series]).SerializeToString(), V2)
    assert (answer.status, answer.headers[WRITTEN.format("histograms")]) == (204, "1")


REFUSED = [
    (b"", V1, 400, "snappy"),
    (b"not snappy at all", V1, 400, "snappy"),
    (snappy(b"\xff\xff\xff"), V1, 400, "prometheus.WriteRequest"),
    (snappy(b"\xff\xff\xff"), V2, 400, "io.prometheus.write.v2.Request"),
    (b"\xff\xff\xff\xff\x0fab", V1, 413, "larger than"),
    (b"{}", {"content-type": "application/json"}, 415, "application/x-protobuf"),
    (b"", {"content-type": PROTOBUF, "content-encoding": "zstd"}, 415, "snappy"),
    (b"", {"content-type": f"{PROTOBUF};proto=other"}, 415, "not known"),
]


@pytest.mark.parametrize(("body", "headers", "status", "text"), REFUSED)
def test_refusals(shop, body, headers, status, text):
    answer = shop.post(WRITE, data=body, headers=headers)
    assert (answer.status, text in answer.text) == (status, True), answer.text
    assert shop.get(WRITE).status == 405


def test_an_empty_request_is_no_error(shop):
    assert write(shop, b"").status == 204
    assert write(shop, b"", V2).status == 204


def otlp(points, name="calls", at=NOW, **sum_):
    data = [{"timeUnixNano": str(at * 1_000_000), "asInt": str(p)} for p in points]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    metric = {"name": name, "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": data, **sum_}}
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}).encode()


@pytest.mark.parametrize("path", [OTLP, "/v1/metrics"])
def test_otlp_in_json(shop, path):
    answer = shop.post(path, data=otlp([7]), headers={"content-type": "application/json"})
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "application/json", {})
    body, headers = gzip.compress(otlp([8], "more")), {"content-type": "application/json", "content-encoding": "gzip"}
    assert shop.post(path, data=body, headers=headers).status == 200
    assert values(shop, "calls_total") == {(("__name__", "calls_total"), ("job", "api")): "7"}
    assert values(shop, "more_total") == {(("__name__", "more_total"), ("job", "api")): "8"}


def test_otlp_in_protobuf(shop):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
    )

    message = json_format.Parse(otlp([7]), ExportMetricsServiceRequest())
    answer = shop.post(OTLP, data=message.SerializeToString(), headers={"content-type": PROTOBUF})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, PROTOBUF, b"")
    message = json_format.Parse(otlp([7], aggregationTemporality=1), ExportMetricsServiceRequest())
    answer = shop.post(OTLP, data=message.SerializeToString(), headers={"content-type": PROTOBUF})
    assert answer.status == 200
    told = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    assert (told.rejected_data_points, "delta" in told.error_message) == (1, True)


OTLP_REFUSED = [
    (b"{", {"content-type": "application/json"}, 400),
    (b"\xff", {"content-type": PROTOBUF}, 400),
    (b"no gzip", {"content-type": PROTOBUF, "content-encoding": "gzip"}, 400),
    (b"", {"content-type": PROTOBUF, "content-encoding": "br"}, 415),
    (b"", {"content-type": "text/plain"}, 415),
    (gzip.compress(b"\0" * (65 << 20)), {"content-type": PROTOBUF, "content-encoding": "gzip"}, 413),
]


@pytest.mark.parametrize(("body", "headers", "status"), OTLP_REFUSED)
def test_otlp_refusals(shop, body, headers, status):
    assert shop.post(OTLP, data=body, headers=headers).status == status


def test_what_came_is_counted(shop):
    write(shop, request_v1([({"__name__": "sent"}, [(NOW, 1.0)]), ({"a": "b"}, [(NOW, 1.0)])]))
    shop.post(OTLP, data=otlp([1, 2]), headers={"content-type": "application/json"})
    text = shop.get("/metrics").text
    assert 'hypercare_ingest_requests_total{protocol="remote_write"} 1' in text
    assert 'hypercare_ingest_samples_total{protocol="remote_write"} 1' in text
    assert 'hypercare_ingest_refused_total{protocol="remote_write"} 1' in text
    assert 'hypercare_ingest_requests_total{protocol="otlp"} 1' in text


CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
LOGIN = f"""
web:
  token: sesame
  users:
    - {{name: ben, role: responder, password_hash: "{CHEAP.hash("ben-secret")}"}}
    - {{name: eve, role: viewer, password_hash: "{CHEAP.hash("eve-secret")}"}}
"""


def test_who_may_only_look_may_not_write(make):
    shop = make(LOGIN)
    shop.run(60)
    eve = {"authorization": "Basic " + base64.b64encode(b"eve:eve-secret").decode()}
    ben = {"authorization": "Basic " + base64.b64encode(b"ben:ben-secret").decode()}
    token = {"authorization": "Bearer sesame"}
    data = snappy(request_v1([({"__name__": "sent"}, [(NOW, 1.0)])]))
    sent = [
        ("POST", WRITE, data, V1, 204),
        ("POST", OTLP, otlp([1]), {"content-type": "application/json"}, 200),
        ("POST", "/v1/metrics", otlp([1]), {"content-type": "application/json"}, 200),
        ("PUT", "/metrics/job/a", b"a 1\n", {}, 200),
    ]
    for method, path, body, headers, status in sent:
        assert shop.request(method, path, data=body, headers=headers).status == 401
        assert shop.request(method, path, data=body, headers={**headers, **eve}).status == 403
        assert shop.request(method, path, data=body, headers={**headers, **ben}).status == status
        assert shop.request(method, path, data=body, headers={**headers, **token}).status == status


def test_the_settings_of_prometheus_yml_are_acted_on(make):
    from web_kit import HYPERCARE

    text = HYPERCARE.replace("prometheus:\n", "prometheus:\n  otlp: {translation_strategy: NoTranslation}\n")
    shop = make(text=text)
    shop.run(60)
    shop.post(OTLP, data=otlp([7], "a.b"), headers={"content-type": "application/json"})
    assert values(shop, '{"a.b"}') == {(("__name__", "a.b"), ("job", "api")): "7"}


def test_a_log_that_cannot_be_written_is_no_success(shop, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("hypercare.tsdb.wal.os.write", full)
        assert write(shop, request_v1([({"__name__": "sent"}, [(NOW, 1.0)])])).status == 503
        answer = shop.post(OTLP, data=otlp([1]), headers={"content-type": "application/json"})
        assert answer.status == 503
    # The sender comes again: what is there already is no conflict.
    assert write(shop, request_v1([({"__name__": "sent"}, [(NOW, 1.0)])])).status == 204
    assert values(shop, "sent") == {(("__name__", "sent"),): "1"}
