"""Odd requests to every path: an answer of four hundred and something, never of five hundred."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_kit import Shop

BASE = "/api/hypercare/v1"
GETS = [
    "/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/label/{}/values", "/api/v1/metadata",
    "/api/v1/rules", "/api/v1/targets", "/api/v1/targets/metadata", "/api/v1/format_query", "/api/v1/query_exemplars", "/api/v1/parse_query",
    "/api/v1/status/tsdb", "/api/v1/status/flags", "/federate",
    "/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/silence/{}", f"{BASE}/incidents", f"{BASE}/incidents/{{}}",
    f"{BASE}/deliveries", f"{BASE}/check", f"{BASE}/oncall", "/", "/incidents/{}", "/fragments/{}", "/fragments/incident/{}", "/alerts",
    "/login", "/static/{}", "/docs", "/{}",
]  # fmt: skip
POSTS = [
    "/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/parse_query", "/api/v1/admin/tsdb/delete_series",
    "/incidents/{}/act", "/silences",
    "/silences/{}/expire", "/login", "/logout",
]  # fmt: skip
JSON_POSTS = [
    "/api/v2/alerts", "/api/v2/silences", f"{BASE}/incidents/{{}}/ack", f"{BASE}/incidents/{{}}/notes", f"{BASE}/incidents/{{}}/resolve",
]  # fmt: skip
NAMES = [
    "query", "time", "start", "end", "step", "timeout", "limit", "match[]", "match_target", "metric", "type", "state", "scrapePool",
    "filter", "receiver", "active", "silenced", "status", "text", "next", "matchers", "duration", "comment", "by", "act", "name",
    "password", "message", "exclude_alerts", "limit_per_metric", "stats", "lookback_delta", "group_limit", "group_next_token",
]  # fmt: skip
ODD = [
    "", "0", "1", "-1", "9" * 30, "9" * 5000, "1e308", "-1e308", "NaN", "inf", "0x10", "1_0", "2026-01-05T08:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "5m", "-5m", "9" * 20 + "y", "up", "up[5m]", "rate(truth[5m])", "{}",
    '{a=~"("}', "up offset 999999999999y", "up @ 1e300", "year(vector(1e300))", "vector(1)[1000000y:1s]", "(" * 300, "a" * 100_000,
    "\x00", "\ud7ff", "\u202e", "ü→", "%", "%00", "../..", "..%2f", "\r\nX: y", "<script>", "{{7*7}}", "[]", "null", "true", "ack",
    "resolve", "note", "1h", '[["a","b"]]', "[" * 2000, '[["a"]]', "#1", "overview", "incidents", "id", "__name__", "job",
]  # fmt: skip

texts = st.one_of(st.sampled_from(ODD), st.text(max_size=40))
pairs = st.lists(st.tuples(st.sampled_from(NAMES), texts), max_size=5)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.just("\ud800")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["labels", "annotations", "startsAt", "endsAt", "generatorURL", "matchers", "name", "value", "isRegex",
                             "isEqual", "id", "createdBy", "comment", "by", "note", "text"]), inner, max_size=6),
    ),
    max_leaves=12,
)  # fmt: skip
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("fuzzed"), "web: {admin_api: true}\n")
    shop.break_it()
    yield shop
    shop.close()


def fits(answer):
    if answer.status == 503:
        # A query that was given no time.
        assert answer.json()["errorType"] == "timeout"
        return
    assert answer.status < 500, answer.text
    assert answer.status in {200, 204, 303, 307, 400, 404, 405, 409, 413, 415, 422}, answer.status
    if "json" in answer.headers.get("content-type", ""):
        answer.json()
    assert all("\r" not in v and "\n" not in v for v in (*answer.headers.values(), *answer.cookies))


def filled(path, text):
    from urllib.parse import quote

    return path.format(quote(text[:3000], safe="")) if "{}" in path else path


@many
@given(path=st.sampled_from(GETS), text=texts, parameters=pairs, html=st.booleans())
def test_reading(fuzzed, path, text, parameters, html):
    from urllib.parse import urlencode

    query = urlencode([(n, v.encode("utf-8", "replace")) for n, v in parameters])
    fits(fuzzed.get(f"{filled(path, text)}?{query}", headers={"Accept": "text/html"} if html else {}))


@many
@given(path=st.sampled_from(GETS), query=st.binary(max_size=60))
def test_query_strings_that_are_none(fuzzed, path, query):
    fits(
        fuzzed.ask(
            "GET",
            filled(path, "1"),
            query.decode("latin-1").encode("ascii", "replace").decode(),
            {"host": "localhost"},
            [b""],
        )
    )


@many
@given(path=st.sampled_from(POSTS), text=texts, parameters=pairs)
def test_forms(fuzzed, path, text, parameters):
    fits(fuzzed.post(filled(path, text), form=[(n, v.encode("utf-8", "replace")) for n, v in parameters]))


@many
@given(path=st.sampled_from(JSON_POSTS), text=texts, body=values, in_list=st.booleans())
def test_json(fuzzed, path, text, body, in_list):
    fits(fuzzed.post(filled(path, text), body=[body] if in_list else body))


ALERT = st.fixed_dictionaries(
    {"labels": st.dictionaries(texts, texts, max_size=3)},
    optional={
        "annotations": st.dictionaries(texts, texts, max_size=3),
        "startsAt": texts,
        "endsAt": texts,
        "generatorURL": texts,
    },
)
SILENCE = st.fixed_dictionaries(
    {"matchers": st.lists(st.fixed_dictionaries({"name": texts, "value": texts, "isRegex": st.booleans()}, optional={"isEqual": st.booleans()}), max_size=3),
     "startsAt": texts, "endsAt": st.one_of(st.just("2026-01-06T00:00:00Z"), texts), "createdBy": texts, "comment": texts},
    optional={"id": texts},
)  # fmt: skip


@many
@given(alerts=st.lists(ALERT, max_size=3), silence=SILENCE)
def test_what_is_almost_right(fuzzed, alerts, silence):
    fits(fuzzed.post("/api/v2/alerts", body=alerts))
    fits(fuzzed.post("/api/v2/silences", body=silence))
    fits(fuzzed.get("/api/v2/alerts"))
    fits(fuzzed.get("/api/v2/silences"))
    fits(fuzzed.get("/alerts"))


@many
@given(body=st.one_of(st.binary(max_size=60), st.sampled_from([b"[" * 50_000, b'{"a":' * 5000, b"1e999", b'"\\ud800"', b"NaN", b'[{"labels":{"a":"\\ud800"}}]'])))  # fmt: skip
@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""],
)
def test_bodies_of_any_bytes(fuzzed, body, kind):
    for path in ("/api/v2/alerts", "/api/v1/query", "/login", f"{BASE}/incidents/1/notes", "/silences"):
        fits(fuzzed.post(path, data=body, headers={"Content-Type": kind}))


def test_labels_with_broken_characters(fuzzed):
    answer = fuzzed.post(
        "/api/v2/alerts",
        data=json.dumps([{"labels": {"a": "\ud800"}}]).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status in {400, 422}
