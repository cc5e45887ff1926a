"""What Grafana's Prometheus data source sends, and what it reads from the answers.

Recorded from pkg/promlib and packages/grafana-prometheus of grafana/grafana (facts only): queries go by POST with a form
(or by GET where the data source is set to it) with times as decimal seconds; look-ups try POST first and repeat by GET
where that is answered with 405 or 400.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest

GO = {"User-Agent": "Grafana/12.1.0"}
API = "/api/v1"


def query(shop, path, **fields):
    """Both of the ways in which a data source may be set to ask; they have to agree."""
    by_form = shop.post(f"{API}/{path}", form=fields, headers=GO)
    by_url = shop.get(f"{API}/{path}?{urlencode(fields, doseq=True)}", headers=GO)
    assert by_form.status == by_url.status
    assert by_form.body == by_url.body
    return by_form


def test_the_health_check(shop):
    # Save & test: an instant query at the fourth second of 1970, then what kind of server this is.
    answer = query(shop, "query", query="1+1", time="4")
    assert answer.status == 200
    assert answer.json() == {"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}
    # Look-ups are tried by POST first; anything but 405 or 400 would be taken for the answer.
    assert shop.post(f"{API}/status/buildinfo", headers=GO).status == 405
    told = shop.get(f"{API}/status/buildinfo", headers=GO).json()["data"]
    # Every value is read as a text; features would make it a Mimir, and the version says what it may be asked.
    assert all(isinstance(value, str) for value in told.values())
    assert "features" not in told
    assert [int(part) >= 0 for part in told["version"].split(".")] == [True] * 3


def test_the_alerting_pages_look_for_rules(shop):
    for kind in ("", "?type=alert", "?type=record", "?exclude_alerts=true", "?group_limit=40"):
        data = shop.get(f"{API}/rules{kind}", headers=GO).json()["data"]
        for group in data["groups"]:
            assert {"name", "file", "rules", "interval", "evaluationTime", "lastEvaluation"} <= set(group)
            for rule in group["rules"]:
                assert {"name", "query", "health", "type"} <= set(rule)
                if rule["type"] == "alerting":
                    assert rule["state"] in {"inactive", "pending", "firing"}
                    assert isinstance(rule["duration"], int | float)
    assert shop.get(f"{API}/alerts", headers=GO).json()["data"] == {"alerts": []}


def test_a_panel(shop):
    end = shop.clock.now() / 1000
    start = end - 40
    fields = {
        "query": "rate(requests_total[30s])",
        "start": f"{start:.10g}",
        "end": f"{end:.10g}",
        "step": "10",
        "timeout": "60s",
    }
    body = query(shop, "query_range", **fields).json()
    assert body["data"]["resultType"] == "matrix"
    for series in body["data"]["result"]:
        assert set(series) == {"metric", "values"}
        for at, value in series["values"]:
            assert start <= at <= end
            assert float(value) >= 0
    # A step may be a fraction, and times may have many digits.
    fields = {"query": "up", "start": "1767600015.1234567", "end": "1767600045.5", "step": "0.5"}
    assert query(shop, "query_range", **fields).status == 200
    for at in ("2026-01-05T08:00:30Z", "2026-01-05T08:00:30.123Z", "2026-01-05T09:00:30+01:00"):
        assert query(shop, "query", query="up", time=at).json()["data"]["resultType"] == "vector"


def test_a_table_and_notices(shop):
    body = query(shop, "query", query="sort(truth)", time=str(shop.clock.now() / 1000)).json()
    assert [set(row) for row in body["data"]["result"]] == [{"metric", "value"}] * 2
    noted = query(shop, "query", query="rate(truth[1m])", time=str(shop.clock.now() / 1000)).json()
    # Shown as a notice beside the panel.
    assert all(isinstance(text, str) for text in noted["infos"])


def test_errors_are_shown_as_they_are_told(shop):
    answer = query(shop, "query_range", query="sum(", start="1", end="2", step="1")
    assert answer.status == 400
    assert answer.json()["errorType"] == "bad_data"
    assert "parse error" in answer.json()["error"]


def test_exemplars_beside_a_panel(shop):
    assert query(
        shop, "query_exemplars", query="rate(requests_total[1m])", start="1767600000", end="1767600060"
    ).json() == {"status": "success", "data": []}


@pytest.fixture
def times(shop):
    now = shop.clock.now() // 1000
    return {"start": str(now - 3600), "end": str(now)}


def test_variables(shop, times):
    # label_names(), label_values(label), label_values(metric, label), metrics(), query_result()
    assert "job" in query(shop, "labels", **times).json()["data"]
    assert query(shop, "labels", **times, **{"match[]": 'truth{job="api"}', "limit": "40000"}).json()["data"] == [
        "__name__",
        "instance",
        "job",
    ]
    values = f"{API}/label/job/values?{urlencode({**times, 'match[]': 'truth', 'limit': '40000'})}"
    assert shop.post(values, headers=GO).status == 405
    assert shop.get(values, headers=GO).json()["data"] == ["api"]
    names = shop.get(f"{API}/label/__name__/values?{urlencode(times)}", headers=GO).json()["data"]
    assert {"up", "truth", "requests_total"} <= set(names)
    found = query(shop, "series", **times, **{"match[]": ['{__name__="truth"}', "up"], "limit": "100"}).json()["data"]
    assert all(isinstance(series, dict) for series in found)
    # Look-ups may be sent with a form, and with parameters in the address besides.
    both = shop.post(f"{API}/series?{urlencode(times)}", form={"match[]": "truth"}, headers=GO)
    assert len(both.json()["data"]) == 2


def test_the_query_editor(shop, times):
    assert shop.post(f"{API}/metadata", headers=GO).status == 405
    told = shop.get(f"{API}/metadata?limit=40000", headers=GO).json()["data"]
    for entries in told.values():
        for entry in entries:
            assert set(entry) == {"type", "help", "unit"}
    # Names that are no plain words go into an address in this spelling.
    assert shop.get(f"{API}/label/U__http_2e_route/values?{urlencode(times)}", headers=GO).json()["data"] == []
    cut = shop.get(f"{API}/label/__name__/values?limit=2", headers=GO).json()
    assert (len(cut["data"]), cut["warnings"]) == (2, ["results truncated due to limit"])
    assert query(shop, "format_query", query="sum(up)by(job)").json()["data"] == "sum by (job) (up)"
    assert query(shop, "parse_query", query="up").json()["data"]["type"] == "vectorSelector"
    assert json.loads(query(shop, "query", query=quote("1"), time="4").body)["status"] == "success"
