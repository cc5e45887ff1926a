"""A drill: a whole hypercare in a virtual world, faults, and people who answer after a while, or not."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from hypercare.app import build
from hypercare.incidents.commands import Acknowledge
from hypercare.incidents.store import load_incident, load_incidents
from hypercare.model.events import PageSent
from hypercare.oncall.clocks import MarkPhase
from hypercare.ports import HttpResponse
from hypercare.sim import SimTarget, Simulation, VirtualClock, World, virtual_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hypercare.config import Config
    from hypercare.incidents.store import Incident
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest


@dataclasses.dataclass(frozen=True, slots=True)
class Responder:
    """How somebody answers a page; each time counts from the page, none: they do not.

    Attributes:
        acknowledges: ms.
        assesses: ms.
        investigates: ms.

    """

    acknowledges: Ms | None = None
    assesses: Ms | None = None
    investigates: Ms | None = None


class Drill:
    """One rehearsal.

    Attributes:
        responders: who answers, and how fast; people who are not named here do not answer.

    """

    def __init__(self, load: Callable[[Any], Config], start: Ms, seed: int = 1) -> None:
        """Create.

        Args:
            load: reads the configuration through the given files (a port).
            start: the virtual instant at which it begins.
            seed: of chance; equal seeds give equal drills.

        """
        self.clock = VirtualClock(start)
        self.world = World(self.clock, seed)
        ports = virtual_ports(self.clock, self.world, seed)
        self.app = build(load(ports.files), ports)
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        self.responders: Mapping[str, Responder] = {}
        self.targets: dict[str, SimTarget] = {}
        self._answered: set[str] = set()
        self.app.kernel.observe(self._on_event)

    def target(self, address: str) -> SimTarget:
        """A part of the platform, by its address."""
        if address not in self.targets:
            self.targets[address] = SimTarget(self.world, address)
        return self.targets[address]

    def accept(self, *hosts: str) -> None:
        """Let hosts outside accept whatever is sent to them."""
        for host in hosts:
            self.world.host(host, _accept)

    def start(self) -> None:
        """Bring hypercare up.

        Raises:
            CommandError: it cannot run by this configuration.

        """
        ready = self.app.start()
        self.sim.run_for(0)
        ready.result(timeout=0)

    def call(self, command: object) -> Any:
        """Give a command now; the answer.

        Raises:
            CommandError: it cannot be carried out.

        """
        future = self.app.kernel.call(command)
        self.sim.run_for(0)
        return future.result(timeout=0)

    def newest(self) -> Incident | None:
        """The newest incident."""
        with self.app.state.read() as db:
            return next(iter(load_incidents(db, limit=1)), None)

    def incident(self, number: int) -> Incident:
        """An incident by its number.

        Raises:
            KeyError: there is none.

        """
        with self.app.state.read() as db:
            found = load_incident(db, str(number))
        if found is None:
            raise KeyError(number)
        return found

    def close(self) -> None:
        """End it."""
        self.app.close()

    def _on_event(self, at: Ms, event: DomainEvent) -> None:
        """Somebody is paged: they answer as people do, once an incident."""
        if not isinstance(event, PageSent) or event.incident_id in self._answered:
            return
        answer = self.responders.get(event.person)
        if answer is None or answer.acknowledges is None:
            return
        self._answered.add(event.incident_id)
        self.world.at(at + answer.acknowledges, partial(self._give, Acknowledge(event.incident_id, event.person)))
        for phase, after in (("assess", answer.assesses), ("investigate", answer.investigates)):
            if after is not None:
                self.world.at(at + after, partial(self._give, MarkPhase(event.incident_id, phase, event.person)))

    def _give(self, command: object) -> None:
        # Whether it can be carried out is part of what is measured.
        self.app.kernel.call(command)


def _accept(request: HttpRequest, now: Ms) -> tuple[HttpResponse, Ms]:
    return HttpResponse(200, {"content-type": "text/plain"}, b"ok", 0.02, now, final_url=request.url), 20
