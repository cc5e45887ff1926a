"""Mails: both forms, threads, and no header that somebody else writes."""

from __future__ import annotations

import email
import email.policy

import pytest
from channels_kit import FIRING, PAGE, RESOLVED, T0, Outside, notification, person, replace

from hypercare.channels import page
from hypercare.channels.registry import INTEGRATIONS
from hypercare.kernel import Delivered, Effect, Permanent
from hypercare.model.labels import Labels
from hypercare.model.time import DAY

SHARED = {"smtp_from": "Hypercare <hc@x.org>", "smtp_smarthost": "mail:25"}
BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"]


def mails(outside):
    return [email.message_from_bytes(m.message, policy=email.policy.default) for m in outside.ports.mailer.sent]


def outside(people=(), **config):
    return Outside({"email_configs": [{"to": "ada@x.org", **config}]}, people, **{"global": SHARED})


def test_a_mail_has_text_and_html_whether_or_not_a_text_is_configured():
    out = outside()
    assert out.notify() == Delivered("OK")
    [mail] = mails(out)
    assert mail.get_content_type() == "multipart/alternative"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text.startswith("1 firing: HighApiErrorRate")
    assert "[resolved] HighApiErrorRate\n  alertname" in text
    assert "  summary = 7 % of requests fail" in text
    assert "<html" in mail.get_body(("html",)).get_content()
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("by", ["none", "daily"])
def test_mails_of_a_group_thread_where_that_is_asked_for(by):
    out = outside(threading={"enabled": True, "thread_by_date": by}, send_resolved=True)
    other = replace(notification(), group_key="{}:{other}")
    for told in (notification(), notification(RESOLVED), other, replace(notification(), now=T0 + DAY)):
        out.notify(told)
    first, again, another, tomorrow = (m["References"] for m in mails(out))
    assert first == again
    assert len({first, another}) == 2
    assert (tomorrow == first) is (by == "none")
    assert all(m["In-Reply-To"] == m["References"] for m in mails(out))
    assert all(m["List-Id"] == "hypercare <hypercare.x.org>" for m in mails(out))
    plain = outside()
    plain.notify()
    assert mails(plain)[0]["References"] is None


def test_pages_of_one_incident_thread():
    out = outside((person({"channel": "email", "to": "ada@x.org"}),))
    for number, incident in enumerate(("7", "7", "8")):
        effect = Effect(
            f"k{number}",
            "email",
            "person/ada/0",
            "incident:7",
            page.render("email", replace(PAGE, incident_id=incident)),
        )
        assert isinstance(out.deliver(effect), Delivered)
    first, again, other = mails(out)
    assert first["References"] == again["References"] == "<incident-7@x.org>"
    assert other["References"] == "<incident-8@x.org>"
    assert first["Message-ID"] != again["Message-ID"]


@pytest.mark.parametrize("line", BREAKS, ids=ascii)
def test_labels_write_no_headers(line):
    evil = f"x{line}Bcc: eve@evil.org{line}{line}body"
    alert = replace(FIRING, labels=Labels.of(alertname=evil, to=f"ada@x.org{line}Bcc: eve@evil.org"))
    headers = {"Subject": "{{ .CommonLabels.alertname }}", "X-Team": "{{ .CommonLabels.alertname }}"}
    out = outside(headers=headers)
    assert out.notify(notification(alert)) == Delivered("OK")
    [mail] = mails(out)
    assert mail["Bcc"] is None
    assert "Bcc: eve@evil.org" in mail["Subject"]
    assert out.ports.mailer.sent[0].recipients == ("ada@x.org",)


@pytest.mark.parametrize("line", BREAKS, ids=ascii)
def test_templated_addresses_reach_nobody_else(line):
    alert = replace(FIRING, labels=Labels.of(alertname="x", to=f"ada@x.org{line}RCPT TO:<eve@evil.org>"))
    out = outside(to="{{ .CommonLabels.to }}")
    outcome = out.notify(notification(alert))
    sent = [r for m in out.ports.mailer.sent for r in m.recipients]
    assert isinstance(outcome, Permanent) or sent == ["ada@x.org"]
    assert not any("eve" in r for r in sent)


@pytest.mark.parametrize(
    "name", ["X Y", "X:Y", "X\nBcc", "", "Ü", "Content-Type", "mime-version", "Content-Transfer-Encoding"]
)
def test_header_names_that_are_none_are_refused(name):
    with pytest.raises(ValueError, match="header"):
        INTEGRATIONS["email_configs"].model_validate({"to": "a@b.c", "headers": {name: "x"}})


def test_the_page_has_a_button_large_enough_for_a_thumb():
    out = outside((person({"channel": "email", "to": "ada@x.org"}),))
    out.deliver(Effect("k", "email", "person/ada/0", "incident:7", page.render("email", PAGE)))
    html = mails(out)[0].get_body(("html",)).get_content()
    assert 'href="http://hc/i/7" style="display:inline-block' in html
