"""Prometheus' HTTP API. Statuses and error types are those of Prometheus 2.42, looked up there."""

from __future__ import annotations

from urllib.parse import quote

import pytest

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# path, status, part of the error
REFUSED = [
    ("/query", 400, 'invalid parameter "query": 1:1: parse error: '),
    ("/query?query=1%2B", 400, 'invalid parameter "query": 1:3: parse error: '),
    ("/query?query=1&time=foo", 400, 'invalid parameter "time": cannot parse "foo" to a valid timestamp'),
    ("/query?query=1&time=%201", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=1_0", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=NaN", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=Inf", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=1e40", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=2026-01-05", 400, 'invalid parameter "time"'),
    ("/query?query=1&time=2026-01-05T09:00:00", 400, 'invalid parameter "time"'),
    ("/query?query=1&timeout=foo", 400, 'invalid parameter "timeout": cannot parse "foo" to a valid duration'),
    ("/query?query=1&limit=-1", 400, "limit must not be negative"),
    ("/query?query=1&limit=%C2%B2", 400, "limit must be a number"),
    ("/query?query=1&limit=" + "9" * 5000, 400, "limit must be a number"),
    ("/query_range?query=1", 400, 'invalid parameter "start": cannot parse "" to a valid timestamp'),
    ("/query_range?query=1&start=1&end=0&step=1", 400, 'invalid parameter "end": end timestamp must not be before'),
    ("/query_range?query=1&start=1&end=2", 400, 'invalid parameter "step": cannot parse "" to a valid duration'),
    ("/query_range?query=1&start=1&end=2&step=0", 400, 'invalid parameter "step": zero or negative query resolution'),
    ("/query_range?query=1&start=1&end=2&step=-1m", 400, 'invalid parameter "step": zero or negative'),
    ("/query_range?query=1&start=1&end=2&step=1e40", 400, 'invalid parameter "step": cannot parse "1e40"'),
    ("/query_range?query=1&start=1&end=2&step=99999999999y", 400, 'invalid parameter "step"'),
    ("/query_range?query=1&start=0&end=11001&step=1", 400, "exceeded maximum resolution of 11,000 points"),
    ("/query_range?query=up[5m]&start=1&end=2&step=1", 400, 'invalid expression type "range vector"'),
    ('/query_range?query="a"&start=1&end=2&step=1', 400, 'invalid expression type "string"'),
    ("/query?query=" + quote('label_replace(up,"a","b","job","(")'), 422, "invalid regular expression"),
    ("/query?query=" + quote("up * on (job) up"), 422, "many-to-many"),
    ("/series", 400, "no match[] parameter provided"),
    ("/series?match[]=", 400, 'invalid parameter "match[]": 1:1: parse error: '),
    ("/series?match[]=up%2B1", 400, 'invalid parameter "match[]"'),
    ("/series?match[]=up[5m]", 400, 'invalid parameter "match[]"'),
    ("/series?match[]=up%20offset%205m", 400, 'invalid parameter "match[]"'),
    ("/series?match[]={}", 400, "at least one non-empty matcher"),
    ("/series?match[]=up&start=foo", 400, 'invalid parameter "start"'),
    ("/labels?match[]=foo(", 400, "parse error"),
    ("/label/job/values?match[]=foo(", 400, "parse error"),
    ("/label/job/values?start=x", 400, 'invalid parameter "start"'),
    ("/metadata?limit=x", 400, "limit must be a number"),
    ("/rules?type=foo", 400, 'invalid parameter "type": not supported value "foo"'),
    ("/rules?exclude_alerts=perhaps", 400, 'invalid parameter "exclude_alerts"'),
    ("/format_query", 400, 'invalid parameter "query"'),
    ("/query_exemplars?query=1%2B&start=1&end=2", 400, "parse error"),
]


@pytest.mark.parametrize(("path", "status", "text"), REFUSED)
def test_refusals(shop, path, status, text):
    answer = shop.get("/api/v1" + path)
    assert answer.status == status, answer.text
    body = answer.json()
    assert body["status"] == "error"
    assert body["errorType"] == {400: "bad_data", 422: "execution"}[status]
    assert text in body["error"]
    assert set(body) == {"status", "errorType", "error"}


# query, time, data
ANSWERED = [
    ("1", "1", {"resultType": "scalar", "result": [1, "1"]}),
    ("1", "-1.5", {"resultType": "scalar", "result": [-1.5, "1"]}),
    ("1", "1234567890.123", {"resultType": "scalar", "result": [1234567890.123, "1"]}),
    ("1", "2026-01-05T09:00:00Z", {"resultType": "scalar", "result": [1767603600, "1"]}),
    ("1", "2026-01-05T09:00:00.123456789%2B01:00", {"resultType": "scalar", "result": [1767600000.123, "1"]}),
    ("1e21", "1", {"resultType": "scalar", "result": [1, "1" + "0" * 21]}),
    ("vector(1e21)", "1", {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1e+21"]}]}),
    ("NaN", "1", {"resultType": "scalar", "result": [1, "NaN"]}),
    ("-Inf", "1", {"resultType": "scalar", "result": [1, "-Inf"]}),
    ('"a"', "1", {"resultType": "string", "result": [1, "a"]}),
    ("nosuch", "1", {"resultType": "vector", "result": []}),
    ("up[1m]", "1", {"resultType": "matrix", "result": []}),
    ("1 == bool 1", "1.0004", {"resultType": "scalar", "result": [1, "1"]}),
]


@pytest.mark.parametrize(("query", "time", "data"), ANSWERED)
def test_instant_queries(shop, query, time, data):
    answer = shop.get(f"/api/v1/query?query={quote(query)}&time={time}")
    assert answer.json() == {"status": "success", "data": data}
    assert answer.headers["content-type"] == "application/json"


def test_the_form_is_read_and_comes_first(shop):
    assert shop.post("/api/v1/query", form={"query": "1", "time": "1"}).json()["data"]["result"] == [1, "1"]
    assert shop.post("/api/v1/query?time=5", form={"query": "1", "time": "1"}).json()["data"]["result"] == [1, "1"]
    # A body that is no form is not looked at.
    assert shop.post("/api/v1/query?query=1&time=1", body={"query": "2"}).json()["data"]["result"] == [1, "1"]
    assert shop.post("/api/v1/series", form={"match[]": ["up", "truth"]}).status == 200
    assert shop.post("/api/v1/query", data=b"query=%ff%00&time=1", headers=FORM).status == 400


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/v1/query"), ("DELETE", "/api/v1/series"), ("POST", "/api/v1/label/job/values")]
)
def test_methods_that_do_not_exist(shop, method, path):
    assert shop.request(method, path).status == 405


def test_samples_of_the_shop(shop):
    now = shop.clock.now() // 1000
    found = shop.data("/api/v1/query?query=sum(up)")
    assert found["result"] == [{"metric": {}, "value": [now, "3"]}]
    assert shop.data("/api/v1/query?query=up&limit=1")["result"][0]["metric"]["__name__"] == "up"
    cut = shop.get("/api/v1/query?query=up&limit=1").json()
    assert (len(cut["data"]["result"]), cut["warnings"]) == (1, ["results truncated due to limit"])
    assert "warnings" not in shop.get("/api/v1/query?query=up&limit=3").json()


def test_range_queries(shop):
    now = shop.clock.now() // 1000
    span = f"start={now - 20}&end={now}&step=10s"
    data = shop.data(f"/api/v1/query_range?query=truth&{span}")
    assert data["resultType"] == "matrix"
    assert [s["metric"]["instance"] for s in data["result"]] == ["api:80", "api:81"]
    assert data["result"][0]["values"] == [[now - 20, "1"], [now - 10, "1"], [now, "1"]]
    assert shop.data(f"/api/v1/query_range?query=2&{span}")["result"] == [
        {"metric": {}, "values": [[now - 20, "2"], [now - 10, "2"], [now, "2"]]}
    ]
    cut = shop.get(f"/api/v1/query_range?query=truth&limit=1&{span}").json()
    assert (len(cut["data"]["result"]), cut["warnings"]) == (1, ["results truncated due to limit"])
    # Before there was anything: no series, rather than empty ones.
    assert shop.data("/api/v1/query_range?query=truth&start=1&end=2&step=1")["result"] == []


def test_notes_of_the_engine_are_passed_on(shop):
    body = shop.get("/api/v1/query?query=" + quote("rate(truth[1m])")).json()
    assert any("might not be a counter" in text for text in body["infos"])
    body = shop.get("/api/v1/query?query=" + quote("quantile(2, up)")).json()
    assert any("quantile value should be between 0 and 1" in text for text in body["warnings"])


def test_series_and_labels(shop):
    now = shop.clock.now() // 1000
    assert [s["instance"] for s in shop.data("/api/v1/series?match[]=truth")] == ["api:80", "api:81"]
    assert len(shop.data("/api/v1/series?match[]=truth&match[]=up")) == 5
    assert shop.data("/api/v1/series?match[]=nosuch") == []
    assert shop.data("/api/v1/series?match[]=up&start=5&end=1") == []
    assert shop.data(f"/api/v1/series?match[]=up&start={now - 3600}&end={now - 1800}") == []
    assert shop.data("/api/v1/labels?match[]=truth") == ["__name__", "instance", "job"]
    assert shop.data("/api/v1/labels?start=1&end=2") == []
    assert shop.data("/api/v1/label/job/values") == ["api", "hypercare"]
    assert shop.data("/api/v1/label/nosuch/values") == []
    assert shop.data("/api/v1/label/__name__/values?match[]=truth") == ["truth"]
    cut = shop.get("/api/v1/label/job/values?limit=1").json()
    assert (cut["data"], cut["warnings"]) == (["api"], ["results truncated due to limit"])


def test_rules_and_alerts(broken):
    [group] = broken.data("/api/v1/rules")["groups"]
    assert (group["name"], group["interval"], group["limit"]) == ("shop", 10, 0)
    record, alert, slow = group["rules"]
    assert (record["type"], record["name"], record["health"]) == ("recording", "job:up:sum", "ok")
    assert "state" not in record
    assert (alert["type"], alert["state"], alert["duration"], alert["keepFiringFor"]) == ("alerting", "firing", 0, 0)
    assert alert["alerts"][0]["value"] == "0e+00"
    assert alert["alerts"][0]["annotations"]["summary"] == "it is 0"
    assert (slow["state"], slow["duration"]) == ("pending", 3600)
    alerts = broken.data("/api/v1/alerts")["alerts"]
    assert [a["state"] for a in alerts] == ["firing", "firing", "pending", "pending"]

    def names(parameters):
        return [r["name"] for g in broken.data(f"/api/v1/rules?{parameters}")["groups"] for r in g["rules"]]

    assert names("type=alert") == ["Broken", "Slow"]
    assert names("type=record") == ["job:up:sum"]
    assert names("rule_name[]=Slow&rule_name[]=x") == ["Slow"]
    assert names("rule_group[]=nosuch") == []
    assert names("file[]=nosuch") == []
    quiet = broken.data("/api/v1/rules?exclude_alerts=true&type=alert")["groups"][0]["rules"]
    assert [r["alerts"] for r in quiet] == [[], []]


def test_targets(shop):
    shop.targets[1].up = False
    shop.run(30)
    data = shop.data("/api/v1/targets")
    by_instance = {t["labels"]["instance"]: t for t in data["activeTargets"]}
    assert by_instance["api:80"]["health"] == "up"
    assert by_instance["api:80"]["scrapeInterval"] == "10s"
    assert by_instance["api:81"]["health"] == "down"
    assert "refused" in by_instance["api:81"]["lastError"]
    assert [t["discoveredLabels"]["__address__"] for t in data["droppedTargets"]] == ["gone:1"]
    assert data["droppedTargetCounts"] == {"dropped": 1}
    assert shop.data("/api/v1/targets?state=active")["droppedTargets"] == []
    assert shop.data("/api/v1/targets?state=dropped")["activeTargets"] == []
    assert len(shop.data("/api/v1/targets?scrapePool=api")["activeTargets"]) == 2


def test_metadata(shop):
    assert shop.data("/api/v1/metadata?metric=hypercare_build_info") == {
        "hypercare_build_info": [{"type": "gauge", "help": "Version of the running program.", "unit": ""}]
    }
    assert len(shop.data("/api/v1/metadata?limit=2")) == 2
    assert shop.data("/api/v1/metadata?metric=nosuch") == {}
    found = shop.data("/api/v1/targets/metadata?metric=hypercare_build_info")
    assert [(f["target"]["job"], f["type"]) for f in found] == [("hypercare", "gauge")]
    assert shop.data("/api/v1/targets/metadata?match_target={job=%22api%22}&metric=hypercare_build_info") == []


def test_status(shop):
    assert shop.data("/api/v1/status/buildinfo")["version"].count(".") == 2
    runtime = shop.data("/api/v1/status/runtimeinfo")
    assert (runtime["reloadConfigSuccess"], runtime["storageRetention"]) == (True, "15d")
    assert "job_name: api" in shop.data("/api/v1/status/config")["yaml"]
    assert shop.data("/api/v1/status/flags")["query.timeout"] == "2m"
    stats = shop.data("/api/v1/status/tsdb")
    assert stats["headStats"]["numSeries"] > 10
    assert {"name": "up", "value": 3} in stats["seriesCountByMetricName"]
    assert shop.data("/api/v1/status/walreplay")["current"] == 0
    assert shop.data("/api/v1/alertmanagers") == {"activeAlertmanagers": [], "droppedAlertmanagers": []}
    assert shop.data("/api/v1/query_exemplars?query=up&start=1&end=2") == []
    assert shop.data("/api/v1/format_query?query=1%2B1") == "1 + 1"


def test_no_secret_leaves_by_the_configuration(make):
    shop = make("web: {token: sesame-open-up}\n")
    answer = shop.get("/api/v1/status/config", headers={"Authorization": "Bearer sesame-open-up"})
    assert answer.status == 200
    assert "sesame" not in answer.text
