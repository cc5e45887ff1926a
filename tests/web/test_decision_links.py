"""Two taps from the notification to the decision: approved or declined by a signed link, once, in time, by who may."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from web_kit import HYPERCARE, Shop

from hypercare.access.audit import load
from hypercare.kernel.tables import outbox
from hypercare.model.time import MINUTE

BASE = "/api/hypercare/v1/actions"
MAIL = "{name: ana, email: ana@shop.example, contact: [{channel: console}, {channel: webhook, url: 'http://phone/'}]}"
MORE = """
web: {external_url: "https://care.example"EXTRA}
actions:
  - {name: rollback, command: [rollback, $service], approval: true, approve_within: 10m, tell: [ana]}
"""


class Asked(Shop):
    """A roll-back waits for ana, who was sent two links."""

    def __init__(self, folder, extra=""):
        text = HYPERCARE.replace("{name: ana, contact: [{channel: console}]}", MAIL)
        super().__init__(folder, text=text + MORE.replace("EXTRA", extra))
        self.ask("api")

    def ask(self, *service, **given):
        if given or len(service) != 1:
            return super().ask(*service, **given)
        command = {"by": "ci", "reason": "errors <7 %>", "context": {"service": service[0]}}
        return self.request("POST", f"{BASE}/rollback/run", body=command, headers=self.headers())

    def headers(self):
        return {}

    def choices(self):
        with self.app.state.read() as db:
            texts = db.execute(select(outbox.c.payload).where(outbox.c.channel == "webhook")).scalars()
            contents = [json.loads(text)["content"] for text in texts]
        found = next(c["choices"] for c in reversed(contents) if "choices" in c)
        return {c["name"]: c["url"].removeprefix("https://care.example") for c in found}

    def state(self, number=1):
        with self.app.state.read() as db:
            from hypercare.actions.store import load_run

            run = load_run(db, number)
        return run.state, run.decided_by

    def journal(self):
        with self.app.state.read() as db:
            return [(row.who, row.action, row.via, row.request) for row in load(db)]


@pytest.fixture
def asked(tmp_path):
    return Asked(tmp_path)


def test_two_taps_approve_once(asked):
    links = asked.choices()
    assert list(links) == ["Approve", "Decline"]
    page = asked.get(links["Approve"])
    assert page.status == 200
    assert "Approve rollback of api?" in page.text
    assert "errors &lt;7 %&gt;" in page.text
    assert "as ana" in page.text
    assert page.headers["cache-control"] == "no-store"
    # Whoever only looks, such as a scanner of mails, decides nothing.
    assert asked.state() == ("waiting", "")
    done = asked.request("POST", links["Approve"])
    assert done.status == 200
    assert "decided by ana" in done.text
    assert "<button" not in done.text
    assert asked.state() == ("running", "ana")
    assert asked.journal()[0] == ("ana", "approve_run", "signed link", "POST /d/…")
    # Neither link does anything more.
    for link in links.values():
        again = asked.request("POST", link)
        assert again.status == 409
        assert "does not wait for an approval" in again.text
        assert "<button" not in asked.get(link).text
    asked.run(5)
    assert asked.state() == ("done", "ana")


def test_declined(asked):
    assert asked.request("POST", asked.choices()["Decline"]).status == 200
    assert asked.state() == ("refused", "ana")


def test_links_that_decide_nothing(asked):
    links = asked.choices()
    link = links["Approve"]
    assert asked.request("POST", link.replace("/d/", "/a/")).status == 403
    assert asked.request("POST", link[:-2]).status == 403
    page = asked.app.channels.url_of("/d/", _link("ack", asked)).removeprefix("https://care.example")
    assert asked.request("POST", page).status == 403
    stranger = asked.app.channels.url_of("/d/", _link("approve", asked, "zoe")).removeprefix("https://care.example")
    assert "not among the people" in asked.request("POST", stranger).text
    asked.clock.advance_to(asked.clock.now() + 10 * MINUTE)
    assert "too old" in asked.get(link).text
    assert asked.request("POST", link).status == 403
    asked.run(1)
    assert asked.state()[0] == "refused"


def _link(action, asked, person="ana"):
    from hypercare.channels.links import Link

    return Link(action, "1", person, asked.clock.now() + MINUTE)


@pytest.mark.parametrize(
    ("users", "status"),
    [
        ("{name: ana, role: responder, password_hash: x}", 200),
        ("{name: ana, role: viewer, password_hash: x}", 403),
        ("{name: ben, role: admin, password_hash: x}", 403),
    ],
)
def test_the_account_says_who_may_decide(tmp_path, users, status):
    class Closed(Asked):
        def headers(self):
            return {"authorization": "Bearer t0ken"}

    shop = Closed(tmp_path, f", token: t0ken, users: [{users}]")
    link = shop.choices()["Approve"]
    assert shop.get(link).status == status
    assert shop.request("POST", link).status == status
    assert shop.state()[0] == ("running" if status == 200 else "waiting")
