"""Pushes of jobs: kept, scraped as a target of our own, replaced, merged, deleted, kept over restarts."""

from __future__ import annotations

import base64
import contextlib
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_kit import START

from hypercare.collectors.exposition.client_model import message_class
from hypercare.ingest import BadRequestError
from hypercare.ingest.push.families import families_of
from hypercare.ingest.push.path import group_of
from hypercare.model.labels import Labels

JOB = "/metrics/job/backup"
BODY = b'# HELP rows_total how many\n# TYPE rows_total counter\nrows_total{table="a"} 7\n# TYPE took_seconds gauge\ntook_seconds 3.5\n'


def values(shop, query):
    return {
        tuple(sorted((k, v) for k, v in r["metric"].items() if k != "__name__")): r["value"][1]
        for r in shop.data(f"/api/v1/query?query={query}")["result"]
    }


def put(shop, body=BODY, path=JOB, method="PUT", **headers):
    return shop.request(method, path, data=body, headers=headers)


def test_what_is_pushed_stays_alive_until_it_is_deleted(shop):
    answer = put(shop)
    assert (answer.status, answer.body) == (200, b"")
    shop.run(20)
    assert values(shop, "rows_total") == {(("job", "backup"), ("table", "a")): "7"}
    assert values(shop, "took_seconds") == {(("job", "backup"),): "3.5"}
    at = float(values(shop, "push_time_seconds")[(("job", "backup"),)])
    assert START / 1000 + 60 <= at <= START / 1000 + 61
    assert values(shop, "push_failure_time_seconds")[(("job", "backup"),)] == "0"
    assert values(shop, 'up{job="pushgateway"}')
    assert shop.data("/api/v1/metadata?metric=rows_total")["rows_total"][0]["type"] == "counter"
    shop.run(3600)
    assert values(shop, "took_seconds") == {(("job", "backup"),): "3.5"}
    assert shop.request("DELETE", JOB).status == 202
    shop.run(15)
    assert values(shop, "took_seconds") == {}
    assert values(shop, "push_time_seconds") == {}
    assert shop.request("DELETE", JOB).status == 202


def test_put_replaces_the_group_and_post_only_what_it_names(shop):
    put(shop)
    put(shop, b"took_seconds 4\nmore 1\n", method="POST")
    put(shop, b"other 5\n", "/metrics/job/backup/instance/db-1")
    shop.run(20)
    assert values(shop, "took_seconds") == {(("job", "backup"),): "4"}
    assert len(values(shop, "rows_total")) == len(values(shop, "more")) == 1
    assert values(shop, "other") == {(("instance", "db-1"), ("job", "backup")): "5"}
    put(shop, b"took_seconds 5\n")
    shop.run(20)
    assert values(shop, "took_seconds") == {(("job", "backup"),): "5"}
    assert values(shop, "rows_total") == values(shop, "more") == {}
    assert len(values(shop, "other")) == 1
    put(shop, b"")
    shop.run(20)
    assert values(shop, "took_seconds") == {}
    assert len(values(shop, "push_time_seconds")) == 2


def test_labels_of_the_group_override_and_histograms_belong_together(shop):
    body = (
        b'# TYPE d_seconds histogram\nd_seconds_bucket{job="x",le="1"} 2\nd_seconds_bucket{le="+Inf"} 3\n'
        b'd_seconds_sum 4\nd_seconds_count 3\n# TYPE q summary\nq{quantile="0.5"} 1\nq_sum 2\nq_count 2\n'
    )
    put(shop, body)
    put(shop, b"d_seconds 1\n", method="POST")
    shop.run(20)
    assert values(shop, "d_seconds") == {(("job", "backup"),): "1"}
    put(shop, body)
    put(shop, b"q 1\n", "/metrics/job/other")
    shop.run(20)
    assert values(shop, "d_seconds_bucket") == {
        (("job", "backup"), ("le", "1.0")): "2", (("job", "backup"), ("le", "+Inf")): "3"
    }  # fmt: skip
    assert values(shop, "q_sum") == {(("job", "backup"),): "2"}
    assert len(values(shop, "q")) == 2


def protobuf():
    families = [
        message_class("MetricFamily")(name="c_total", help="h", type=0, metric=[{"label": [{"name": "a", "value": "b"}], "counter": {"value": 4}}]),
        message_class("MetricFamily")(name="g", type=1, metric=[{"gauge": {"value": -1.5}}]),
        message_class("MetricFamily")(name="u", type=3, metric=[{"untyped": {"value": 2}}]),
        message_class("MetricFamily")(name="s", type=2, metric=[{"summary": {"sample_count": 2, "sample_sum": 3, "quantile": [{"quantile": 0.5, "value": 1}]}}]),
        message_class("MetricFamily")(name="h", type=4, metric=[{"histogram": {"sample_count": 2, "sample_sum": 3, "bucket": [{"upper_bound": 1, "cumulative_count": 1}]}}]),
    ]  # fmt: skip
    parts = [family.SerializeToString() for family in families]
    assert all(len(part) < 128 for part in parts)
    return b"".join(bytes((len(part),)) + part for part in parts)


def test_protobuf_and_gzip(shop):
    kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    assert put(shop, protobuf(), **{"content-type": kind}).status == 200
    assert put(shop, gzip.compress(b"zipped 1\n"), method="POST", **{"content-encoding": "gzip"}).status == 200
    shop.run(20)
    job = ("job", "backup")
    assert values(shop, "c_total") == {(("a", "b"), job): "4"}
    assert values(shop, "g") == {(job,): "-1.5"}
    assert values(shop, "u") == {(job,): "2"}
    assert values(shop, "s") == {(job, ("quantile", "0.5")): "1"}
    assert values(shop, "h_bucket") == {(job, ("le", "1.0")): "1", (job, ("le", "+Inf")): "2"}
    assert values(shop, "zipped") == {(job,): "1"}


REFUSED = [
    (b"what is this\n", {}, "the body cannot be read: line 1"),
    (b"a 1 1767600000000\n", {}, "must not have a timestamp"),
    (b"a 1\na 2\n", {}, "stands twice"),
    (b'a{job="x"} 1\na{job="y"} 2\n', {}, "stands twice"),
    (b"\x05ab", {"content-type": "application/vnd.google.protobuf"}, "cut off"),
    (b"no gzip", {"content-encoding": "gzip"}, "not valid gzip"),
]


@pytest.mark.parametrize(("body", "headers", "text"), REFUSED)
def test_a_refused_push_changes_nothing_but_the_time_of_failure(shop, body, headers, text):
    put(shop)
    answer = put(shop, body, **headers)
    assert (answer.status, text in answer.text) == (400, True), answer.text
    shop.run(20)
    assert values(shop, "took_seconds") == {(("job", "backup"),): "3.5"}
    assert float(values(shop, "push_failure_time_seconds")[(("job", "backup"),)]) > START / 1000


def nameless(**metric):
    family = message_class("MetricFamily")(
        type=1, metric=[{"gauge": {"value": 1}, **metric.pop("metric", {})}], **metric
    )
    return bytes((family.ByteSize(),)) + family.SerializeToString()


def test_one_push_cannot_spoil_the_others(shop):
    put(shop)
    kind = {"content-type": "application/vnd.google.protobuf"}
    for body in (nameless(), nameless(name="a", metric={"label": [{"name": "", "value": "x"}]})):
        assert put(shop, body, "/metrics/job/bad", **kind).status == 400
    odd = nameless(name='weird "\n name', metric={"label": [{"name": "a.b", "value": 'x"\n\\'}]})
    assert put(shop, odd, "/metrics/job/odd", **kind).status == 200
    # The same series by two ways: one of them is shown.
    put(shop, b'twice{instance="x"} 1\n', "/metrics/job/t")
    put(shop, b"twice 2\n", "/metrics/job/t/instance/x")
    shop.run(20)
    assert values(shop, "took_seconds") == {(("job", "backup"),): "3.5"}
    assert values(shop, '{"weird%20\\"\\n%20name"}') == {(("a.b", 'x"\n\\'), ("job", "odd")): "1"}
    assert len(values(shop, "twice")) == 1


def test_pushes_survive_a_restart(make):
    shop = make()
    put(shop)
    put(shop, b"a 1\n", "/metrics/job/gone")
    shop.request("DELETE", "/metrics/job/gone")
    shop.run(20)
    from hypercare.app import build

    shop.app.close()
    shop.app = build(shop.load(), shop.ports, shop.file.parent / "data")
    assert list(shop.app.pushes.groups) == []
    shop.sim = type(shop.sim)(shop.app.kernel, shop.world, shop.clock)
    ready = shop.app.start()
    shop.sim.run_for(0)
    ready.result(0)
    (group,) = shop.app.pushes.groups.values()
    assert group.labels == Labels.of(job="backup")
    assert sorted(group.families) == ["rows_total", "took_seconds"]
    before = shop.app.pushes.text()
    assert b'rows_total{instance="\x01",job="backup",table="a"} 7' in before
    shop.run(20)
    assert shop.app.collectors.snapshot().active


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_damaged_bodies_are_refused_or_read(data):
    kind = data.draw(st.sampled_from(["text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"]))
    body = bytearray(protobuf() if "protobuf" in kind else BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadRequestError):
        families_of(bytes(body[: data.draw(st.integers(0, len(body)))]), kind, Labels.of(job="a"))


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


PATHS = [
    ("job/a", {"job": "a"}),
    ("job/a/instance/b", {"job": "a", "instance": "b"}),
    ("job/a%2Fb/path/%2Fvar%20x", {"job": "a/b", "path": "/var x"}),
    (f"job@base64/{b64('ü/x')}/dir@base64/{b64('/var/tmp')}", {"job": "ü/x", "dir": "/var/tmp"}),
    (f"job/a/dir@base64/{b64('ab')}=", {"job": "a", "dir": "ab"}),
    ("job/a/empty@base64/=", {"job": "a"}),
    ("job/a/empty/", {"job": "a"}),
    ("job", "pairs of label and value"), ("job/", "must have a name"), ("job@base64/=", "must have a name"),
    ("job/a/x", "pairs"), ("instance/b", "must be the job"), ("job/a/job/b", "stands twice"), ("job/a/0x/b", "name of a label"),
    ("job/a/__x/b", "name of a label"), ("job/%ff", "UTF-8"), ("job@base64/!!", "base64"), ("", "pairs"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "want"), PATHS)
def test_paths(path, want):
    if isinstance(want, dict):
        assert group_of(path) == Labels.of(want)
        return
    with pytest.raises(BadRequestError, match=want):
        group_of(path)


def test_paths_that_are_none_over_http(shop):
    assert put(shop, path="/metrics/what").status == 400
    assert put(shop, path="/metrics/job/a%2Fb").status == 200
    assert Labels.of(job="a/b") in [group.labels for group in shop.app.pushes.groups.values()]
    assert shop.request("DELETE", "/metrics/job/").status == 400
    assert shop.get("/metrics/job/a").status == 405
