"""The pages of deployments: what stands on them while a watch runs and afterwards, and what their forms do."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from deploy_kit import DeployShop

from hypercare.deploys import store


@pytest.fixture
def releases(make):
    """v1 went well, v2 brings errors after a quarter of an hour and is rolled back, v3 is out for 24 minutes."""
    one = DeployShop(make)
    one.run(65)
    one.deploy("v1")
    one.run(61)
    one.deploy("v2")
    one.run(15)
    one.bad()
    one.run(20)
    one.deploy("v3")
    one.run(24)
    return one


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_whole_way(releases):
    shop = releases.shop
    text = plain(shop.get("/deployments").text)
    assert re.search(r"#3 api v3 running no findings checkpoint 3 with a verdict in 6m", text)
    assert re.search(r"#2 api v2 after v\d|#2 api v2 FAILURE", text)
    assert "#1 api v1" in text
    assert shop.get("/fragments/deployments").text in shop.get("/deployments").text
    only = plain(shop.get("/deployments?service=other").text)
    assert "No deployment is watched now." in only

    # The running one: phases, the countdown, checks against their bands.
    page = shop.get("/deployments/3").text
    assert 'class="countdown-to" datetime="2026-01-05T11:' in page
    assert page.count('class="curve"') == 3
    assert page.count('<circle class="missed"') == 1
    assert page.count('<circle class="taken"') == 1
    assert page.count('<circle class="ahead"') == 3
    assert re.search(r"intensive over to 20m, every 10m standard runs to 1h, every 20m", plain(page))
    assert re.search(r"http errors ok 0\.\d+ % .*target 0\.1 % warning 1 % critical 5 %", plain(page))
    assert "how many customers &lt;b&gt;complained&lt;/b&gt;?" in page
    assert 'class="band"' in page
    assert shop.get("/fragments/deployment/3").status == 200
    assert shop.get("/deployments/api").text == page

    # The one that was rolled back: finding with reason, query, picture; the action; the verdict with its evidence.
    page = shop.get("/deployments/2").text
    text = plain(page)
    assert re.search(r"critical http errors by limit", text)
    assert "is above the critical limit of 5 % for 1m" in text
    assert "sum(rate(http_requests_total{service=&#34;api&#34;,status=&#34;500&#34;}[2m]))" in page
    assert re.search(r"roll-back helped asked for", text)
    assert re.search(r"FAILURE at the end fail rolled back", text)
    assert 'class="found critical"' in page

    page = shop.get("/deployments/compare?a=1&b=2").text
    text = plain(page)
    assert re.search(r"#1 api v1 INCONCLUSIVE .* #2 api v2 FAILURE", text)
    assert "nobody has answered" in text
    assert re.search(r"memory (49|50)\d MB (49|50)\d MB [+-]0\.\d+ %", text)
    assert re.search(r"After #1 #2 10m 0\.1\d* % 0\.1\d* %", text)
    assert 'class="other"' in page
    assert shop.get("/deployments/compare?a=1&b=99").status == 404
    assert shop.get("/deployments/99").status == 404

    _forms(releases)
    _files(releases)


def _forms(releases):
    shop = releases.shop

    def post(what, **form):
        answer = shop.post(f"/deployments/3/{what}", form={"by": "ana", **form})
        assert (answer.status, answer.headers["location"]) == (303, "/deployments/3")
        return plain(shop.get("/deployments/3").text)

    text = post("sign", name="2", text="quiet <i>", extra="none")
    assert "checkpoint 2 signed: quiet &lt;i&gt;" in text
    assert "ana has signed checkpoint 2 already" in unquote(post("sign", name="2"))
    assert "expected the number of a checkpoint" in post("sign", name="x")
    assert "complaints: pass, one" in post("answer", name="complaints", extra="pass", text="one")
    assert "unknown answer" in post("answer", name="complaints", extra="perhaps")
    assert "a note of mine" in post("note", text="a note of mine")
    assert "roll-back is asked for: to see" in post("action", name="roll-back", text="to see")
    assert "changed my mind" in post("cancel", text="changed my mind")
    assert releases.watch("3").status == "cancelled"
    assert 'action="/deployments/3/cancel"' not in shop.get("/deployments/3").text
    assert shop.post("/deployments/3/dance", form={}).status == 404
    assert shop.post("/deployments/77/note", form={"text": "x"}).status == 404
    started = shop.post("/deployments", form={"service": "api", "version": "v4", "by": "ana"})
    assert started.headers["location"] == "/deployments/4"
    shop.post("/deployments", form={"service": "api", "version": "v5", "by": "ana"})
    assert "api v4 is being watched" in plain(shop.get("/deployments").text)


def _files(releases):
    shop = releases.shop
    answer = shop.get("/deployments/2/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert "sha256-" in answer.headers["content-security-policy"]
    assert shop.get("/deployments/2/report.html").body == answer.body
    assert shop.get("/deployments/2/report.md").text.startswith("# Deployment 2: api v2")
    assert shop.get("/deployments/2/report.json").json()["verdict"] == "FAILURE"
    assert shop.get("/deployments/2/report.doc").status == 400
    csv = shop.get("/deployments/2/export.csv")
    assert csv.headers["content-disposition"] == 'attachment; filename="deployment-2.csv"'
    assert csv.text.count(",watch,") > 10
    assert shop.get("/deployments/2/export.om").text.endswith("# EOF\n")
    assert shop.get("/deployments/2/export.xls").status == 400


def test_two_colours_are_drawn_beside_each_other(make):
    one = DeployShop(make, baseline="other_color")
    one.run(5)
    one.deploy("v1")
    one.run(45)
    page = one.shop.get("/deployments/1").text
    assert 'class="other"' in page
    assert re.search(r"llm cost warning 3 \$/h .*? baseline 2 \$/h", plain(page))
    assert "blue" in page


def test_curves_are_drawn_from_checkpoints_where_the_metrics_are_gone(make, monkeypatch):
    one = DeployShop(make)
    one.run(5)
    one.deploy("v1")
    one.run(11)
    one.deploy("v2", replace=True)
    shop = one.shop
    monkeypatch.setattr(type(shop.app.engine), "range", _gone)
    page = plain(shop.get("/deployments/1").text)
    assert "Drawn from the readings at checkpoints" in page


def _gone(*_):
    from hypercare.promql import PromqlError

    raise PromqlError("gone")


def test_nothing_yet(shop):
    text = plain(shop.get("/deployments").text)
    assert "No deployment is watched now." in text
    assert "There is no plan" in text
    assert store.RUNNING not in text.split("History")[1]
