"""The people of a scenario: paged through their channels, they answer, sleep, repair, write up; or do not."""

from __future__ import annotations

import zoneinfo
from functools import partial
from typing import TYPE_CHECKING, Final

from hypercare.incidents.commands import Acknowledge as Take
from hypercare.incidents.commands import AddLink, AddTask, EditPostmortem, MovePostmortem, PassMilestone
from hypercare.incidents.postmortem import load_postmortem
from hypercare.incidents.store import load_incident
from hypercare.model.events import EffectDelivered, IncidentAcknowledged, IncidentResolved
from hypercare.model.time import DAY, HOUR, to_datetime
from hypercare.oncall.clocks import MarkPhase
from hypercare.sim.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.app import App
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.sim.scenario import Person
    from hypercare.sim.world import World

_ASSESSED_IN: Final = 2
_LESSONS: Final = "\n## Lessons learned\n\nRehearsed, not lived through.\n"


class Crew:
    """Everybody.

    A page counts once it was delivered to a way of the person: whoever's phone is away hears nothing. An incident that
    has been taken meanwhile is left to whoever took it.

    Args:
        zones: time zones by person.
        repair: ends what is wrong with a service (of this name, in this person's name).

    """

    def __init__(
        self,
        app: App,
        world: World,
        people: Mapping[str, Person],
        zones: Mapping[str, str],
        seed: int,
        repair: Callable[[str, str], bool],
    ) -> None:
        self._app, self._world, self._people = app, world, people
        self._zones = {name: zoneinfo.ZoneInfo(zone) for name, zone in zones.items()}
        self._chance = {name: Chance(seed, f"person/{name}") for name in people}
        self._repair = repair
        self._ringing: set[tuple[str, str]] = set()
        self._taken: dict[str, str] = {}
        app.kernel.observe(self._on_event)

    def _on_event(self, at: Ms, event: DomainEvent) -> None:
        if isinstance(event, EffectDelivered):
            if event.target.startswith("person/") and event.effect_id.startswith("page:"):
                self._ring(at, event.target.split("/")[1], event.subject.partition(":")[2])
        elif isinstance(event, IncidentAcknowledged):
            self._taken[event.incident_id] = event.by
            self._work(at, event.by, event.incident_id)
        elif isinstance(event, IncidentResolved):
            self._write_up(at, event.incident_id)

    def _ring(self, at: Ms, who: str, incident: str) -> None:
        plan = self._people.get(who)
        if plan is None or (who, incident) in self._ringing:
            return
        asleep = plan.sleeps is not None and self._sleeps(who, plan.sleeps, at)
        delay = plan.wakes if asleep else plan.answers
        if delay is None:
            return
        self._ringing.add((who, incident))
        taken = round(delay * self._chance[who].factor(plan.spread))
        self._world.at(at + taken, partial(self._take, who, incident))

    def _sleeps(self, who: str, hours: tuple[int, int], at: Ms) -> bool:
        when = to_datetime(at).astimezone(self._zones[who])
        minute = when.hour * 60 + when.minute
        first, last = hours
        return first <= minute < last if first <= last else minute >= first or minute < last

    def _take(self, who: str, incident: str) -> None:
        self._ringing.discard((who, incident))
        with self._app.state.read() as db:
            found = load_incident(db, incident)
        if found is not None and found.acknowledged_at is None and found.resolved_at is None:
            self._give(Take(incident, who))

    def _work(self, at: Ms, who: str, incident: str) -> None:
        plan = self._people.get(who)
        if plan is None or plan.repairs is None:
            return
        self._world.at(at + plan.repairs // _ASSESSED_IN, partial(self._give, MarkPhase(incident, "assess", who)))
        self._world.at(at + plan.repairs, partial(self._mend, who, incident))

    def _mend(self, who: str, incident: str) -> None:
        with self._app.state.read() as db:
            found = load_incident(db, incident)
        if found is None or found.resolved_at is not None:
            return
        self._give(MarkPhase(incident, "investigate", who))
        self._repair(found.service, who)

    def _write_up(self, at: Ms, incident: str) -> None:
        who = self._taken.get(incident, "")
        plan = self._people.get(who)
        if plan is None or plan.writes is None:
            return
        for after, command in (
            (min(HOUR, plan.writes), PassMilestone(incident, who, "evidence")),
            (plan.writes, PassMilestone(incident, who, "meeting")),
            (plan.writes, AddTask(incident, who, "what keeps it from coming back", who, at + 7 * DAY, "action")),
            (plan.writes, AddLink(incident, who, "https://runbooks.invalid/updated", "runbook, updated")),
        ):
            self._world.at(at + after, partial(self._give, command))
        self._world.at(at + plan.writes, partial(self._document, who, incident))

    def _document(self, who: str, incident: str) -> None:
        with self._app.state.read() as db:
            document = load_postmortem(db, incident)
        if document is None:
            return
        if "lessons" not in document.text.lower():
            self._give(EditPostmortem(incident, who, document.text + _LESSONS, document.version))
        for state in ("review", "done"):
            self._give(MovePostmortem(incident, who, state))

    def _give(self, command: object) -> None:
        # Whether it is taken is part of what is rehearsed; the event log shows it.
        self._app.kernel.call(command)
