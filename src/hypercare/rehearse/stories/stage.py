"""One run: the production App, its ports leading into the world of a scenario."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Final

from hypercare.app import build
from hypercare.deploys.commands import StartWatch
from hypercare.model.time import HOUR
from hypercare.rehearse.recording.feed import Feeder, unscraped, written_by_rules
from hypercare.rehearse.stories.people import Crew
from hypercare.rehearse.stories.playing import Play, StoryHttp, script
from hypercare.sim import EventLog, Simulation, VirtualClock, World
from hypercare.sim.outside import outside_ports
from hypercare.sim.scenario import Fault, Hidden
from hypercare.sim.service import SimService

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.rehearse.stories.reading import Book
    from hypercare.sim.scenario import Action, Happening, Release

_FAULT_FIELDS: Final = tuple(Fault.model_fields)


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """Something that happened in the world; hypercare sees at most what follows from it."""

    at: Ms
    text: str
    service: str = ""
    fault: bool = False


class Stage:
    """One scenario, ready to run.

    Attributes:
        log: the events, as lines.
        events: the same as objects.
        told: what happened in the world.
        feeder: gives the App what was recorded; none where nothing is replayed.

    """

    def __init__(self, book: Book, seed: int | None = None) -> None:
        scenario = book.scenario
        self.book = book
        self.seed = scenario.seed if seed is None else seed
        self.clock = VirtualClock(scenario.start)
        self.world = World(self.clock, self.seed)
        ports, self.outside = outside_ports(self.clock, self.world, self.seed)
        configured = {action.name: action for action in book.config.hypercare.actions}
        script(ports.processes, scenario.actions, configured)
        http = StoryHttp(ports.http, self.world, scenario.actions, configured)
        ports = dataclasses.replace(ports, http=http)
        self.services = {
            name: SimService(
                self.world, name, plan, dict(book.places[name].targets), named=book.places[name].named, seed=self.seed
            )
            for name, plan in scenario.services.items()
        }
        config = book.config if book.recording is None else unscraped(book.config)
        self.app = build(config, ports, hostname="hypercare")
        self.log = EventLog()
        self.events: list[tuple[Ms, DomainEvent]] = []
        self.told: list[Told] = []
        self.app.kernel.observe(self.log.record)
        self.app.kernel.observe(lambda at, event: self.events.append((at, event)))
        zones = {person.name: person.timezone for person in book.config.hypercare.people}
        self.crew = Crew(self.app, self.world, scenario.people, zones, self.seed, self.repair)
        http.run_of = Play(self.app, scenario.actions, self._act).run_of
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        self.feeder: Feeder | None = None
        if book.recording is not None:
            written, end = written_by_rules(book.config), scenario.start + scenario.length
            self.feeder = Feeder(book.recording, self.app, self.world, book.shift, written, end)
        for happening in scenario.happens:
            self.world.at(scenario.start + happening.at, partial(self._happen, happening))

    def run(self, progress: Callable[[Ms], None] = lambda _at: None, every: Ms = HOUR) -> None:
        """Let the whole scenario pass.

        Args:
            progress: told of the virtual instant, now and then.
            every: how often, in virtual time.

        Raises:
            CommandError: hypercare cannot run by this configuration.

        """
        start, length = self.book.scenario.start, self.book.scenario.length
        ready = self.app.start()
        self.sim.run_for(0)
        ready.result(timeout=0)
        for at in range(start + every, start + length + every, every):
            self.sim.run_until(min(at, start + length))
            progress(self.clock.now())

    def close(self) -> None:
        """End it."""
        self.app.close()
        if self.book.recording is not None:
            self.book.recording.close()

    def repair(self, service: str, by: str) -> bool:
        """Somebody ends what is wrong with a service; whether anything was."""
        found = self.services.get(service)
        mended = found is not None and found.repair()
        self._tell(f"{by} repairs {service}" if mended else f"{by} finds nothing to repair", service)
        return mended

    def _act(self, action: str, plan: Action, name: str, text: str, worked: bool) -> None:  # noqa: FBT001 - a callback
        """Do what an action does in this world, once its run is over."""
        service = self.services.get(name)
        if service is not None and worked:
            match plan.does:
                case "roll_back":
                    service.roll_back()
                case "restart":
                    service.restart()
                case "repair":
                    service.repair()
                case "retire":
                    service.retire()
        self._tell(f"{action} of {name}: {text}", name)

    def _tell(self, text: str, service: str = "", *, fault: bool = False) -> None:
        self.told.append(Told(self.clock.now(), text, service, fault))

    def _happen(self, happening: Happening) -> None:
        if happening.say:
            self._tell(happening.say)
        if happening.receiver:
            until = None if happening.for_ is None else self.clock.now() + happening.for_
            self.outside.away.append((happening.receiver, until))
            self._tell(f"{happening.receiver} does not answer")
        for name, service in self.services.items():
            if happening.service and fnmatchcase(name, happening.service):
                self._happen_to(service, happening)
        if self.feeder is not None and happening.deploy is not None:
            self._tell(f"{happening.service}: {happening.deploy.version} went out")
            self._watch(happening.service, happening.deploy, happening.deploy.previous)

    def _happen_to(self, service: SimService, happening: Happening) -> None:
        fault = Fault.model_construct(**{field: getattr(happening, field) for field in _FAULT_FIELDS})
        if fault != Fault():
            service.suffer(fault, happening.for_)
            self._tell(f"{service.name}: {describe(fault)}", service.name, fault=True)
        if happening.deploy is not None:
            self._release(service, happening.deploy)
        if happening.restart:
            service.restart()
            self._tell(f"{service.name}: restarts", service.name)
        if happening.roll_back:
            done = service.roll_back()
            self._tell(f"{service.name}: {'rolled back' if done else 'nothing to roll back to'}", service.name)

    def _release(self, service: SimService, release: Release) -> None:
        service.deploy(release)
        color = f" as {release.color}" if release.color else ""
        self._tell(f"{service.name}: {release.version} goes out{color}", service.name)
        other = service.beside(release.color) if release.color else ""
        self._watch(service.name, release, release.previous or service.previous, other)
        if release.hides != Hidden():
            self.world.after(release.hides.after, partial(self._shows, service.name, release.hides))

    def _watch(self, service: str, release: Release, previous: str, other: str = "") -> None:
        """Tell hypercare of a release, if it is to know and has a plan for it."""
        deployments = self.book.config.hypercare.deployments
        if release.watch and deployments.plan(release.plan, service) is not None:
            watch = StartWatch(service, release.version, "scenario", plan=release.plan, color=release.color)
            self.app.kernel.call(dataclasses.replace(watch, previous=previous, other_color=other, replace=True))

    def _shows(self, name: str, fault: Fault) -> None:
        self._tell(f"{name}: the release shows what it hid: {describe(fault)}", name, fault=True)


def describe(fault: Fault) -> str:
    """A fault in words."""
    of = f" of {fault.provider}" if fault.provider else ""
    words = [
        (fault.down, "down"),
        (fault.unreachable, "not reachable from here"),
        (fault.silent, "its metrics are empty"),
        (fault.errors, f"{fault.errors:.3g} of the requests{of} fail"),
        (fault.latency != 1, f"latency{of} x{fault.latency:g}"),
        (fault.traffic != 1, f"traffic x{fault.traffic:g}"),
        (fault.capacity != 1, f"capacity x{fault.capacity:g}"),
        (fault.leak, f"leaks {fault.leak * 3600 / (1 << 20):.3g} MB/h"),
        (fault.work != 1, f"tasks take x{fault.work:g}"),
    ]
    return ", ".join(text for holds, text in words if holds)
