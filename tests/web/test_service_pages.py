"""The pages of services and the same by the API."""

from __future__ import annotations

import re

import pytest
from deploy_kit import DeployShop
from web_kit import HYPERCARE, RULES

from hypercare.config import parse_matchers
from hypercare.config.services import Service
from hypercare.model.alerts import AlertState
from hypercare.model.labels import Labels
from hypercare.model.matchers import matches_all
from hypercare.model.runbooks import Runbook
from hypercare.reports.service_rules import runbooks_of, silences_of
from hypercare.routing.silences import Silence
from hypercare.rules import RuleStatus

TIMES = "\N{MULTIPLICATION SIGN}"
API = "/api/hypercare/v1/services"
SERVICES = """services:
  - name: api
    tier: 1
    owner: team
    runbook: "https://wiki.example/api"
    slo: {error_rate: 1%, errors: 'sum(rate(requests_total{code="500"}[$window]))', total: 'sum(rate(requests_total[$window]))'}
  - {name: "web/shop & <co>", match: ['team="web"'], escalation: quiet}
"""
TEXT = HYPERCARE.replace(
    'services:\n  - {name: api, tier: 1, owner: team, runbook: "https://wiki.example/api"}\n', SERVICES
).replace("{name: ana, contact", "{name: ana, full_name: Ana <i>, email: ana@shop.example, contact").replace(
    "escalations:\n", "escalations:\n  - {name: quiet, steps: [{notify: [ben], after: 2m}]}\n"
)  # fmt: skip
MORE_RULES = """\
      - record: service:requests:rate1m
        expr: sum by (service) (rate(requests_total[1m]))
      - alert: Hungry
        expr: process_resident_memory_bytes{job="api"} > 2147483648
        annotations: {runbook_url: "https://wiki.example/hungry"}
"""


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@pytest.fixture
def shop(make):
    one = make(text=TEXT, rules=RULES + MORE_RULES)
    for target in one.targets:
        target.gauge("process_resident_memory_bytes", 3e8)
    one.run(200)
    return one


def test_all_is_well(shop):
    text = plain(shop.get("/services").text)
    assert re.search(r"api ok tier 1 · team on call: Ana &lt;i&gt; until .* error budgets errors 99 % 100 % left", text)
    assert re.search(r"web/shop &amp; &lt;co&gt; unknown tier 3 nothing watches it: .* on call: ben", text)
    assert shop.get("/fragments/services").text in shop.get("/services").text
    page = shop.get("/services/api").text
    assert shop.get("/fragments/services/api").text in page
    text = plain(page)
    for said in (
        "Nothing is wrong that is watched.", "Nothing fires.", "Open incidents None.", "errors 99 % 100 % left",
        "None is known. hypercare deploy start api VERSION", "None touches it.", "up api api:80", "Nothing yet.",
    ):  # fmt: skip
        assert said in text, said
    # Who is reached, and how: the schedule at once, ben after five minutes.
    assert '<a href="mailto:ana@shop.example">Ana &lt;i&gt;</a>' in page
    assert re.search(r"Ana &lt;i&gt; primary, at once, until .*, then ben, by console ben after 5m, by console", text)
    assert 'href="https://wiki.example/hungry"' in page
    assert "for Hungry" in text


def test_what_is_drawn_comes_from_the_configuration_and_has_units(shop):
    found = shop.get(f"{API}/api").json()["charts"]
    assert [(c["title"], c["unit"], c["op"], c["threshold"]) for c in found] == [
        ("requests", "/s", "", None),
        ("errors: share that is bad", "ratio", ">", 0.01),
        ("Broken", "", "==", 0),
        ("Hungry", "bytes", ">", 2147483648),
        ("service:requests:rate1m", "/s", "", None),
        ("job:up:sum", "", "", None),
    ]
    page = shop.get("/services/api").text
    assert page.count('class="curve"') == 5
    assert re.findall(r">([\d.]+/s)</text>", page)
    assert "2 GiB" in plain(page)
    assert "process_resident_memory_bytes{job=&#34;api&#34;} &gt; 2 GiB" in page
    # Asked again at once the same is shown, later it is drawn anew.
    assert shop.get("/fragments/services/api").text in page
    shop.run(60)
    assert shop.get("/fragments/services/api").text not in page


def test_at_night(shop):
    silence = {"matchers": [{"name": "alertname", "value": "Hungry", "isRegex": False}], "createdBy": "ben",
               "startsAt": "2026-01-05T08:00:00Z", "endsAt": "2026-01-05T20:00:00Z", "comment": "known"}  # fmt: skip
    assert shop.post("/api/v2/silences", body=silence).status == 200
    other = {**silence, "matchers": [{"name": "service", "value": "web", "isRegex": False}]}
    assert shop.post("/api/v2/silences", body=other).status == 200
    shop.break_it()
    text = plain(shop.get("/services").text)
    assert re.search(r"api critical tier 1 · team Broken: it is 0 2 alerts firing 2 pending P1 #1 it is 0 open", text)
    page = shop.get("/services/api").text
    text = plain(page)
    assert re.search(r"Firing alerts critical Broken api it is 0 began", text)
    assert re.search(r"Open incidents P1 #1 it is 0 open", text)
    assert '<form method="post" class="actions" action="/incidents/1/act">' in page
    assert text.count("alertname=&#34;Hungry&#34;") + text.count('alertname="Hungry"') == 1
    assert "service=&#34;web&#34;" not in page
    assert re.search(r"incident #1 incident 1 opened as P1", text)
    assert re.search(rf"2{TIMES} Broken fires", text)
    assert 'class="opened"' in page
    one = shop.get(f"{API}/api").json()
    assert (one["status"], one["firing"], [i["number"] for i in one["incidents"]]) == ("critical", 2, [1])
    assert one["alerts"][0]["name"] == "Broken"
    assert one["on_call"]["person"] == "ana"
    assert one["happened"][0]["at"].startswith("2026-01-05T08:0")

    # From everywhere one comes here.
    for path in ("/", "/alerts", "/incidents", "/incidents/1"):
        assert '<a href="/services/api">' in shop.get(path).text, path

    for target in shop.targets:
        target.gauge("truth", 1)
    shop.run(40)
    text = plain(shop.get("/services/api").text)
    assert re.search(r"api warning incident #1 is open tier 1 .* Firing alerts Nothing fires", text)
    shop.post("/incidents/1/act", form={"act": "ack", "by": "ana"})
    shop.post("/incidents/1/act", form={"act": "resolve", "by": "ana"})
    assert re.search(r"Resolved lately P1 #1 it is 0 just now , took \d+s", plain(shop.get("/services/api").text))


def test_services_that_only_labels_name_and_odd_names(shop):
    alert = {"labels": {"alertname": "Queue", "service": "a b/ü?", "severity": "warning"}, "annotations": {}}
    assert shop.post("/api/v2/alerts", body=[alert]).status == 200
    shop.run(5)
    names = [line["name"] for line in shop.get(API).json()]
    assert names == ["api", "web/shop & <co>", "a b/ü?"]
    assert shop.get(API).json()[2]["configured"] is False
    page = shop.get("/services").text
    paths = re.findall(r'data-open href="([^"]+)"', page)
    assert paths == ["/services/api", "/services/web/shop%20%26%20%3Cco%3E", "/services/a%20b/%C3%BC%3F"]
    for path, name in zip(paths, names, strict=True):
        found = shop.get(path)
        assert found.status == 200
        assert "<co>" not in found.text
        assert shop.get(f"/api/hypercare/v1{path}").json()["name"] == name
    assert "Not in the configuration" in shop.get(paths[2]).text
    assert shop.get("/services/nobody").status == 404
    assert "no service 'nobody' is known" in shop.get(f"{API}/nobody").json()["error"]


def test_deployments_of_a_service(make):
    one = DeployShop(make)
    one.run(65)
    one.deploy("v1")
    one.run(61)
    one.deploy("v2")
    one.run(15)
    shop = one.shop
    line = shop.get(API).json()[0]
    assert (line["version"]["name"], line["watch"]["phase"], line["watch"]["next"]["number"]) == ("v2", "intensive", 2)
    assert re.search(r"#2 v2 is watched, phase intensive checkpoint in \d+m", plain(shop.get("/services").text))
    one.bad()
    one.run(20)
    text = plain(shop.get("/services/api").text)
    # It was rolled back: what runs is the version before.
    assert "version v1 (v2 was rolled back, deployment #2)" in text
    assert re.search(r"#2 v2 FAILURE went out .* by ci #1 v1 INCONCLUSIVE went out", text)
    assert "deployment #2 roll-back helped" in text
    assert "None. Write slo: {availability: 99.9}" in text
    drawn = [(c["title"], c["unit"], c["threshold"]) for c in shop.get(f"{API}/api").json()["charts"]]
    assert drawn == [("memory", "bytes", 2e9), ("llm cost", "$/h", None), ("http errors", "ratio", 0.05)]
    assert "0 GB 1 GB 2 GB" in text
    assert '<a href="/services/api">' in shop.get("/deployments").text
    assert '<a href="/services/api">' in shop.get("/deployments/2").text


def test_nothing_is_known(make):
    shop = make(text=HYPERCARE.split("services:")[0] + "people: [{name: ana}]\ncollect: {host: {enabled: false}}\n")
    shop.run(20)
    assert "No service is known. Name them in hypercare.yml" in plain(shop.get("/services").text)
    assert shop.get(API).json() == []
    # A job is no service in the list, but its page says what is known.
    text = plain(shop.get("/services/api").text)
    assert "Not in the configuration" in text
    assert "up api api:80" in text


def test_what_a_service_selects_is_what_its_selectors_say():
    for service in (Service(name="api"), Service(name="api", match=('team="a"', 'tier=~"1|2"'))):
        for labels in ({"service": "api"}, {"job": "api"}, {"service": "x", "job": "api"}, {"service": "apis"}, {},
                       {"team": "a"}, {"team": "a", "tier": "2"}, {"service": "api", "team": "b", "tier": "1"}):  # fmt: skip
            found = Labels.of(labels)
            assert service.selects(found) == any(matches_all(ms, found) for ms in service.selectors), labels


def test_silences_and_runbooks_that_touch_a_service():
    service = Service(name="api", runbook="pool")
    books = (Runbook("pool", "", "Pool", "", services=("web",)), Runbook("slow", "", "Slow answers", "", ("Slow",)),
             Runbook("all", "", "All", "", services=("api",)))  # fmt: skip
    rules = tuple(
        RuleStatus("alerting", name, "up", Labels.of(service="api", severity="warning"), Labels.of(links), "ok", "", None,
                   AlertState.INACTIVE, 0, 0, ())
        for name, links in (("Slow", {}), ("Down", {"runbook_url": "https://w.example/down/"}), ("Odd", {"runbook_url": "https://w.example/{{ $labels.x }}"}))
    )  # fmt: skip
    found = runbooks_of(books, service, rules, [("Down", "https://w.example/down/")])
    assert [(r.title, r.url, r.alerts) for r in found] == [
        ("Pool", "/runbooks/pool", ()), ("All", "/runbooks/all", ()), ("down", "https://w.example/down/", ("Down",)),
        ("Slow answers", "/runbooks/slow", ("Slow",)),
    ]  # fmt: skip
    wanted = {
        'service="api"': True, 'service="web"': False, 'service=~"a.*"': True, 'alertname="Slow"': True,
        'alertname="Other"': False, 'severity="warning"': True, 'severity="critical"': False, 'service!="web"': True,
        'instance="x"': False, 'alertname="Slow", instance="x"': True, 'job="api"': True, 'service="api", severity="critical"': True,
        'team="a"': True,
    }  # fmt: skip
    firing = (Labels.of(alertname="Slow", service="api", team="a"),)
    for text, touches in wanted.items():
        silence = Silence("s", (parse_matchers(text),), 0, 100)
        lines = silences_of([silence], service, firing, rules, 50)
        assert bool(lines) == touches, text
        assert not silences_of([silence], service, firing, rules, 200)
    assert silences_of([Silence("s", (parse_matchers('team="a"'),), 0, 100)], service, firing, rules, 50)[0].hits == 1
