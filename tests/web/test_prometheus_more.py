"""Prometheus' HTTP API beyond queries: limits, pages, statistics, other sites, encodings, /federate."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote

import cramjam
import numpy as np
import pytest
from argon2 import PasswordHasher

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram, HistogramSeries
from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, STALE, SampleMatrix
from hypercare.promql import HistogramElement, InstantResult, RangeResult
from hypercare.tsdb import Tsdb
from hypercare.web.api.encode import instant_json, range_json
from hypercare.web.api.federate import lines, newest
from hypercare.web.api.histogram_json import histogram_json
from hypercare.web.api.label_names import unescape_name

API = "/api/v1"

REFUSED = [
    ("/query?query=1&timeout=0", 503, "timeout", "query timed out in query execution"),
    ("/query?query=1&timeout=-1s", 503, "timeout", "query timed out in query execution"),
    ("/query?query=1&lookback_delta=x", 400, "bad_data", 'cannot parse "x" to a valid duration'),
    ("/query?query=1&lookback_delta=-1", 400, "bad_data", "it must be positive"),
    ("/parse_query?query=1%2B", 400, "bad_data", "parse error"),
    ("/query_exemplars?query=up&start=3&end=2", 400, "bad_data", "end timestamp must not be before start"),
    ("/rules?group_next_token=x", 400, "bad_data", "group_limit needs to be present"),
    ("/rules?group_limit=0", 400, "bad_data", "group_limit needs to be greater than 0"),
    ("/rules?group_limit=1&group_next_token=x", 400, "bad_data", "were rule groups changed?"),
    ("/rules?match[]=1%2B", 400, "bad_data", "parse error"),
    ("/status/tsdb?limit=0", 400, "bad_data", "limit must be a positive number"),
    ("/status/tsdb?limit=10001", 400, "bad_data", "limit must not exceed 10000"),
    ("/metadata?limit_per_metric=x", 400, "bad_data", "limit_per_metric must be a number"),
]


@pytest.mark.parametrize(("path", "status", "kind", "text"), REFUSED)
def test_refusals(shop, path, status, kind, text):
    answer = shop.get(API + path)
    body = answer.json()
    assert (answer.status, body["errorType"]) == (status, kind)
    assert text in body["error"]


def test_a_range_has_as_many_points_as_in_prometheus(shop):
    for end, points in ((11_000, 11_001), (11_000.999, 11_001)):
        found = shop.data(f"{API}/query_range?query=1&start=0&end={end}&step=1")
        assert len(found["result"][0]["values"]) == points
    assert shop.get(f"{API}/query_range?query=1&start=0&end=11001&step=1").status == 400


def test_the_lookback_of_one_query(shop):
    now = shop.clock.now() / 1000
    later = now + 60
    assert shop.data(f"{API}/query?query=truth&time={later}")["result"] != []
    assert shop.data(f"{API}/query?query=truth&time={later}&lookback_delta=30s")["result"] == []
    assert shop.data(f"{API}/query?query=truth&time={later}")["result"] != []


def test_statistics(shop):
    now = shop.clock.now() // 1000
    plain = shop.data(f"{API}/query?query=truth")
    assert "stats" not in plain
    found = shop.data(f"{API}/query?query=truth%2Bcount_over_time(truth[30s])&stats=1")["stats"]
    within = sum(int(s["value"][1]) for s in shop.data(f"{API}/query?query=count_over_time(truth[30s])")["result"])
    assert found["samples"] == {"totalQueryableSamples": 2 + within, "peakSamples": 2 + within}
    assert within > 3
    assert set(found["timings"]) == {
        "evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime"
    }  # fmt: skip
    path = f"{API}/query_range?query=truth&start={now - 20}&end={now}&step=10&stats=all"
    steps = shop.data(path)["stats"]["samples"]
    assert steps["totalQueryableSamplesPerStep"] == [[now - 20, 2], [now - 10, 2], [now, 2]]
    assert shop.data(f"{API}/query?query=1&stats=all")["stats"]["samples"]["totalQueryableSamples"] == 0


SYNTAX = [
    ("1", {"type": "numberLiteral", "val": "1"}),
    ('"a"', {"type": "stringLiteral", "val": "a"}),
    ("(-(1))", {"type": "parenExpr", "expr": {
        "type": "unaryExpr", "op": "-", "expr": {"type": "parenExpr", "expr": {"type": "numberLiteral", "val": "1"}}}}),
    ('up{a!~"b"}[5m] offset 1m', {
        "type": "matrixSelector", "name": "up", "range": 300000, "offset": 60000, "timestamp": None, "startOrEnd": None,
        "matchers": [{"name": "a", "type": "!~", "value": "b"}, {"name": "__name__", "type": "=", "value": "up"}]}),
    ("topk by (a) (1, up @ end())", {
        "type": "aggregation", "op": "topk", "param": {"type": "numberLiteral", "val": "1"}, "grouping": ["a"], "without": False,
        "expr": {"type": "vectorSelector", "name": "up", "offset": 0, "timestamp": None, "startOrEnd": "end",
                 "matchers": [{"name": "__name__", "type": "=", "value": "up"}]}}),
    ("abs(vector(1))[1h:5m] @ 3", {
        "type": "subquery", "range": 3600000, "step": 300000, "offset": 0, "timestamp": 3000, "startOrEnd": None,
        "expr": {"type": "call", "func": {"name": "abs", "argTypes": ["vector"], "variadic": 0, "returnType": "vector"}, "args": [
            {"type": "call", "func": {"name": "vector", "argTypes": ["scalar"], "variadic": 0, "returnType": "vector"},
             "args": [{"type": "numberLiteral", "val": "1"}]}]}}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "tree"), SYNTAX)
def test_the_syntax_tree(shop, query, tree):
    assert shop.data(f"{API}/parse_query?query={quote(query)}") == tree


def test_the_syntax_of_a_join(shop):
    tree = shop.data(f"{API}/parse_query?query={quote('a == bool on (x) group_left (y) b')}")
    assert tree["bool"]
    assert tree["matching"] == {"card": "many-to-one", "labels": ["x"], "on": True, "include": ["y"]}
    assert shop.data(f"{API}/parse_query?query={quote('a * 2')}")["matching"] is None


def test_rules_by_labels_and_by_pages(make):
    groups = [
        {"name": f"g{i}", "rules": [{"alert": f"A{i}", "expr": "up == 0", "labels": {"team": f"t{i % 2}"}}]}
        for i in range(5)
    ]
    shop = make(rules=json.dumps({"groups": groups}))
    shop.run(20)

    def names(data):
        return [r["name"] for g in data["groups"] for r in g["rules"]]

    assert names(shop.data(f'{API}/rules?match[]={{team="t1"}}')) == ["A1", "A3"]
    assert names(shop.data(f'{API}/rules?match[]={{team="t1"}}&match[]={{team=~"t."}}')) == [
        "A0",
        "A1",
        "A2",
        "A3",
        "A4",
    ]
    seen, token = [], ""
    for _ in range(3):
        data = shop.data(f"{API}/rules?group_limit=2" + (f"&group_next_token={token}" if token else ""))
        seen.append(names(data))
        token = data.get("groupNextToken", "")
    assert (seen, token) == ([["A0", "A1"], ["A2", "A3"], ["A4"]], "")


def test_metadata_is_bounded_as_in_prometheus(shop):
    assert shop.data(f"{API}/metadata?limit=0") == {}
    assert len(shop.data(f"{API}/metadata?limit=-1")) > 3
    assert len(shop.data(f"{API}/status/tsdb?limit=2")["seriesCountByMetricName"]) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [("job", "job"), ("U__a_2e_b", "a.b"), ("U___x", "U___x"), ("U__a__b", "a_b"), ("U___1F600_", "😀"), ("U__a_d800_", "U__a_d800_"),
     ("U__a_zz_", "U__a_zz_"), ("U__", "")],
)  # fmt: skip
def test_escaped_label_names(text, name):
    assert unescape_name(text) == name


def test_a_label_name_of_any_letters(shop):
    assert shop.data(f"{API}/label/U__job/values") == ["api", "hypercare"]
    assert shop.data(f"{API}/label/{quote('a/b.c', safe='')}/values") == []


def test_the_answer_is_packed_as_the_client_asks(shop):
    path = f"{API}/query_range?query=2&start=0&end=1000&step=1"
    plain = shop.get(path)
    assert "content-encoding" not in plain.headers
    for accepted, encoding, unpack in (
        ("gzip", "gzip", gzip.decompress),
        ("gzip, deflate, br, zstd", "zstd", lambda body: bytes(cramjam.zstd.decompress(body))),
        ("zstd;q=0, gzip;q=0.5", "gzip", gzip.decompress),
    ):
        packed = shop.get(path, headers={"Accept-Encoding": accepted})
        assert packed.headers["content-encoding"] == encoding
        assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body) / 2
        assert unpack(packed.body) == plain.body
        assert packed.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in shop.get(path, headers={"Accept-Encoding": "br, identity"}).headers
    assert "content-encoding" not in shop.get(f"{API}/query?query=1", headers={"Accept-Encoding": "gzip"}).headers


def test_options_and_methods(shop):
    assert shop.request("OPTIONS", f"{API}/query").status == 204
    assert shop.request("OPTIONS", f"{API}/nosuch").status == 204
    for method, path in (("HEAD", "/query"), ("PUT", "/query"), ("POST", "/label/job/values"), ("DELETE", "/rules")):
        refused = shop.request(method, API + path)
        assert refused.status == 405
        assert "GET" in refused.headers["allow"]


def test_no_other_site_may_read_unless_it_is_named(make):
    shop = make()
    closed = shop.get(f"{API}/query?query=1", headers={"Origin": "https://evil.example"})
    assert not any(name.startswith("access-control") for name in closed.headers)


def test_sites_that_are_named_may_read(make):
    shop = make('web: {cors_origin: "https://(grafana|tools)[.]example"}\n')
    friend = {"Origin": "https://grafana.example"}
    assert shop.get(f"{API}/query?query=1", headers=friend).headers["access-control-allow-origin"] == friend["Origin"]
    assert (
        shop.request("OPTIONS", f"{API}/query", headers=friend).headers["access-control-allow-methods"]
        == "GET, POST, OPTIONS"
    )
    assert shop.post(f"{API}/query", form={"query": "1"}, headers=friend).status == 200
    for other in ("https://evil.example", "https://grafana.example.evil.example"):
        assert "access-control-allow-origin" not in shop.get(f"{API}/query?query=1", headers={"Origin": other}).headers
        assert shop.post(f"{API}/query", form={"query": "1"}, headers={"Origin": other}).status == 403
    # Reading is all that is allowed.
    assert shop.post("/api/v2/alerts", body=[], headers=friend).status == 403


def floats(*rows):
    return np.array(rows, dtype=np.float64)


def test_federation_tells_the_newest_sample_of_each_series(shop):
    answer = shop.get("/federate?match[]=truth&match[]=job:up:sum")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = [line.rpartition(" ") for line in answer.text.splitlines()]
    assert [series for series, _, _ in told] == [
        "# TYPE job:up:sum",
        'job:up:sum{job="api",instance=""} 2',
        'job:up:sum{job="hypercare",instance=""} 1',
        "# TYPE truth",
        'truth{instance="api:80",job="api"} 1',
        'truth{instance="api:81",job="api"} 1',
    ]
    assert told[0][2] == "untyped"
    assert shop.clock.now() - 10_000 <= int(told[-1][2]) <= shop.clock.now()
    assert shop.get("/federate").status == 400
    assert shop.get("/federate?match[]=a%2B").status == 400
    assert shop.get("/federate?match[]=nosuch").body == b""
    # As with Prometheus, whoever federates may ask for all there is.
    every = shop.get('/federate?match[]={__name__=~".*"}').text
    assert every.count("truth{") == 2
    assert "# TYPE job:up:sum" in every
    assert shop.get('/api/v1/series?match[]={__name__=~".*"}').status == 400
    shop.run(600)
    shop.targets[0].up = False
    shop.run(30)
    assert shop.get("/federate?match[]=truth").text.count("truth{") == 1


def test_what_ended_or_never_was_is_not_federated():
    labels = tuple(Labels.of({"__name__": "m", "n": str(i)}) for i in range(4))
    values = floats([1, 2, ABSENT, ABSENT], [3, STALE, ABSENT, 4], [ABSENT, ABSENT, ABSENT, 5])
    matrix = SampleMatrix(labels, np.array([10, 20, 30]), values, dense=False)
    assert [(each.get("n"), sample) for each, sample in newest(matrix)] == [("0", (20, 3.0)), ("3", (30, 5.0))]


def test_labels_of_this_server_and_odd_names():
    found = [
        (Labels.of({"__name__": "b.c", "x-y": 'q"\\\n', "site": "own"}), (1, 1e7)),
        (Labels.of({"__name__": "a", "instance": "i", "Z": "z"}), (2, float("nan"))),
        (Labels.of({"n": "nameless"}), (3, 1.0)),
    ]
    assert list(lines(found, {"site": "here", "a": "1"})) == [
        "# TYPE a untyped",
        'a{Z="z",instance="i",a="1",site="here"} NaN 2',
        "# TYPE b_c untyped",
        'b_c{site="own",x_y="q\\"\\\\\\n",a="1",instance=""} 1e+07 1',
    ]


EXPONENTIAL = Histogram(
    schema=1, zero_threshold=0.001, zero_count=2, count=13, sum=-1.5,
    positive=Buckets(np.array([0, 1, 2]), floats(1, 0, 3)), negative=Buckets(np.array([0, 3]), floats(4, 3)),
)  # fmt: skip
CUSTOM = Histogram(
    schema=CUSTOM_SCHEMA,
    count=6,
    sum=10,
    custom_values=(-1.0, 2.5),
    positive=Buckets(np.array([0, 1, 2]), floats(1, 2, 3)),
)
EXPONENTIAL_JSON = {
    "count": "13",
    "sum": "-1.5",
    "buckets": [
        [1, "-2.8284271247461903", "-2", "3"],
        [1, "-1", "-0.7071067811865476", "4"],
        [3, "-0.001", "0.001", "2"],
        [0, "0.7071067811865476", "1", "1"],
        [0, "1.4142135623730951", "2", "3"],
    ],
}
CUSTOM_JSON = {
    "count": "6",
    "sum": "10",
    "buckets": [[3, "-Inf", "-1", "1"], [0, "-1", "2.5", "2"], [0, "2.5", "+Inf", "3"]],
}


def test_native_histograms_in_json():
    assert json.loads(histogram_json(EXPONENTIAL)) == EXPONENTIAL_JSON
    assert json.loads(histogram_json(CUSTOM)) == CUSTOM_JSON
    assert json.loads(histogram_json(Histogram())) == {"count": "0", "sum": "0"}
    # The ends of what floats can hold.
    edges = Histogram(schema=-4, count=2, positive=Buckets(np.array([64, 65]), floats(1, 1)))
    assert [b[1:3] for b in json.loads(histogram_json(edges))["buckets"]] == [
        [f"{2.0**1008:.17g}", "1.7976931348623157e+308"],
        ["1.7976931348623157e+308", "+Inf"],
    ]


def test_histograms_stand_among_floats_in_the_order_of_the_vector():
    a, b, c = (Labels.of({"n": n}) for n in "abc")
    result = InstantResult("vector", 1500, (a, c), floats(1, 2), histograms=(HistogramElement(b, 1500, CUSTOM, 1),))
    rows = json.loads(b"".join(instant_json(result)))["result"]
    assert [r["metric"]["n"] for r in rows] == ["a", "b", "c"]
    assert rows[1] == {"metric": {"n": "b"}, "histogram": [1.5, CUSTOM_JSON]}
    assert len(json.loads(b"".join(instant_json(result, 2)))["result"]) == 2


def test_series_of_both_kinds_are_one():
    a, b, c = (Labels.of({"n": n}) for n in "abc")
    present = np.array([[True, False], [False, False]])
    both = HistogramSeries(a, np.array([2000]), (CUSTOM,))
    alone = HistogramSeries(c, np.array([1000]), (CUSTOM,))
    result = RangeResult((a, b), np.array([1000, 2000]), floats([1, 0], [0, 0]), present, histograms=(both, alone))
    assert json.loads(b"".join(range_json(result))) == {
        "resultType": "matrix",
        "result": [
            {"metric": {"n": "a"}, "values": [[1, "1"]], "histograms": [[2, CUSTOM_JSON]]},
            {"metric": {"n": "c"}, "histograms": [[1, CUSTOM_JSON]]},
        ],
    }


def test_the_store_is_changed_only_where_that_is_allowed(shop):
    for path in ("delete_series?match[]=up", "clean_tombstones", "snapshot"):
        refused = shop.post(f"{API}/admin/tsdb/{path}")
        assert (refused.status, refused.json()["errorType"]) == (503, "unavailable")
        assert refused.json()["error"] == "admin APIs disabled"


def test_deletion_and_snapshots(make, tmp_path):
    shop = make("web: {admin_api: true}\n")
    shop.run(60)
    now = shop.clock.now() / 1000

    def count(query):
        found = shop.data(f"{API}/query?query={quote(query)}&time={now}")["result"]
        return {s["metric"].get("instance", ""): s["value"][1] for s in found}

    assert shop.post(f"{API}/admin/tsdb/delete_series").status == 400
    assert shop.post(f"{API}/admin/tsdb/delete_series?match[]=a%2B").status == 400
    assert shop.get(f"{API}/admin/tsdb/delete_series?match[]=truth").status == 405
    before = int(count("count_over_time(truth[1h])")["api:81"])
    form = {"match[]": 'truth{instance="api:80"}'}
    assert shop.post(f"{API}/admin/tsdb/delete_series", form=form).status == 204
    half = {"match[]": 'truth{instance="api:81"}', "end": str(now - 30)}
    assert shop.request("PUT", f"{API}/admin/tsdb/delete_series", form=half).status == 204
    left = count("count_over_time(truth[1h])")
    assert set(left) == {"api:81"}
    assert 0 < int(left["api:81"]) < before
    assert shop.post(f"{API}/admin/tsdb/clean_tombstones").status == 204
    assert shop.post(f"{API}/admin/tsdb/snapshot?skip_head=x").status == 400
    name = shop.post(f"{API}/admin/tsdb/snapshot").json()["data"]["name"]
    copy = Tsdb.open(tmp_path / "data" / "snapshots" / name)
    assert copy.problems == []
    assert len(copy.snapshot().series([()], 0, 2**53)) == len(shop.data(f"{API}/series?match[]={{__name__!=''}}"))
    copy.close()


def test_only_an_administrator_changes_the_store(make):
    proof = PasswordHasher(time_cost=1, memory_cost=1024).hash("word")
    shop = make(f"web: {{admin_api: true, users: [{{name: eve, role: responder, password_hash: '{proof}'}}]}}\n")
    headers = {"Authorization": "Basic " + base64.b64encode(b"eve:word").decode()}
    assert shop.get(f"{API}/query?query=1", headers=headers).status == 200
    assert shop.post(f"{API}/admin/tsdb/snapshot", headers=headers).status == 403
    assert shop.post(f"{API}/admin/tsdb/snapshot").status == 401


def test_a_store_in_memory_has_no_snapshots(make):
    shop = make("web: {admin_api: true}\n", data=False)
    refused = shop.post(f"{API}/admin/tsdb/snapshot")
    assert (refused.status, refused.json()["errorType"]) == (503, "unavailable")
