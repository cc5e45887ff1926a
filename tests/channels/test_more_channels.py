"""Opsgenie, Teams, Discord, Telegram: what exactly goes over the wire, as Alertmanager's receivers of these kinds send it."""

from __future__ import annotations

import hashlib

import pytest
from channels_kit import FIRING, RESOLVED, Outside, notification, replace

from hypercare.channels.opsgenie.fake import FakeOpsgenie
from hypercare.channels.registry import INTEGRATIONS
from hypercare.channels.telegram.fake import FakeTelegram
from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.kernel import Delivered, Permanent
from hypercare.model.labels import Labels

ALIAS = hashlib.sha256(notification().group_key.encode()).hexdigest()
TITLE = "[FIRING:1] HighApiErrorRate (api critical)"


def test_opsgenie_creates_and_closes():
    config = {
        "api_key": "{{ .CommonLabels.service }}-key",
        "tags": "a,{{ .CommonLabels.service }},,",
        "priority": "P2",
        "details": {"team": "{{ .CommonLabels.service }}-team"},
        "responders": [
            {"name": "ops,dev", "type": "teams"}, {"id": "7", "type": "user"},
            {"name": "{{ .CommonLabels.nothing }}", "type": "{{ .CommonLabels.nothing }}"},
        ],
    }  # fmt: skip
    outside = Outside({"opsgenie_configs": [config]})
    outside.host("api.opsgenie.com")
    assert isinstance(outside.notify(), Delivered)
    assert outside.requests[0].url == "https://api.opsgenie.com/v2/alerts"
    assert outside.headers["Authorization"] == "GenieKey api-key"
    description = outside.body["description"]
    assert "summary = 7 % of requests fail" in description
    assert {k: v for k, v in outside.body.items() if k != "description"} == {
        "alias": ALIAS,
        "message": TITLE,
        "details": {
            "alertname": "HighApiErrorRate", "severity": "critical", "service": "api", "team": "api-team",
        },
        "source": "http://hc/#/alerts?receiver=oncall",
        "responders": [{"name": "ops", "type": "team"}, {"name": "dev", "type": "team"}, {"id": "7", "type": "user"}],
        "tags": ["a", "api"],
        "priority": "P2",
    }  # fmt: skip
    outside.notify(notification(RESOLVED))
    assert outside.requests[1].url == f"https://api.opsgenie.com/v2/alerts/{ALIAS}/close?identifierType=alias"
    assert outside.body == {"source": "http://hc/#/alerts?receiver=oncall"}


def test_opsgenie_changes_the_texts_of_an_alert_under_way_where_that_is_asked_for():
    outside = Outside({"opsgenie_configs": [{"api_key": "fake-key", "update_alerts": True}]})
    fake = FakeOpsgenie()
    outside.world.host("api.opsgenie.com", fake.answer)
    content = outside.integration().render(notification())["content"]
    assert [c["change"] for c in content["then"]] == ["message", "description"]


def test_opsgenie_cuts_long_messages():
    outside = Outside({"opsgenie_configs": [{"api_key": "fake-key", "message": "x" * 200}]})
    fake = FakeOpsgenie()
    outside.world.host("api.opsgenie.com", fake.answer)
    assert isinstance(outside.notify(), Delivered)
    assert len(fake.alerts[ALIAS]["message"]) == 130


@pytest.mark.parametrize(("told", "color"), [((FIRING, RESOLVED), 0x992D22), ((RESOLVED,), 0x2ECC71)])
def test_discord(told, color):
    config = {"webhook_url": "http://discord/hook", "content": "{{ .Status }}", "username": "hc", "message": "m" * 5000}
    outside = Outside({"discord_configs": [config]})
    outside.host("discord")
    assert isinstance(outside.notify(notification(*told)), Delivered)
    [embed] = outside.body["embeds"]
    assert embed["color"] == color
    assert len(embed["description"]) == 4096
    assert {k: v for k, v in outside.body.items() if k != "embeds"} == {
        "content": "firing" if len(told) == 2 else "resolved",
        "username": "hc",
    }


def test_teams_by_a_connector():
    outside = Outside({"msteams_configs": [{"webhook_url": "http://teams/hook", "text": "{{ .Status }}"}]})
    outside.host("teams")
    outside.notify()
    assert outside.body == {
        "@context": "http://schema.org/extensions", "type": "MessageCard", "title": TITLE, "summary": TITLE,
        "text": "firing", "themeColor": "8C1A1A",
    }  # fmt: skip
    outside.notify(notification(RESOLVED))
    assert outside.body["themeColor"] == "2DC72D"


def test_teams_by_a_workflow():
    outside = Outside({"msteamsv2_configs": [{"webhook_url": "http://teams/hook", "text": "{{ .Status }}"}]})
    outside.host("teams")
    outside.notify()
    title = {
        "type": "TextBlock", "text": TITLE, "weight": "Bolder", "size": "Medium", "wrap": True, "style": "heading",
        "color": "Attention",
    }  # fmt: skip
    assert outside.body == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [title, {"type": "TextBlock", "text": "firing", "wrap": True}],
                    "msteams": {"width": "full"},
                },
            }
        ],
    }


def telegram(**config):
    outside = Outside({"telegram_configs": [{"chat_id": -7, **config}]}, **{"global": {"telegram_bot_token": "1:fake"}})
    fake = FakeTelegram()
    outside.world.host("api.telegram.org", fake.answer)
    return outside, fake


def test_telegram():
    outside, fake = telegram(message_thread_id=5, message="<b>{{ .CommonLabels.alertname }}</b>", timeout="3s")
    nasty = replace(FIRING, labels=Labels.of(alertname="<i>&"))
    assert isinstance(outside.notify(notification(nasty)), Delivered)
    assert fake.messages == [
        {
            "chat_id": -7, "text": "<b>&lt;i&gt;&amp;</b>", "parse_mode": "HTML", "disable_web_page_preview": True,
            "disable_notification": False, "message_thread_id": 5,
        }
    ]  # fmt: skip
    assert fake.requests[0].timeout == 3000


@pytest.mark.parametrize("mode", ["HTML", "MarkdownV2", ""])
def test_telegram_cuts_what_is_too_long_without_half_a_tag(mode):
    outside, fake = telegram(message="<b>" + "x" * 5000 + "</b>", parse_mode=mode)
    assert isinstance(outside.notify(), Delivered)
    [message] = fake.messages
    assert len(message["text"]) == 4096
    assert message.get("parse_mode", "") == ("" if mode == "HTML" else mode)


def test_telegram_chat_of_a_file():
    config = {"telegram_configs": [{"chat_id_file": "/s/chat", "bot_token": "1:fake"}]}
    from pathlib import Path

    outside = Outside(config, files={Path("/s/chat"): b" -9\n"})
    fake = FakeTelegram()
    outside.world.host("api.telegram.org", fake.answer)
    outside.notify()
    assert fake.messages[0]["chat_id"] == -9
    outside.ports.files.write(Path("/s/chat"), b"nine")
    assert isinstance(outside.notify(), Permanent)


def test_secrets_of_these_are_in_no_payload_and_no_error():
    secret = "s3cret"
    config = {
        "opsgenie_configs": [{"api_key": secret}],
        "discord_configs": [{"webhook_url": f"http://x/{secret}"}],
        "msteams_configs": [{"webhook_url": f"http://x/{secret}"}],
        "msteamsv2_configs": [{"webhook_url": f"http://x/{secret}"}],
        "telegram_configs": [{"bot_token": secret, "chat_id": 1}],
    }
    outside = Outside(config)
    for integration in outside.dispatcher.integrations["oncall"]:
        assert secret not in str(integration.render(notification())) + repr(integration)


@pytest.mark.parametrize(
    ("key", "config", "needs"),
    [("opsgenie_configs", {}, "api_key"), ("telegram_configs", {"chat_id": 1}, "bot_token")],
)
def test_what_is_missing_here_and_in_global(key, config, needs):
    assert needs in INTEGRATIONS[key].model_validate(config).missing(AlertmanagerGlobal())
