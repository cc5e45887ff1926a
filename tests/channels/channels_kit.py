"""Notifications, pages, settings and a dispatcher in a virtual world."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.notification import Notification
from hypercare.channels.page import Page
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config.alertmanager import alertmanager_model
from hypercare.config.people import Person
from hypercare.kernel import Effect
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.ports import AppriseResult, HttpRequest, HttpResponse
from hypercare.sim.clock import VirtualClock
from hypercare.sim.ports import virtual_ports
from hypercare.sim.world import World

T0 = 1_750_000_000_000  # 2025-06-15T15:06:40Z

FIRING = Alert(
    Labels.of(alertname="HighApiErrorRate", severity="critical", service="api", instance="a"),
    Labels.of(summary="7 % of requests fail", runbook="http://wiki/api"),
    starts_at=T0 - 60_000,
    generator_url="http://hc/graph?g0=1",
)
RESOLVED = Alert(
    Labels.of(alertname="HighApiErrorRate", severity="critical", service="api", instance="b"),
    Labels.of(summary="8 % of requests fail", runbook="http://wiki/api"),
    starts_at=T0 - 120_000,
    ends_at=T0 - 1_500,
)
PAGE = Page(
    "7", "High error rate", "P1", "api", "7 % of requests fail", T0, "ada", "primary", 2, "http://rb", "http://hc/i/7"
)


def notification(*alerts: Alert, receiver: str = "oncall") -> Notification:
    return Notification(
        receiver=receiver,
        group_key='{}/{severity="critical"}:{alertname="HighApiErrorRate"}',
        group_labels=Labels.of(alertname="HighApiErrorRate"),
        alerts=alerts or (FIRING, RESOLVED),
        now=T0,
        external_url="http://hc",
    )


def alertmanager(receiver: dict[str, Any], **more: Any) -> Any:
    raw = {"route": {"receiver": "oncall"}, "receivers": [{"name": "oncall", **receiver}], **more}
    return alertmanager_model(INTEGRATIONS).model_validate(raw)


def person(*ways: dict[str, str], **more: str) -> Person:
    return Person.model_validate({"name": "ada", "contact": list(ways), **more})


@dataclasses.dataclass
class Library:
    """Apprise, as far as a port shows it."""

    got: list[Any]
    results: list[AppriseResult]

    def submit(self, message: Any, reply: Any) -> None:
        self.got.append(message)
        reply(self.results.pop(0) if self.results else AppriseResult(ok=True, message="sent"))


class Outside:
    """A dispatcher, and everything that left through its ports."""

    def __init__(self, receiver: dict[str, Any] | None = None, people: tuple[Person, ...] = (), **more: Any) -> None:
        self.clock = VirtualClock(T0)
        self.world = World(self.clock)
        self.ports = virtual_ports(self.clock, self.world)
        self.requests: list[HttpRequest] = []
        self.apprised: list[Any] = []
        self.answer = HttpResponse(200, {}, b"ok", 0.01, T0)
        self.files = more.pop("files", {})
        for path, text in self.files.items():
            self.ports.files.write(path, text)
        self.dispatcher = Dispatcher(self.ports)
        self.dispatcher.take(alertmanager(receiver or {}, **more), people)

    def use_apprise(self, *results: AppriseResult) -> None:
        library = Library(self.apprised, list(results))
        self.dispatcher._ports = dataclasses.replace(self.ports, apprise=library)

    def host(self, address: str) -> None:
        self.world.host(address, self._answer)

    def _answer(self, request: HttpRequest, _now: int) -> Any:
        self.requests.append(request)
        return self.answer, 10

    def integration(self, index: int = 0) -> Any:
        return self.dispatcher.integrations["oncall"][index]

    def deliver(self, effect: Effect) -> Any:
        outcomes: list[Any] = []
        self.dispatcher.deliver(effect, outcomes.append)
        while not outcomes:
            due = self.world.next_due()
            assert due is not None
            self.clock.advance_to(due)
            self.world.happen()
        assert len(outcomes) == 1
        return outcomes[0]

    def notify(self, told: Notification | None = None, index: int = 0, key: str = "key-1") -> Any:
        integration = self.integration(index)
        payload = json.loads(json.dumps(integration.render(told or notification())))
        return self.deliver(Effect(key, integration.channel, integration.target, "group:x", payload))

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].body)

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.requests[-1].headers)


replace = dataclasses.replace
