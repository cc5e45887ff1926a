"""From the checked configuration to this room's plan."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.config.people import instant
from hypercare.model.time import MINUTE, to_datetime
from hypercare.oncall.plan import Override, Person, Plan, Policy, Receiver, Schedule, Step

if TYPE_CHECKING:
    from hypercare.config import HypercareConfig
    from hypercare.config import people as model
    from hypercare.model.time import Ms

_ONLY_STEP_WAIT: Ms = 15 * MINUTE


def plan_of(config: HypercareConfig, receivers: tuple[Receiver, ...] = ()) -> Plan:
    """What ``people``, ``oncall`` and ``escalations`` of hypercare.yml say.

    Args:
        config: the configuration.
        receivers: of alertmanager.yml, with their targets as the channels know them.

    """
    return Plan(
        people=tuple(Person(p.name, tuple(str(contact.channel) for contact in p.contact)) for p in config.people),
        schedules=tuple(_schedule(schedule) for schedule in config.oncall.schedules),
        policies=tuple(_policy(escalation) for escalation in config.escalations),
        receivers=receivers,
        external_url=config.web.external_url,
    )


def _schedule(schedule: model.Schedule) -> Schedule:
    rotation, zone = schedule.rotation, schedule.timezone
    since = instant(rotation.start, zone)
    local = to_datetime(since).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return Schedule(
        name=schedule.name,
        people=rotation.people,
        start=_grid(rotation.start.replace(tzinfo=None) if rotation.start.tzinfo is None else local, rotation),
        timezone=zone,
        every=rotation.every,
        since=since,
        overrides=tuple(Override(o.person, instant(o.from_, zone), instant(o.until, zone)) for o in schedule.overrides),
    )


def _grid(start: dt.datetime, rotation: model.Rotation) -> dt.datetime:
    """The local time from which turns are counted: the day of the start, at the hour of the hand-off."""
    if rotation.handoff is None:
        return start
    grid = dt.datetime.combine(start.date(), rotation.handoff)
    every = dt.timedelta(milliseconds=rotation.every)
    # Turns shorter than a day: the first person's turn is the one in which the start lies.
    if every < dt.timedelta(days=1):
        grid += (start - grid) // every * every
    return grid


def _policy(escalation: model.Escalation) -> Policy:
    steps = tuple(Step(step.after, tuple(str(target) for target in step.notify)) for step in escalation.steps)
    # Nobody configures how long to wait after the last step: as long as before it.
    last_wait = steps[-1].after - steps[-2].after if len(steps) > 1 else _ONLY_STEP_WAIT
    return Policy(escalation.name, steps, escalation.repeat, last_wait, escalation.match)
