"""The ways to people: what the API and the page tell of them, and tests that are sent from there."""

from __future__ import annotations

import pytest
from web_kit import HYPERCARE, Shop

from hypercare.channels.fake import broken, refused
from hypercare.channels.webhook.fake import FakeWebhook
from hypercare.kernel.tables import outbox

BASE = "/api/hypercare/v1/channels"
HOOKS = """  receivers:
    - {name: hook, webhook_configs: [{url: "http://hook/a"}, {url: "http://other/b"}]}
    - {name: other}
"""


class Hooked(Shop):
    def __init__(self, folder, more=""):
        super().__init__(folder, more, text=HYPERCARE.replace("  receivers: [{name: hook}, {name: other}]\n", HOOKS))
        self.fakes = {"hook": FakeWebhook(), "other": FakeWebhook()}
        for name, fake in self.fakes.items():
            self.world.host(name, fake.answer)

    def try_out(self, **body):
        return self.later(f"{BASE}/test", body=body)

    def later(self, path, **given):
        """A request during which virtual time passes."""
        step = self.app.kernel.step
        self.app.kernel.step = lambda: step() or (self.sim.run_for(50) or True)
        try:
            return self.request("POST", path, **given)
        finally:
            self.app.kernel.step = step


@pytest.fixture
def shop(tmp_path):
    made = Hooked(tmp_path)
    yield made
    made.close()


def test_a_test_arrives_everywhere_and_is_seen(shop):
    before = {(w["name"], w["channel"]): w["status"] for w in shop.get(BASE).json()}
    assert before == {("hook", "webhook"): "unknown", ("ana", "console"): "unknown", ("ben", "console"): "unknown"}
    answer = shop.try_out(receiver="hook", by="ana").json()
    assert [(o["channel"], o["status"], o["error"]) for o in answer] == [("webhook", "delivered", "")] * 2
    [message] = shop.fakes["hook"].messages
    assert message["alerts"][0]["labels"]["alertname"] == "HypercareTest"
    assert "ana asked" in message["alerts"][0]["annotations"]["description"]
    after = [w for w in shop.get(BASE).json() if w["name"] == "hook"]
    assert [(w["status"], w["waiting"], w["delivered_at"] is not None) for w in after] == [("ok", 0, True)] * 2


def test_what_goes_wrong_is_told(shop):
    shop.fakes["hook"].trouble(refused())
    shop.fakes["other"].trouble(*[broken()] * 20)
    answer = shop.try_out(receiver="hook").json()
    assert [o["status"] for o in answer] == ["failed", "delayed"]
    assert "never" in answer[0]["error"]
    assert "503" in answer[1]["error"]
    found = [w for w in shop.get(BASE).json() if w["name"] == "hook"]
    assert [(w["status"], w["waiting"]) for w in found] == [("critical", 0), ("warning", 1)]
    # It is not tried for a day, as what matters is.
    shop.run(90)
    assert shop.app.kernel.outbox.pending() == 0


def test_a_test_of_a_person(shop):
    answer = shop.try_out(person="ana", by="ben").json()
    assert [(o["channel"], o["status"]) for o in answer] == [("console", "delivered")]
    assert any("Test of hypercare: nothing is wrong" in line for line in shop.ports.console.lines)
    assert shop.get("/api/hypercare/v1/incidents").json() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"receiver": "nobody"}, 404), ({"person": "nobody"}, 404), ({"receiver": "other"}, 409), ({}, 400),
        ({"receiver": "hook", "person": "ana"}, 400),
    ],
)  # fmt: skip
def test_whom_nobody_knows(shop, body, status):
    assert shop.post(f"{BASE}/test", body=body).status == status


def test_the_page_has_all_and_a_button(shop):
    shop.fakes["other"].trouble(refused())
    page = shop.get("/channels").text
    assert page.count(">Send a test<") == 3
    assert "nothing delivered yet" in page
    answer = shop.later("/channels/test", form={"kind": "receiver", "name": "hook"})
    assert (answer.status, answer.headers["location"]) == (303, "/channels")
    page = shop.get("/channels").text
    assert "webhook: delivered; webhook: failed (HTTP 400: never)" in page
    assert 'badge critical">' in page
    assert "Send a test" in shop.get("/fragments/channels").text


def test_old_deliveries_are_forgotten_and_new_ones_kept(tmp_path):
    shop = Hooked(tmp_path, "channels: {keep: 1h}\n")
    shop.try_out(receiver="hook")
    count = outbox.select().with_only_columns(outbox.c.id)
    with shop.app.state.read() as db:
        assert len(db.execute(count).all()) == 2
    shop.run(3600 + 3700)
    with shop.app.state.read() as db:
        assert db.execute(count).all() == []
    shop.close()
