"""A real kernel and state under a virtual clock, with a deliverer that collects."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypercare.kernel import Delivered, Effect, Kernel, Outbox
from hypercare.model.alerts import Alert
from hypercare.model.events import AlertResolved, AlertsReceived, GroupNotified
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import MINUTE, SECOND
from hypercare.routing.service import RoutingService
from hypercare.routing.settings import RoutingSettings
from hypercare.routing.tree import RouteSpec, build_tree
from hypercare.sim.clock import VirtualClock
from hypercare.sim.ports import virtual_ports
from hypercare.sim.run import Simulation
from hypercare.sim.world import World
from hypercare.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.channels.notification import Notification

T0 = 1_750_000_000_000


@dataclasses.dataclass(frozen=True)
class FakeIntegration:
    """Renders the names of alerts by state."""

    receiver: str
    name: str = "fake/0"
    send_resolved: bool = True
    channel: str = "fake"

    @property
    def target(self) -> str:
        return f"receiver/{self.receiver}/{self.name}"

    def render(self, notification: Notification) -> dict[str, Any]:
        return {
            "status": notification.status,
            "firing": [who(a) for a in notification.firing],
            "resolved": [who(a) for a in notification.resolved],
        }


def who(alert: Alert) -> str:
    return "/".join(v for v in (alert.name, alert.labels.get("instance")) if v)


class Collector:
    """A deliverer that keeps what it gets; ``answer`` false leaves deliveries without an outcome."""

    def __init__(self) -> None:
        self.got: list[Effect] = []
        self.answer = True

    def deliver(self, effect: Effect, reply: Any) -> None:
        self.got.append(effect)
        if self.answer:
            reply(Delivered())


@dataclasses.dataclass(frozen=True)
class Apply:
    settings: RoutingSettings


@dataclasses.dataclass(frozen=True)
class Say:
    event: AlertsReceived


@dataclasses.dataclass(frozen=True)
class Fail:
    event: AlertsReceived


class House:
    """One process of hypercare with routing alone; ``restart`` is kill and start."""

    def __init__(self, settings: RoutingSettings, path: Path | None = None, at: int = T0) -> None:
        self.settings = settings
        self.path = path
        self.clock = VirtualClock(at)
        self.world = World(self.clock)
        self.ports = virtual_ports(self.clock, self.world)
        self.events: list[tuple[int, Any]] = []
        self.collector = Collector()
        self.told: list[tuple[int, Effect]] = []
        self.state = State.open(path)
        self._start()

    def _start(self) -> None:
        self.kernel = Kernel(self.state, self.ports, Outbox(self))
        self.routing = RoutingService(lambda settings: settings)
        self.routing.register(self.kernel)
        self.kernel.on_message(Apply, lambda ctx, m: self.routing.configure(ctx, m.settings))
        self.kernel.on_message(Say, lambda ctx, m: ctx.publish(m.event))
        self.kernel.on_message(Fail, self._fail)
        self.furnish(self.kernel)
        self.kernel.observe(lambda at, event: self.events.append((at, event)))
        self.kernel.start()
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.apply(self.settings)

    def furnish(self, kernel: Kernel) -> None:
        """Register rooms beside routing; they are configured in ``apply``."""

    def _fail(self, ctx: Any, message: Fail) -> None:
        self.routing._on_alerts(ctx, message.event)
        msg = "on purpose"
        raise RuntimeError(msg)

    def deliver(self, effect: Effect, reply: Any) -> None:
        self.told.append((self.clock.now(), effect))
        self.collector.deliver(effect, reply)

    def apply(self, settings: RoutingSettings) -> None:
        self.settings = settings
        self.call(Apply(settings))

    def restart(self, after: int = 0) -> None:
        self.state.close()
        self.clock.advance_to(self.clock.now() + after)
        self.state = State.open(self.path)
        self._start()

    def call(self, command: object) -> Any:
        future = self.kernel.call(command)
        while not future.done():
            assert self.kernel.step()
        return future.result()

    def run(self, duration: int) -> None:
        self.sim.run_for(duration)

    def fire(self, *alerts: Alert, source: str = "rules") -> None:
        self.call(Say(AlertsReceived(tuple(alerts), source)))

    def resolve(self, *alerts: Alert) -> None:
        now = self.clock.now()
        self.fire(*(dataclasses.replace(a, ends_at=now) for a in alerts))

    def alert(self, name: str, instance: str = "", **labels: str) -> Alert:
        return Alert(
            Labels.of({"alertname": name, "instance": instance, **labels}),
            Labels.of(summary=f"{name} is bad"),
            starts_at=self.clock.now(),
        )

    @property
    def story(self) -> list[str]:
        """What was delivered: ``seconds receiver +firing -resolved``."""
        lines = []
        for at, effect in self.told:
            parts = [f"+{n}" for n in effect.payload["firing"]] + [f"-{n}" for n in effect.payload["resolved"]]
            seconds = (at - T0) / 1000
            lines.append(f"{seconds:g} {effect.target.split('/')[1]} {' '.join(parts)}")
        return lines

    def of(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    @property
    def notified(self) -> list[GroupNotified]:
        return self.of(GroupNotified)

    @property
    def ended(self) -> list[AlertResolved]:
        return self.of(AlertResolved)


def matcher(text: str) -> Matcher:
    for op in ("!~", "=~", "!=", "="):
        if op in text:
            name, value = text.split(op, 1)
            return Matcher(name, MatchOp(op), value)
    raise AssertionError(text)


def route(receiver: str = "", *matchers: str, **more: Any) -> RouteSpec:
    return RouteSpec(receiver=receiver, matchers=tuple(matcher(m) for m in matchers), **more)


def settings(root: RouteSpec | None = None, *integrations: FakeIntegration, **more: Any) -> RoutingSettings:
    root = root or route("ops", group_by=("alertname",), group_wait=30 * SECOND, group_interval=5 * MINUTE)
    tree = build_tree(root)
    names = dict.fromkeys(r.receiver for r in tree.walk())
    receivers = {n: tuple(i for i in integrations if i.receiver == n) or (FakeIntegration(n),) for n in names}
    receivers |= more.pop("receivers", {})
    return RoutingSettings(tree, receivers, **more)
