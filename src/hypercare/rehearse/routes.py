"""Whom a backtest's alerts would have told: the server's own routing, incidents and on-call plan under a virtual clock.

The App is the one that serves; its world accepts whatever is sent. Nothing leaves the process.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from hypercare.app import build
from hypercare.incidents.commands import Acknowledge
from hypercare.model.events import AlertsReceived, GroupNotified, IncidentOpened, PageSent
from hypercare.model.time import MINUTE, to_datetime
from hypercare.ports import HttpRequest, HttpResponse, PortError
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from hypercare.config import Config
    from hypercare.kernel import Context
    from hypercare.model.alerts import Alert
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms

NIGHT: Final = (22, 7)
"""Hours of the night, local time: from, to."""
_TAKES: Final[Ms] = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """One notification or page.

    Attributes:
        kind: ``receiver`` (a group's notification) or ``person`` (a page).
        who: the receiver or the person.
        channel: of a page.
        zone: the person's time zone; that of the people on call (or UTC) for a receiver.
        alerts: names of the alerts that it is about, each once.
        firing, resolved: how many alerts it tells of.
        step: of the escalation, from 1; 0 for a receiver.

    """

    at: Ms
    kind: str
    who: str
    zone: str
    alerts: tuple[str, ...] = ()
    firing: int = 0
    resolved: int = 0
    channel: str = ""
    step: int = 0

    @property
    def local(self) -> dt.datetime:
        """The instant where the receiving person is."""
        return to_datetime(self.at).astimezone(ZoneInfo(self.zone))

    @property
    def at_night(self) -> bool:
        """Whether it comes at night there."""
        return is_night(self.local.hour)


def is_night(hour: int) -> bool:
    """Whether an hour of the day is one of the night."""
    return hour >= NIGHT[0] or hour < NIGHT[1]


@dataclasses.dataclass(frozen=True, slots=True)
class _News:
    """Message: what rules tell routing."""

    alerts: tuple[Alert, ...]


class _Obliging(World):
    """Every address accepts what is posted to it."""

    def exchange(self, request: HttpRequest, reply: Callable[[HttpResponse | PortError], None]) -> None:
        """Say ok."""
        answer = HttpResponse(200, {"content-type": "text/plain"}, b"ok", _TAKES / 1000, self.clock.now())
        del request
        self.after(_TAKES, lambda: reply(answer))


def quiet(config: Config) -> Config:
    """The same routes, people and services, but nothing is collected and no rules are evaluated."""
    off = {"enabled": False}
    collect: Any = config.hypercare.collect
    collect = collect.model_copy(
        update={"host": collect.host.model_copy(update=off), "self_": collect.self_.model_copy(update=off)}
    )
    services = tuple(service.model_copy(update={"health": ()}) for service in config.hypercare.services)
    metrics = config.hypercare.metrics.model_copy(update={"backend": None})
    update = {"collect": collect, "services": services, "metrics": metrics, "state": "sqlite"}
    prometheus = config.prometheus.model_copy(update={"scrape_configs": ()})
    return dataclasses.replace(
        config, hypercare=config.hypercare.model_copy(update=update), prometheus=prometheus, rules=()
    )


class Replay:
    """One run of an App over given news.

    Args:
        config: whose routes and people.
        ack_after: how long after the first page of an incident somebody acknowledges it, ms; none: nobody does.

    """

    def __init__(self, config: Config, ack_after: Ms | None) -> None:
        self._config = config
        self._ack_after = ack_after
        self._people = {person.name: person.timezone for person in config.hypercare.people}
        schedules = config.hypercare.oncall.schedules
        zones = [schedule.timezone for schedule in schedules] or list(self._people.values())
        self._zone = zones[0] if zones else "UTC"
        self._told: list[Told] = []
        self._titles: dict[str, tuple[str, ...]] = {}
        self._acknowledged: set[str] = set()

    def run(self, news: Sequence[tuple[Ms, tuple[Alert, ...]]], start: Ms, end: Ms) -> tuple[Told, ...]:
        """Who is told between two instants; news may begin before."""
        begin = min([start, *(at for at, _ in news[:1])]) - MINUTE
        clock = VirtualClock(begin)
        world = _Obliging(clock)
        app = build(quiet(self._config), virtual_ports(clock, world))
        kernel = app.kernel
        kernel.on_message(_News, _publish)

        def see(at: Ms, event: DomainEvent) -> None:
            def later(command: object) -> None:
                def give() -> None:
                    # Too late for an incident that is over: nothing to acknowledge then.
                    kernel.call(command)

                world.at(at + (self._ack_after or 0), give)

            self._see(at, event, later)

        kernel.observe(see)
        simulation = Simulation(kernel, world, clock)
        ready = app.start()
        simulation.run_for(0)
        ready.result(timeout=0)
        for at, alerts in news:
            world.at(at, lambda alerts=alerts: kernel.post(_News(alerts)))  # type: ignore[misc]
        simulation.run_until(end)
        app.close()
        return tuple(told for told in self._told if start <= told.at <= end)

    def _see(self, at: Ms, event: DomainEvent, later: Callable[[object], None]) -> None:
        match event:
            case GroupNotified():
                names = dict.fromkeys(alert.name for alert in (*event.firing, *event.resolved))
                counts = len(event.firing), len(event.resolved)
                self._told.append(Told(at, "receiver", event.receiver, self._zone, tuple(names), *counts))
            case IncidentOpened():
                name = dict(event.labels).get("alertname", event.title)
                self._titles[event.incident_id] = (name,)
                self._acknowledged.discard(event.incident_id)
            case PageSent():
                zone = self._people.get(event.person, self._zone)
                about = self._titles.get(event.incident_id, ())
                page = Told(at, "person", event.person, zone, about, 1, 0, event.channel, event.step + 1)
                self._told.append(page)
                if self._ack_after is not None and event.incident_id not in self._acknowledged:
                    self._acknowledged.add(event.incident_id)
                    later(Acknowledge(event.incident_id, event.person))


def _publish(ctx: Context, message: _News) -> None:
    ctx.publish(AlertsReceived(message.alerts, "rules"))


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """What one receiver or person gets.

    Attributes:
        hours: how many in each hour of the day, local time.

    """

    kind: str
    who: str
    zone: str
    count: int
    at_night: int
    hours: tuple[int, ...]


def tallies(told: Sequence[Told]) -> tuple[Tally, ...]:
    """By receiver and person, receivers first, then by name."""
    by: dict[tuple[str, str, str], list[Told]] = {}
    for each in told:
        by.setdefault((each.kind, each.who, each.zone), []).append(each)
    found: list[Tally] = []
    for (kind, who, zone), items in by.items():
        hours = [0] * 24
        for item in items:
            hours[item.local.hour] += 1
        found.append(Tally(kind, who, zone, len(items), sum(i.at_night for i in items), tuple(hours)))
    return tuple(sorted(found, key=lambda t: (t.kind != "receiver", t.who, t.zone)))


def by_alert(told: Sequence[Told]) -> dict[str, tuple[int, int, int]]:
    """For each alert name: notifications, pages, and how many of both come at night."""
    found: dict[str, tuple[int, int, int]] = {}
    for each in told:
        for name in each.alerts:
            notes, pages, nights = found.get(name, (0, 0, 0))
            person = each.kind == "person"
            found[name] = (notes + (not person), pages + person, nights + each.at_night)
    return found
