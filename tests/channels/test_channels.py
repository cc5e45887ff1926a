"""What each channel says, and how."""

from __future__ import annotations

import email
import email.policy
import hashlib
from pathlib import Path

import pytest
from channels_kit import FIRING, PAGE, RESOLVED, T0, Outside, alertmanager, notification, person, replace

from hypercare.channels import page
from hypercare.channels.check import template_problems
from hypercare.channels.registry import CHANNELS, INTEGRATIONS
from hypercare.kernel import Delivered, Effect, Permanent, Retry
from hypercare.model.labels import Labels
from hypercare.ports import HttpResponse, MailResult


def test_webhook_sends_alertmanagers_version_4():
    outside = Outside({"webhook_configs": [{"url": "http://hook/x"}]})
    outside.host("hook")
    assert outside.notify() == Delivered("HTTP 200")
    assert outside.body == {
        "receiver": "oncall",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": FIRING.labels.as_dict(),
                "annotations": FIRING.annotations.as_dict(),
                "startsAt": "2025-06-15T15:05:40Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://hc/graph?g0=1",
                "fingerprint": outside.body["alerts"][0]["fingerprint"],
            },
            {
                "status": "resolved",
                "labels": RESOLVED.labels.as_dict(),
                "annotations": RESOLVED.annotations.as_dict(),
                "startsAt": "2025-06-15T15:04:40Z",
                "endsAt": "2025-06-15T15:06:38.5Z",
                "generatorURL": "",
                "fingerprint": outside.body["alerts"][1]["fingerprint"],
            },
        ],
        "groupLabels": {"alertname": "HighApiErrorRate"},
        "commonLabels": {"alertname": "HighApiErrorRate", "severity": "critical", "service": "api"},
        "commonAnnotations": {"runbook": "http://wiki/api"},
        "externalURL": "http://hc",
        "version": "4",
        "groupKey": '{}/{severity="critical"}:{alertname="HighApiErrorRate"}',
        "truncatedAlerts": 0,
    }
    assert outside.headers["Idempotency-Key"] == "key-1"
    assert outside.headers["Content-Type"] == "application/json"
    assert outside.requests[0].method == "POST"


def test_webhook_limits_alerts():
    outside = Outside({"webhook_configs": [{"url": "http://hook/x", "max_alerts": 1}]})
    outside.host("hook")
    outside.notify(notification(RESOLVED, FIRING))
    assert [a["status"] for a in outside.body["alerts"]] == ["resolved"]
    assert (outside.body["truncatedAlerts"], outside.body["status"]) == (1, "firing")


def test_webhook_address_from_a_file_and_credentials_read_at_send_time():
    files = {Path("/s/url"): b"http://hook/y\n", Path("/s/token"): b"one"}
    config = {"url_file": "/s/url", "http_config": {"authorization": {"credentials_file": "/s/token"}}}
    outside = Outside({"webhook_configs": [config]}, files=files)
    outside.host("hook")
    outside.notify()
    outside.ports.files.write(Path("/s/token"), b"two")
    outside.notify()
    assert [dict(r.headers)["Authorization"] for r in outside.requests] == ["Bearer one", "Bearer two"]
    del outside.ports.files.files[Path("/s/token")]
    lost = outside.notify()
    assert isinstance(lost, Retry)
    assert "/s/token" in lost.error


def test_webhook_address_may_depend_on_labels():
    outside = Outside({"webhook_configs": [{"url": "http://hook/{{ .CommonLabels.service }}"}]})
    outside.host("hook")
    outside.notify()
    assert outside.requests[0].url == "http://hook/api"


def test_slack_message_with_defaults():
    outside = Outside({"slack_configs": [{"channel": "#alerts"}]}, **{"global": {"slack_api_url": "http://slack/hook"}})
    outside.host("slack")
    assert isinstance(outside.notify(), Delivered)
    attachment = outside.body["attachments"][0]
    assert outside.body["channel"] == "#alerts"
    assert attachment["title"] == "[FIRING:1] HighApiErrorRate (api critical)"
    assert attachment["color"] == "danger"
    outside.notify(notification(RESOLVED))
    assert outside.body["attachments"][0]["color"] == "good"


def test_slack_with_an_app_token_and_the_templates_of_r1():
    config = {
        "app_token": "xoxb-1",
        "channel": "#alerts",
        "send_resolved": True,
        "title": "Orchestrator Alert",
        "text": "{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}",
        "fields": [{"title": "Severity", "value": "{{ .CommonLabels.severity }}", "short": True}],
        "actions": [{"type": "button", "text": "Runbook", "url": "{{ .CommonAnnotations.runbook }}"}],
    }
    outside = Outside({"slack_configs": [config]})
    outside.host("slack.com")
    outside.answer = HttpResponse(200, {"content-type": "application/json"}, b'{"ok": true}', 0.01, T0)
    assert isinstance(outside.notify(), Delivered)
    assert outside.requests[0].url == "https://slack.com/api/chat.postMessage"
    assert outside.headers["Authorization"] == "Bearer xoxb-1"
    attachment = outside.body["attachments"][0]
    assert attachment["text"] == "7 % of requests fail8 % of requests fail"
    assert attachment["fields"] == [{"title": "Severity", "value": "critical", "short": True}]
    assert attachment["actions"][0]["url"] == "http://wiki/api"
    outside.answer = HttpResponse(
        200, {"content-type": "application/json"}, b'{"ok":false,"error":"no_channel"}', 0.01, T0
    )
    assert outside.notify() == Permanent("Slack: no_channel")


def test_a_faulty_template_falls_back_to_the_default_text():
    outside = Outside({"slack_configs": [{"api_url": "http://slack/x", "text": "ok", "title": "{{ .Nope.x }}"}]})
    outside.host("slack")
    assert isinstance(outside.notify(), Delivered)
    assert outside.body["attachments"][0]["title"].startswith("[FIRING:1] HighApiErrorRate")
    assert outside.body["attachments"][0]["text"] == "ok"
    assert "Nope" in outside.integration().render(notification())["template_error"]


def test_template_files_and_their_errors():
    files = {
        Path("/t/good.tmpl"): b'{{ define "slack.default.title" }}ours: {{ .Status }}{{ end }}',
        Path("/t/bad.tmpl"): b"{{ define }",
    }
    more = {"files": files, "templates": ["/t/*.tmpl"]}
    outside = Outside({"slack_configs": [{"api_url": "http://slack/x"}]}, **more)
    outside.host("slack")
    outside.notify()
    assert outside.body["attachments"][0]["title"] == "ours: firing"
    assert [e.split(":")[0] for e in outside.dispatcher.template_errors] == ["/t/bad.tmpl"]
    config = alertmanager(
        {"slack_configs": [{"api_url": "http://slack/x", "text": "{{ if }}"}]}, templates=["/t/*.tmpl"]
    )
    found = [str(p) for p in template_problems(config, outside.ports.files)]
    assert len(found) == 2
    assert "/t/bad.tmpl" in found[0]
    assert "slack_configs.text" in found[1]


def test_pagerduty_v2_and_v1():
    configs = [{"routing_key": "rk", "severity": "{{ .CommonLabels.severity }}", "class": "x"}, {"service_key": "sk"}]
    outside = Outside({"pagerduty_configs": configs})
    outside.host("events.pagerduty.com")
    outside.notify()
    key = hashlib.sha256(notification().group_key.encode()).hexdigest()
    body = outside.body
    assert (body["routing_key"], body["event_action"], body["dedup_key"]) == ("rk", "trigger", key)
    assert body["payload"]["severity"] == "critical"
    assert body["payload"]["class"] == "x"
    assert body["payload"]["custom_details"]["num_firing"] == "1"
    outside.notify(notification(RESOLVED))
    assert outside.body["event_action"] == "resolve"
    outside.notify(index=1)
    assert outside.requests[-1].url == "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
    body = outside.body
    assert (body["service_key"], body["event_type"], body["incident_key"]) == ("sk", "trigger", key)
    assert body["description"] == "[FIRING:1] HighApiErrorRate (api critical)"
    outside.notify(notification(replace(FIRING, annotations=Labels.of(text="x" * 600_000))))
    assert "were left out" in outside.body["payload"]["custom_details"]["error"]
    assert len(outside.requests[-1].body) < 512_000


def test_secrets_are_not_in_payloads():
    secret = "s3cret"
    outside = Outside(
        {
            "webhook_configs": [{"url": f"http://hook/{secret}"}],
            "slack_configs": [{"api_url": f"http://slack/{secret}"}, {"app_token": secret}],
            "pagerduty_configs": [{"routing_key": secret}, {"service_key": secret}],
            "email_configs": [{"to": "a@b.c", "auth_password": secret, "auth_username": "u"}],
        },
        **{"global": {"smtp_from": "hc@x.org", "smtp_smarthost": "mail:25"}},
    )
    for integration in outside.dispatcher.integrations["oncall"]:
        assert secret not in str(integration.render(notification()))
        assert secret not in repr(integration)


def test_email():
    config = {
        "to": "Ada <ada@x.org>, bob@x.org",
        "headers": {"subject": "{{ .Status }}:\n{{ .GroupLabels.alertname }}"},
    }
    shared = {
        "smtp_from": "hc@x.org",
        "smtp_smarthost": "mail:587",
        "smtp_auth_username": "u",
        "smtp_auth_password": "p",
    }
    outside = Outside({"email_configs": [{**config, "text": "plain {{ .Status }}"}]}, **{"global": shared})
    assert outside.notify() == Delivered("OK")
    [mail] = outside.ports.mailer.sent
    assert (mail.host, mail.port, mail.username, mail.password, mail.require_tls) == ("mail", 587, "u", "p", True)
    assert (mail.sender, mail.recipients) == ("hc@x.org", ("ada@x.org", "bob@x.org"))
    message = email.message_from_bytes(mail.message, policy=email.policy.default)
    assert message["Subject"] == "firing: HighApiErrorRate"
    assert message["Date"] == "Sun, 15 Jun 2025 15:06:40 +0000"
    assert message["Message-ID"] == "<key-1@x.org>"
    assert message.get_body(("plain",)).get_content().strip() == "plain firing"
    assert "HighApiErrorRate" in message.get_body(("html",)).get_content()


def test_console_shows_one_line_an_alert():
    outside = Outside({"console_configs": [{}]})
    nasty = replace(RESOLVED, annotations=Labels.of(summary="a\nb\x1b[31m"))
    assert outside.notify(notification(nasty, FIRING)) == Delivered()
    assert outside.ports.console.lines[0].splitlines() == [
        "15:06:40 FIRING   critical HighApiErrorRate service=api instance=a — 7 % of requests fail → oncall",
        "15:06:40 RESOLVED critical HighApiErrorRate service=api instance=b — a b�[31m → oncall",
    ]


def test_what_is_not_configured_any_more_fails_visibly():
    outside = Outside({"webhook_configs": [{"url": "http://hook/x"}]})
    integration = outside.integration()
    effect = Effect("k", "webhook", integration.target, "group:x", integration.render(notification()))
    outside.dispatcher.take(alertmanager({}))
    assert outside.deliver(effect) == Permanent("receiver no longer exists")
    outside.dispatcher.take(alertmanager({"webhook_configs": [{"url": "http://hook/x"}]}))
    assert isinstance(outside.deliver(replace(effect, payload={})), Permanent)
    assert isinstance(outside.deliver(replace(effect, channel="slack")), Permanent)


WAYS = {
    "console": {"channel": "console"},
    "slack": {"channel": "slack", "url": "http://slack/x", "to": "@ada"},
    "email": {"channel": "email", "to": "ada@x.org"},
    "webhook": {"channel": "webhook", "url": "http://hook/x"},
    "pagerduty": {"channel": "pagerduty", "routing_key": "rk"},
    "discord": {"channel": "discord", "url": "http://hook/x"},
    "msteams": {"channel": "msteams", "url": "http://hook/x"},
    "msteamsv2": {"channel": "msteamsv2", "url": "http://hook/x"},
    "telegram": {"channel": "telegram", "to": "-77"},
    "opsgenie": {"channel": "opsgenie", "to": "ada@x.org"},
    "apprise": {"channel": "apprise", "url": "https://hook/x"},
}


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_pages_reach_a_person_through_every_channel(channel):
    shared = {"smtp_from": "hc@x.org", "smtp_smarthost": "mail:587"}
    shared |= {"telegram_bot_token": "1:t", "opsgenie_api_key": "k"}
    outside = Outside(people=(person(WAYS[channel]),), **{"global": shared})
    for host in ("slack", "hook", "events.pagerduty.com", "api.telegram.org", "api.opsgenie.com"):
        outside.host(host)
    outside.use_apprise()
    effect = Effect("k", channel, "person/ada/0", "incident:7", page.render(channel, PAGE))
    assert isinstance(outside.deliver(effect), Delivered)
    said = "".join(
        [*map(str, outside.apprised), *outside.ports.console.lines, *(r.body.decode() for r in outside.requests)]
    )
    said += "".join(m.message.decode() for m in outside.ports.mailer.sent)
    for word in ("High error rate", "P1", "http://hc/i/7"):
        assert word in said
    if channel == "slack":
        assert outside.body["channel"] == "@ada"


def test_pages_without_people_go_to_the_console():
    outside = Outside()
    effect = Effect("k", "console", "person/everyone/0", "incident:7", page.render("console", PAGE))
    assert outside.deliver(effect) == Delivered()
    assert outside.ports.console.lines[0].splitlines() == [
        "15:06:40 PAGE     P1 api: High error rate → ada (step 2 of primary)",
        "         7 % of requests fail",
        "         Runbook: http://rb",
        "         Acknowledge: http://hc/i/7",
    ]


def test_registry_has_a_model_for_each_kind():
    assert {c.key for c in CHANNELS.values()} <= set(INTEGRATIONS)
    assert all(name == channel.name and channel.key == f"{name}_configs" for name, channel in CHANNELS.items())


@pytest.mark.parametrize(
    ("key", "config", "needs"),
    [
        ("slack_configs", {"channel": "#x"}, "api_url"),
        ("email_configs", {"to": "a@b.c", "from": "x@y.z"}, "smarthost"),
        ("email_configs", {"to": "a@b.c", "smarthost": "mail:25"}, "from"),
    ],
)
def test_what_is_missing_here_and_in_global(key, config, needs):
    from hypercare.config.alertmanager import AlertmanagerGlobal

    assert needs in INTEGRATIONS[key].model_validate(config).missing(AlertmanagerGlobal())


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("pagerduty_configs", {}),
        ("pagerduty_configs", {"service_key": "a", "routing_key": "b"}),
        ("webhook_configs", {}),
        ("webhook_configs", {"url": "http://x", "url_file": "/y"}),
        ("email_configs", {}),
        ("slack_configs", {"api_url": "http://x", "nope": 1}),
    ],
)
def test_settings_that_are_refused(key, config):
    with pytest.raises(ValueError):
        INTEGRATIONS[key].model_validate(config)


def test_mail_refusals():
    classify = CHANNELS["email"].classify
    assert classify(MailResult(ok=False, code=550, message="no such user")) == Permanent("SMTP 550: no such user")
    assert classify(MailResult(ok=False, code=451, message="later")) == Retry("SMTP 451: later")
    assert classify(MailResult(ok=False, code=0, message="refused")) == Retry("refused")
