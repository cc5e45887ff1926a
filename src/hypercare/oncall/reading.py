"""From the checked configuration to this room's plan."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.config import schedules as model
from hypercare.config.schedules import instant
from hypercare.model.time import MINUTE, to_datetime
from hypercare.oncall.plan import (
    Holiday,
    Layer,
    Override,
    Person,
    Plan,
    Policy,
    Receiver,
    Schedule,
    Step,
    Swap,
    Window,
)

if TYPE_CHECKING:
    from hypercare.config import HypercareConfig, people
    from hypercare.model.time import Ms

_ONLY_STEP_WAIT: Ms = 15 * MINUTE
_DAY_MINUTES = 24 * 60


def plan_of(config: HypercareConfig, receivers: tuple[Receiver, ...] = ()) -> Plan:
    """What ``people``, ``oncall`` and ``escalations`` of hypercare.yml say.

    Args:
        config: the configuration.
        receivers: of alertmanager.yml, with their targets as the channels know them.

    """
    away = tuple(
        Override(p.name, instant(a.from_, p.timezone), instant(a.until, p.timezone))
        for p in config.people
        for a in p.away
    )
    return Plan(
        people=tuple(_person(p) for p in config.people),
        schedules=tuple(_schedule(schedule, away) for schedule in config.oncall.schedules),
        policies=tuple(_policy(escalation) for escalation in config.escalations),
        receivers=receivers,
        external_url=config.web.external_url,
    )


def _person(person: people.Person) -> Person:
    channels = tuple(str(contact.channel) for contact in person.contact)
    return Person(person.name, channels, person.timezone, person.full_name, person.email)


def _schedule(schedule: model.Schedule, away: tuple[Override, ...]) -> Schedule:
    zone = schedule.timezone
    lower = () if schedule.rotation is None else (schedule.rotation,)
    layers = [_layer(rotation, zone, number) for number, rotation in enumerate((*lower, *schedule.layers))]
    # A plain rotation stays in the schedule's own fields: what runs by it is the short way.
    base = layers[0]
    plain = not (base.windows or base.until is not None or base.holidays != "work") and base.timezone == zone
    return Schedule(
        name=schedule.name,
        people=base.people if plain else (),
        start=base.start,
        timezone=zone,
        every=base.every,
        since=base.since,
        overrides=tuple(Override(o.person, instant(o.from_, zone), instant(o.until, zone)) for o in schedule.overrides),
        layers=tuple(layers[1:] if plain else layers),
        swaps=tuple(
            Swap(s.people[0], s.people[1], instant(s.from_, zone), instant(s.until, zone)) for s in schedule.swaps
        ),
        holidays=tuple(Holiday(h.date, h.until or h.date, h.person, h.name) for h in schedule.holidays),
        fallback=schedule.fallback,
        away=away,
    )


def _layer(rotation: model.Rotation, zone: str, number: int) -> Layer:
    name = ""
    if isinstance(rotation, model.Layer):
        zone, name = rotation.timezone or zone, rotation.name or f"layer {number}"
    since = instant(rotation.start, zone)
    local = to_datetime(since).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return Layer(
        name=name,
        people=rotation.people,
        start=_grid(rotation.start.replace(tzinfo=None) if rotation.start.tzinfo is None else local, rotation),
        timezone=zone,
        every=rotation.every,
        since=since,
        until=None if rotation.until is None else instant(rotation.until, zone),
        windows=tuple(_window(restriction) for restriction in rotation.restrictions),
        holidays=rotation.holidays,
    )


def _window(restriction: model.Restriction) -> Window:
    start = restriction.from_.hour * 60 + restriction.from_.minute
    end = restriction.until.hour * 60 + restriction.until.minute
    return Window(restriction.days, start, end if end > start else end + _DAY_MINUTES)


def _grid(start: dt.datetime, rotation: model.Rotation) -> dt.datetime:
    """The local time from which turns are counted: the day of the start, at the hour of the hand-off."""
    if rotation.handoff is None and rotation.handoff_day is None:
        return start
    back = 0 if rotation.handoff_day is None else (start.weekday() - rotation.handoff_day) % 7
    hour = start.time() if rotation.handoff is None else rotation.handoff
    grid = dt.datetime.combine(start.date() - dt.timedelta(days=back), hour)
    # A start on the day of the hand-off, but before its hour: without a day named, the first turn is the longer for it.
    if rotation.handoff_day is not None and grid > start:
        grid -= dt.timedelta(weeks=1)
    every = dt.timedelta(milliseconds=rotation.every)
    # Turns shorter than a day: the first person's turn is the one in which the start lies.
    if every < dt.timedelta(days=1):
        grid += (start - grid) // every * every
    return grid


def _policy(escalation: people.Escalation) -> Policy:
    steps = tuple(Step(step.after, tuple(str(target) for target in step.notify)) for step in escalation.steps)
    # Nobody configures how long to wait after the last step: as long as before it.
    last_wait = steps[-1].after - steps[-2].after if len(steps) > 1 else _ONLY_STEP_WAIT
    return Policy(escalation.name, steps, escalation.repeat, last_wait, escalation.match)
