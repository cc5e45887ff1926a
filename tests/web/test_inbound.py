"""People answer where they were told: Slack's buttons and threads, PagerDuty, signed links; forged answers are refused."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from web_kit import HYPERCARE, Shop

from hypercare.channels.fake import Signed
from hypercare.channels.memory import load_open
from hypercare.channels.pagerduty.fake import FakePagerduty
from hypercare.channels.slack.fake import FakeSlack
from hypercare.incidents.store import load_incidents, load_timeline
from hypercare.model.time import DAY, HOUR, MINUTE
from hypercare.routing.store import load_silences

INBOUND = "/api/hypercare/v1/inbound"
RECEIVER = """  receivers:
    - name: hook
      slack_configs: [{channel: "#ops", send_resolved: true}]
      pagerduty_configs: [{routing_key: rk}]
    - {name: other}
  global: {slack_app_token: xoxb-fake, smtp_from: "hc@shop.org", smtp_smarthost: "mail:25"}
"""
ANSWERS = """
channels:
  slack: {signing_secret: fake-signing-secret}
  pagerduty: {webhook_secrets: [old-secret, fake-webhook-secret]}
web: {external_url: "https://hc.shop.org"}
"""


class Team(Shop):
    """The shop, told over Slack, PagerDuty and mail."""

    def __init__(self, folder, answers=ANSWERS, people=None):
        text = HYPERCARE.replace("  receivers: [{name: hook}, {name: other}]\n", RECEIVER)
        ana = "{name: ana, slack_id: UANA, pagerduty_id: PANA, contact: [{channel: email, to: ana@shop.org}]}"
        text = text.replace("{name: ana, contact: [{channel: console}]}", people or ana)
        super().__init__(folder, answers, text=text)
        self.slack, self.pagerduty = FakeSlack(), FakePagerduty("rk")
        self.told = []
        self.world.host("slack.com", self.slack.answer)
        self.world.host("events.pagerduty.com", self.pagerduty.answer)
        self.world.host("hooks.slack.com", self._ephemeral)

    def _ephemeral(self, request, now):
        self.told.append(request.body.decode())
        return FakeSlack().answer(request, now)

    def send(self, path, signed):
        answer = self.request("POST", f"{INBOUND}/{path}", headers=signed.headers, data=signed.body)
        self.run(2)
        return answer

    def incident(self):
        with self.app.state.read() as db:
            [found] = load_incidents(db)
            return found

    def lines(self):
        with self.app.state.read() as db:
            return [(e.kind, e.by, e.text) for e in load_timeline(db, self.incident().id)]


@pytest.fixture
def team(tmp_path):
    made = Team(tmp_path)
    made.break_it()
    yield made
    made.close()


def mended(team):
    for target in team.targets:
        target.gauge("truth", 1)
    team.run(40)


def test_one_slack_message_a_group_that_changes_with_what_people_do(team):
    critical, *_ = team.slack.roots
    assert list(critical.buttons) == ["Acknowledge", "Resolve", "Silence 1h", "Silence 4h", "Silence 1d"]
    assert "[FIRING:2] Broken" in critical.text
    answer = team.send("slack/actions", team.slack.press(critical, "Acknowledge", "UANA", team.clock.now()))
    assert (answer.status, answer.body) == (200, b"")
    assert (team.incident().status, team.incident().acknowledged_by) == ("acknowledged", "ana")
    assert list(critical.buttons) == ["Resolve", "Silence 1h", "Silence 4h", "Silence 1d"]
    assert "Incident #1 acknowledged by ana" in critical.text
    assert team.slack.replies(critical) == ["Incident #1 acknowledged by ana"]
    mended(team)
    assert "[RESOLVED]" in critical.text
    assert critical.buttons == {}
    assert "2 resolved: Broken" in team.slack.replies(critical)[-1]
    assert len([m for m in team.slack.roots if "Broken" in m.text]) == 1
    for target in team.targets:
        target.gauge("truth", 0)
    team.run(40)
    # What was over and begins again is a new message: nobody looks for news in an old one.
    assert len([m for m in team.slack.roots if "Broken" in m.text]) == 2


def test_a_page_is_not_reported_as_delivered_again_when_the_message_follows(team):
    team.send("slack/actions", team.slack.press(team.slack.roots[0], "Acknowledge", "UANA", team.clock.now()))
    assert [kind for kind, _, _ in team.lines()].count("page_delivered") == 1


def test_resolve_and_silence_by_buttons(team):
    message = team.slack.roots[0]
    team.send("slack/actions", team.slack.press(message, "Silence 4h", "UANA", team.clock.now()))
    with team.app.state.read() as db:
        [silence] = load_silences(db)
    assert silence.created_by == "ana"
    assert silence.ends_at - silence.starts_at == 4 * HOUR
    assert {str(m) for m in silence.matcher_sets[0]} >= {'alertname="Broken"', 'service="api"', 'severity="critical"'}
    assert "Silenced for 4h" in team.told[-1]
    team.send("slack/actions", team.slack.press(message, "Resolve", "UANA", team.clock.now()))
    assert (team.incident().status, team.incident().resolved_by) == ("resolved", "ana")


def test_who_is_not_known_is_refused_and_told_so(team):
    team.send("slack/actions", team.slack.press(team.slack.roots[0], "Acknowledge", "UEVE", team.clock.now()))
    assert team.incident().status == "open"
    assert "slack_id: UEVE" in team.told[-1]


def test_everybody_of_the_workspace_may_press_where_that_is_said(tmp_path):
    secret = "signing_secret: fake-signing-secret"
    team = Team(tmp_path, ANSWERS.replace(secret, f"{secret}, unknown_users: allow"))
    team.break_it()
    pressed = team.slack.press(team.slack.roots[0], "Acknowledge", "UEVE", team.clock.now(), "eve")
    team.send("slack/actions", pressed)
    assert team.incident().acknowledged_by == "eve (Slack)"
    team.close()


def test_what_is_written_in_the_thread_is_in_the_timeline_once(team):
    message, now = team.slack.roots[0], team.clock.now()
    team.send("slack/events", team.slack.write(message, "looks like the <database>", "UANA", now))
    team.send("slack/events", team.slack.write(message, "looks like the <database>", "UANA", now + 1000))
    team.send("slack/events", team.slack.write(message, "me too", "UEVE", now, "Ev2"))
    notes = [(by, text) for kind, by, text in team.lines() if kind == "note"]
    assert notes == [("ana", "looks like the <database>"), ("slack:UEVE", "me too")]
    challenge = team.slack.signed(b'{"type": "url_verification", "challenge": "c7"}', now, "application/json")
    assert team.send("slack/events", challenge).text == "c7"


def test_slash_commands(team):
    def ask(text, user="UANA"):
        return team.send("slack/commands", team.slack.command(text, user, team.clock.now())).json()["text"]

    assert ask("list") == "#1 P1 open: it is 0"
    assert ask("note 1 we look at it") == "Written into the timeline of incident #1."
    assert ask("ack 1") == "Incident #1 is acknowledged."
    assert "no incident 9" in ask("resolve 9")
    assert "slack_id: UEVE" in ask("ack 1", "UEVE")
    assert "`note 7" in ask("help")
    assert ("note", "ana", "we look at it") in team.lines()


FORGED = {
    "no signature": {"x-slack-signature": ""},
    "another signature": {"x-slack-signature": "v0=" + "0" * 64},
    "another version": {"x-slack-signature": "v1=" + "0" * 64},
    "no time": {"x-slack-request-timestamp": ""},
    "a time that is none": {"x-slack-request-timestamp": "soon"},
    "another time": {"x-slack-request-timestamp": "1767600100"},
}


@pytest.mark.parametrize("how", sorted(FORGED))
def test_forged_presses_are_refused(team, how):
    pressed = team.slack.press(team.slack.roots[0], "Acknowledge", "UANA", team.clock.now())
    answer = team.send("slack/actions", Signed(pressed.body, {**pressed.headers, **FORGED[how]}))
    assert answer.status == 401
    assert team.incident().status == "open"


def test_old_repeated_and_changed_presses_are_refused(team):
    message = team.slack.roots[0]
    old = team.slack.press(message, "Acknowledge", "UANA", team.clock.now() - 5 * MINUTE - 1000)
    assert "five minutes" in team.send("slack/actions", old).json()["error"]
    other = team.slack.press(message, "Resolve", "UANA", team.clock.now())
    changed = Signed(other.body.replace(b"UANA", b"UBOB"), other.headers)
    assert team.send("slack/actions", changed).status == 401
    assert team.incident().status == "open"
    silence = team.slack.press(message, "Silence 1h", "UANA", team.clock.now())
    assert team.send("slack/actions", silence).status == 200
    assert team.send("slack/actions", silence).json() == {"error": "this request came before"}


def test_bodies_that_make_no_sense_are_no_server_error(team):
    for path, body in (
        ("slack/actions", b"payload=nope"), ("slack/actions", b"payload=[1]"), ("slack/events", b"\xff"),
        ("slack/events", b"[" * 100_000),
    ):  # fmt: skip
        assert team.send(path, team.slack.signed(body, team.clock.now())).status == 400
    for body in (b"payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A7%7D", b"payload=%7B%7D"):
        assert team.send("slack/actions", team.slack.signed(body, team.clock.now())).status == 200


def test_without_secrets_nothing_is_taken(tmp_path):
    team = Team(tmp_path, 'web: {external_url: "https://hc.shop.org"}')
    team.break_it()
    [message, *_] = team.slack.roots
    assert message.buttons == {}
    for path in ("slack/actions", "slack/events", "slack/commands", "pagerduty"):
        answer = team.send(path, team.slack.signed(b"{}", team.clock.now()))
        assert (answer.status, "not configured" in answer.text) == (401, True)
    team.close()


def key_of(team):
    return next(e["dedup_key"] for e in team.pagerduty.events if "Broken" in e["payload"]["summary"])


def test_what_is_acknowledged_in_pagerduty_is_so_here_and_does_not_echo(team):
    key = key_of(team)
    before = len(team.pagerduty.requests)
    assert team.send("pagerduty", team.pagerduty.act(key, "acknowledged", "PANA")).json() == {
        "result": "1 incidents: ack"
    }
    assert (team.incident().status, team.incident().acknowledged_by) == ("acknowledged", "ana")
    assert len(team.pagerduty.requests) == before
    # Slack hears of it all the same.
    assert "Incident #1 acknowledged by ana" in team.slack.roots[0].text
    team.send("pagerduty", team.pagerduty.act(key, "triggered", "PANA"))
    assert team.incident().status == "open"
    team.send("pagerduty", team.pagerduty.act(key, "resolved", "PXYZ", "Bob"))
    assert team.incident().resolved_by == "Bob (PagerDuty)"
    assert len(team.pagerduty.requests) == before


def test_what_is_acknowledged_here_is_so_in_pagerduty_and_its_echo_changes_nothing(team):
    key = key_of(team)
    team.post("/api/hypercare/v1/incidents/1/ack", body={"by": "ben"})
    team.run(2)
    assert team.pagerduty.incidents[key] == "acknowledged"
    sent, lines = len(team.pagerduty.requests), team.lines()
    assert team.send("pagerduty", team.pagerduty.act(key, "acknowledged", "", "Events API")).json() == {
        "result": "known"
    }
    assert (len(team.pagerduty.requests), team.lines()) == (sent, lines)
    mended(team)
    assert team.pagerduty.incidents[key] == "resolved"


def test_pagerdutys_signature(team):
    signed = team.pagerduty.act(key_of(team), "resolved")
    for signature in ("", "v1=", "v2=" + signed.headers["x-pagerduty-signature"][-64:], "v1=" + "0" * 64):
        headers = {**signed.headers, "x-pagerduty-signature": signature}
        assert team.send("pagerduty", Signed(signed.body, headers)).status == 401
    changed = Signed(signed.body.replace(b"Ada", b"Eve"), signed.headers)
    assert team.send("pagerduty", changed).status == 401
    assert team.incident().status == "open"
    assert team.send("pagerduty", signed).status == 200
    assert team.send("pagerduty", signed).json() == {"result": "this event came before"}


def test_a_deleted_slack_message_is_posted_anew(team):
    message = team.slack.roots[0]
    team.slack.delete(message)
    team.send("slack/actions", team.slack.press(message, "Acknowledge", "UANA", team.clock.now()))
    again = next(m for m in team.slack.roots if "Broken" in m.text)
    assert again.ts != message.ts
    assert "acknowledged by ana" in again.text


def test_messages_are_remembered_over_a_restart(team):
    with team.app.state.read() as db:
        assert {m.channel for m in load_open(db)} == {"slack", "pagerduty"}


# -- links in mails ------------------------------------------------------------------------------------------------


def link_of(team):
    [mail] = team.ports.mailer.sent
    message = email.message_from_bytes(mail.message, policy=email.policy.default)
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    found = re.search(r"https://hc\.shop\.org(/a/\S+)", text)
    assert found
    assert f'href="https://hc.shop.org{found[1]}"' in html
    return found[1]


def test_two_taps_from_the_mail_to_the_acknowledgement(team):
    link = link_of(team)
    # The first tap opens the page; whoever only looks (a scanner of mails) changes nothing.
    page = team.get(link)
    assert page.status == 200
    assert team.get(link).text == page.text
    assert 'class="primary big"' in page.text
    assert "as ana" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert team.incident().status == "open"
    # The second one acknowledges.
    done = team.request("POST", link)
    assert done.status == 200
    assert "acknowledged by ana" in done.text
    assert "big" not in done.text
    assert (team.incident().status, team.incident().acknowledged_by) == ("acknowledged", "ana")


def test_a_link_works_without_a_session_where_everything_else_asks_for_one(tmp_path):
    team = Team(tmp_path, ANSWERS.replace("web: {", "web: {token: t0ken, "))
    team.break_it()
    link = link_of(team)
    assert team.get("/incidents/1").status == 401
    assert team.get(link).status == 200
    assert team.request("POST", link).status == 200
    assert team.incident().acknowledged_by == "ana"
    team.close()


def test_links_that_open_nothing(team):
    link = link_of(team)
    body, _, mac = link.partition(".")
    for broken in (
        body,
        f"{body}.",
        f"{body}.{mac[:-2]}",
        f"{body[:-1]}.{mac}",
        "/a/x.y",
        "/a/" + "A" * 3000,
        f"{body}.é",
    ):
        for method in ("GET", "POST"):
            assert team.request(method, broken).status == 403, broken
    team.clock.advance_to(team.clock.now() + DAY)
    assert "too old" in team.get(link).text
    assert team.request("POST", link).status == 403
    assert team.incident().status == "open"


def test_a_link_is_signed_with_the_secret_of_the_configuration(tmp_path):
    team = Team(tmp_path, ANSWERS + "  \n")
    team.break_it()
    link = link_of(team)
    text = team.file.read_text().replace("channels:\n", "channels:\n  links: {secret: another}\n")
    team.file.write_text(text)
    team.post("/-/reload")
    assert team.get(link).status == 403
    team.close()


def test_a_page_to_a_receiver_asks_who_takes_it(tmp_path):
    team = Team(tmp_path)
    text = team.file.read_text().replace(
        '{notify: ["schedule:primary"], after: 0s}', '{notify: ["receiver:hook"], after: 0s}'
    )
    team.file.write_text(text)
    team.post("/-/reload")
    team.break_it()
    url = next(e["client_url"] for e in team.pagerduty.events if e["dedup_key"].startswith("hypercare-incident"))
    link = url.removeprefix("https://hc.shop.org")
    assert "Who are you?" in team.get(link).text
    assert "Say who you are" in team.request("POST", link).text
    assert team.incident().status == "open"
    team.request("POST", link, form={"by": "ben"})
    assert team.incident().acknowledged_by == "ben"
    team.close()
