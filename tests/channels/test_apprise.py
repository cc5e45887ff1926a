"""Apprise: with the library, without it, and where outgoing requests are restricted."""

from __future__ import annotations

import importlib.machinery
import sys
import threading
import types

import pytest
from channels_kit import RESOLVED, Outside, alertmanager, notification

from hypercare.adapters.apprised import MISSING, AppriseLibrary
from hypercare.channels.check import template_problems
from hypercare.config.channels import ChannelsConfig
from hypercare.kernel import Delivered, Permanent, Retry
from hypercare.ports import Apprised, AppriseResult

CONFIG = {"apprise_configs": [{"url": "ntfy://topic", "message": "{{ .Status }}: {{ .CommonLabels.alertname }}"}]}


def test_a_message_and_what_became_of_it():
    outside = Outside(CONFIG)
    outside.use_apprise(AppriseResult(ok=True, message="sent"), AppriseResult(ok=False, message="not sent"))
    assert outside.notify() == Delivered("sent")
    assert outside.notify(notification(RESOLVED)) == Retry("not sent")
    first, second = outside.apprised
    title = "[FIRING:1] HighApiErrorRate (api critical)"
    assert first == Apprised("ntfy://topic", title, "firing: HighApiErrorRate", "failure")
    assert second.kind == "success"
    assert "ntfy://topic" not in repr(first)


def test_without_the_library_the_check_says_so_and_so_does_a_delivery(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    outside = Outside(CONFIG)
    [problem] = template_problems(alertmanager(CONFIG), outside.ports.files)
    assert "pip install" in problem.hint
    assert template_problems(alertmanager({}), outside.ports.files) == ()
    assert send(Apprised("ntfy://topic", "t", "b")) == AppriseResult(ok=False, message=MISSING, permanent=True)


def test_restricted_outgoing_requests_forbid_it():
    outside = Outside(CONFIG)
    outside.use_apprise()
    settings = ChannelsConfig.model_validate({"outgoing": {"deny_private": True}})
    outside.dispatcher.take(alertmanager(CONFIG), settings=settings)
    outcome = outside.notify()
    assert isinstance(outcome, Permanent)
    assert "deny_private" in outcome.error
    assert outside.apprised == []


class Service:
    service_name = "ntfy"


@pytest.mark.parametrize(
    ("service", "works", "expected"),
    [
        (Service(), True, AppriseResult(ok=True, message="sent by Apprise (ntfy)")),
        (Service(), False, AppriseResult(ok=False, message="Apprise could not send it (ntfy)")),
        (None, True, AppriseResult(ok=False, message="Apprise does not understand this URL", permanent=True)),
    ],
)
def test_the_library_is_used_as_it_documents(monkeypatch, service, works, expected):
    class Apprise:
        @staticmethod
        def instantiate(url, *, suppress_exceptions):
            assert (url, suppress_exceptions) == ("ntfy://topic", True)
            return service

        def add(self, added):
            assert added is service

        def notify(self, *, title, body, notify_type):
            assert (title, body, notify_type) == ("t", "b", "warning")
            return works

    module = types.ModuleType("apprise")
    module.__spec__ = importlib.machinery.ModuleSpec("apprise", None)
    module.Apprise = Apprise
    monkeypatch.setitem(sys.modules, "apprise", module)
    assert send(Apprised("ntfy://topic", "t", "b", "warning")) == expected


def send(message):
    library, done, found = AppriseLibrary(), threading.Event(), []
    library.submit(message, lambda result: (found.append(result), done.set()))
    assert done.wait(30)
    library.close()
    return found[0]
