"""A desk: incidents and on-call with the real kernel, outbox and rows, under a virtual clock."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hypercare.incidents import store as incident_store
from hypercare.incidents.commands import Acknowledge, AddNote, Resolve
from hypercare.incidents.service import IncidentService
from hypercare.incidents.settings import IncidentSettings
from hypercare.kernel import Delivered, Kernel, Outbox
from hypercare.model.alerts import Alert
from hypercare.model.decision import Reason
from hypercare.model.events import AlertResolved, AlertsReceived, DomainEvent, GroupNotified
from hypercare.model.labels import EMPTY, Labels
from hypercare.model.time import format_duration, parse_rfc3339
from hypercare.oncall import store as oncall_store
from hypercare.oncall.plan import Plan
from hypercare.oncall.service import OnCallService
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypercare.kernel import Context, Effect, Outcome

NOON = parse_rfc3339("2026-01-05T12:00:00Z")


@dataclasses.dataclass(frozen=True)
class Do:
    run: Callable[[Context], Any]


class Post:
    """Takes effects; answers as told, or (``None``) not at all."""

    def __init__(self) -> None:
        self.sent: list[Effect] = []
        self.answer: Callable[[Effect], Outcome | None] = lambda _: Delivered()

    def deliver(self, effect: Effect, reply: Callable[[Outcome], None]) -> None:
        self.sent.append(effect)
        outcome = self.answer(effect)
        if outcome is not None:
            reply(outcome)


class Desk:
    """One process; ``restart`` ends it like kill -9 and starts another on the same rows."""

    def __init__(
        self,
        plan: Plan | None = None,
        settings: IncidentSettings | None = None,
        path: Path | None = None,
        at: int = NOON,
        render: Callable[..., Any] | None = None,
        **service: Any,
    ):
        self.render, self.service = render, service
        self.path, self.plan, self.settings = path, plan or Plan(), settings or IncidentSettings()
        self.clock, self.seed = VirtualClock(at), 0
        self.post = Post()
        self.events: list[tuple[int, DomainEvent]] = []
        self.begun = at
        self.start()

    def start(self) -> None:
        self.state = State.open(self.path)
        self.world = World(self.clock)
        ports = virtual_ports(self.clock, self.world, self.seed)
        self.kernel = Kernel(self.state, ports, Outbox(self.post))
        self.incidents = IncidentService(self.render, **self.service)
        self.oncall = OnCallService(lambda _, page: json.loads(json.dumps(dataclasses.asdict(page))))
        self.incidents.register(self.kernel)
        self.oncall.register(self.kernel)
        self.kernel.on_message(Do, lambda ctx, message: message.run(ctx))
        self.kernel.observe(lambda at, event: self.events.append((at, event)))
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.kernel.start()
        self.reload(self.plan, self.settings)

    def restart(self, after: int = 0) -> None:
        self.state.close()
        self.clock.advance_to(self.clock.now() + after)
        self.seed += 1
        self.start()

    def reload(self, plan: Plan | None = None, settings: IncidentSettings | None = None) -> None:
        self.plan, self.settings = plan or self.plan, settings or self.settings

        def run(ctx: Context) -> None:
            self.incidents.apply(ctx, self.settings)
            self.oncall.apply(ctx, self.plan)

        self.do(run)

    # -- what happens ------------------------------------------------------------------------------------------

    def do(self, run: Callable[[Context], Any]) -> Any:
        return self.call(Do(run))

    def call(self, command: object) -> Any:
        future = self.kernel.call(command)
        self.sim.run_for(0)
        assert self.kernel.failures == 0
        return future.result(timeout=0)

    def publish(self, *events: DomainEvent) -> None:
        self.do(lambda ctx: [ctx.publish(event) for event in events])

    def notify(self, *alerts: Alert, receiver: str = "pager", reason: Reason = Reason.NEW) -> None:
        self.publish(GroupNotified(receiver, "{}", (), alerts, (), reason))

    def end(self, *alerts: Alert) -> None:
        now = self.clock.now()
        self.publish(*(AlertResolved(dataclasses.replace(a, ends_at=now), now) for a in alerts))

    def receive(self, *alerts: Alert) -> None:
        self.publish(AlertsReceived(alerts))

    def wait(self, duration: int) -> None:
        self.sim.run_for(duration)
        assert self.kernel.failures == 0

    def ack(self, ref: object = 1, by: str = "ada", note: str = "") -> incident_store.Incident:
        return self.call(Acknowledge(str(ref), by, note))

    def note(self, text: str, ref: object = 1, by: str = "ada") -> incident_store.Incident:
        return self.call(AddNote(str(ref), by, text))

    def resolve(self, ref: object = 1, by: str = "ada", note: str = "") -> incident_store.Incident:
        return self.call(Resolve(str(ref), by, note))

    # -- what is seen ------------------------------------------------------------------------------------------

    def all(self, status: str | None = None) -> tuple[incident_store.Incident, ...]:
        with self.state.read() as db:
            return incident_store.load_incidents(db, status)

    def one(self, ref: object = 1) -> incident_store.Incident:
        with self.state.read() as db:
            incident = incident_store.load_incident(db, str(ref))
        assert incident is not None
        return incident

    def story(self, ref: object = 1) -> list[str]:
        """The timeline: time since the desk opened, and the text."""
        with self.state.read() as db:
            entries = incident_store.load_timeline(db, self.one(ref).id)
        return [f"{format_duration(e.at - self.begun)} {e.text}" for e in entries]

    def kinds(self, ref: object = 1) -> list[str]:
        with self.state.read() as db:
            return [e.kind for e in incident_store.load_timeline(db, self.one(ref).id)]

    def escalation(self, ref: object = 1) -> oncall_store.Escalation:
        with self.state.read() as db:
            found = oncall_store.load_escalation(db, self.one(ref).id)
        assert found is not None
        return found

    def pages(self) -> list[tuple[str, str]]:
        """(time since the desk opened, person) of every page sent."""
        return [
            (format_duration(effect.payload["at"] - self.begun), effect.payload["person"]) for effect in self.post.sent
        ]

    def seen(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]


def alert(name: str = "HighErrors", starts_at: int = NOON, summary: str = "", /, **labels: str) -> Alert:
    annotations = Labels.of(summary=summary) if summary else EMPTY
    return Alert(Labels.of({"alertname": name, "severity": "critical", **labels}), annotations, starts_at)
