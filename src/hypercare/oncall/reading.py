"""From the checked configuration to this room's plan."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.config import schedules as model
from hypercare.config.response import CLOCKS, DEFAULT_CLOCKS
from hypercare.config.schedules import instant
from hypercare.model.severity import Severity
from hypercare.model.time import MINUTE, to_datetime
from hypercare.oncall.clockrules import ClockRule, Limit
from hypercare.oncall.hours import Hours
from hypercare.oncall.plan import (
    Audit,
    Holiday,
    Layer,
    Override,
    Person,
    Plan,
    Policy,
    Receiver,
    Role,
    Schedule,
    Step,
    Swap,
    Window,
)
from hypercare.oncall.policy import INCIDENT, PROCEDURE, STATUS, Action, Condition

if TYPE_CHECKING:
    from hypercare.config import HypercareConfig, people
    from hypercare.config.escalations import Escalation, EscalationStep, Timed
    from hypercare.config.oncall import OncallConfig
    from hypercare.config.response import Calendar, Clocks
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
    calendars = {calendar.name: _hours(calendar) for calendar in config.oncall.calendars}
    return Plan(
        people=tuple(_person(p) for p in config.people),
        schedules=tuple(schedule_of(schedule, away) for schedule in config.oncall.schedules),
        policies=tuple(_policy(escalation, calendars) for escalation in config.escalations),
        receivers=receivers,
        external_url=config.web.external_url,
        roles=tuple(Role(role.name, tuple(map(str, role.is_))) for role in config.oncall.roles),
        high=tuple(map(str, config.oncall.high_urgency)),
        clocks=_clock_rules(config.oncall),
        audit=_audit(config.oncall),
        away=away,
    )


def _audit(config: OncallConfig) -> Audit:
    told = config.auditor
    return Audit(
        told.enabled,
        told.every,
        tuple(map(str, told.notify)),
        told.late_after,
        told.undelivered_after,
        told.unowned_after,
        told.stuck_after,
    )


def _clock_rules(config: OncallConfig) -> tuple[ClockRule, ...]:
    """One rule for each severity."""
    found: list[ClockRule] = []
    for severity in Severity:
        entry = next((e for e in config.clocks if not e.severity or severity in e.severity), None)
        limits = _limits(entry, DEFAULT_CLOCKS[severity])
        warn, tell = ((), ()) if entry is None else (entry.warn, entry.tell)
        found.append(ClockRule(str(severity), limits, tuple(map(str, warn)), tuple(map(str, tell))))
    return tuple(found)


def _limits(entry: Clocks | None, default: dict[str, Ms]) -> tuple[Limit, ...]:
    found: list[Limit] = []
    for name in CLOCKS:
        clock = None if entry is None else getattr(entry, name)
        if clock is not None:
            found += [Limit(name, clock.warns, clock.breach)] if clock.breach else []
        elif name in default:
            found.append(Limit(name, default[name] * 4 // 5, default[name]))
    return tuple(found)


def _hours(calendar: Calendar) -> Hours:
    restriction = model.Restriction(days=calendar.days, from_=calendar.from_, until=calendar.until)
    holidays = tuple((h.date, h.until or h.date) for h in calendar.holidays)
    return Hours(calendar.name, calendar.timezone, (_window(restriction),), holidays)


def _person(person: people.Person) -> Person:
    channels = tuple(str(contact.channel) for contact in person.contact)
    quiet = tuple(_window(restriction) for restriction in person.quiet_hours)
    return Person(
        person.name,
        channels,
        person.timezone,
        person.full_name,
        person.email,
        tuple(c.urgency for c in person.contact) if any(c.urgency != "any" for c in person.contact) else (),
        tuple(c.after for c in person.contact) if any(c.after for c in person.contact) else (),
        Hours("quiet hours", person.timezone, quiet) if quiet else None,
    )


def schedule_of(schedule: model.Schedule, away: tuple[Override, ...] = ()) -> Schedule:
    """A schedule in this room's words; ``away``: the absences of everybody."""
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


def _policy(escalation: Escalation, calendars: dict[str, Hours]) -> Policy:
    timed, end = escalation.timed()
    steps = tuple(
        _step(escalation.steps[t.number - 1], t, 0 if t.number == n else t.number, calendars)
        for n, t in enumerate(timed, 1)
    )  # fmt: skip
    return Policy(
        escalation.name,
        steps,
        escalation.repeat,
        _last_wait([step.after for step in steps], end),
        escalation.match,
        tuple(map(str, escalation.severity)),
        escalation.urgency,
    )


def _last_wait(times: list[Ms], end: Ms) -> Ms:
    """How long to wait after the last step: what its ``wait`` says, else as long as before it."""
    if end > times[-1]:
        return end - times[-1]
    earlier = [at for at in times if at < times[-1]]
    return times[-1] - earlier[-1] if earlier else _ONLY_STEP_WAIT


def _step(step: EscalationStep, timed: Timed, number: int, calendars: dict[str, Hours]) -> Step:
    return Step(
        timed.after, tuple(str(target) for target in step.notify), _action(step), _condition(step, calendars),
        step.urgency, number, timed.turn,
    )  # fmt: skip


def _action(step: EscalationStep) -> Action | None:
    if step.run:
        return Action(PROCEDURE, step.run)
    if (wanted := step.open_incident) is not None:
        return Action(INCIDENT, wanted.title, str(wanted.severity or ""))
    if (post := step.status_page) is not None:
        return Action(STATUS, post.text, post.state, post.components)
    return None


def _condition(step: EscalationStep, calendars: dict[str, Hours]) -> Condition | None:
    if (asked := step.if_) is None:
        return None
    if asked.alerts is not None:
        many = asked.alerts
        return Condition(more_than=many.more_than, within=many.within, otherwise=asked.otherwise)
    outside = bool(asked.outside_business_hours)
    name = asked.outside_business_hours or asked.business_hours
    return Condition(calendars[name], outside, otherwise=asked.otherwise)
