"""How the response in a scenario went: every time is measured from the event log and the rows of the run.

Targets are the configuration's own: a rule's ``for`` and intervals (detection), the steps of the escalation policy and
the auditor's limit for undelivered pages (paging, escalation), the response clocks, and the time limits of what follows
an incident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.incidents.store import load_incident
from hypercare.model.time import WEEK, format_duration
from hypercare.oncall.pages import step_of
from hypercare.oncall.store import load_escalation
from hypercare.rehearse.measure import Line, afterwards, answers, covered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from hypercare.config import Config
    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms
    from hypercare.rehearse.stories.facts import Fact
    from hypercare.rehearse.stories.stage import Stage

_SCRAPES: Final = 2
_COVERED: Final = 4 * WEEK


def score(stage: Stage, facts: Sequence[Fact]) -> list[Line]:
    """All lines: of each fault, of each incident, of the rota."""
    lines = list(_detection(stage, facts))
    with stage.app.state.read() as db:
        for fact in facts:
            incident = load_incident(db, fact.get("incident_id")) if fact.kind == "incident.opened" else None
            if incident is not None:
                lines += _incident(db, stage, facts, incident)
    start = stage.book.scenario.start
    lines += covered(stage.app.oncall.plan, start, start + _COVERED, "four weeks")
    return lines


def _detection(stage: Stage, facts: Sequence[Fact]) -> Iterator[Line]:
    """From each fault to the first alert of its service."""
    start = stage.book.scenario.start
    for told in stage.told:
        if not told.fault:
            continue
        alert = next(
            (f for f in facts if f.kind == "alert.firing" and f.at >= told.at and _about(f, told.service)), None
        )
        part = f"fault at {format_duration(told.at - start)}"
        name = alert.get("alert") if alert else ""
        yield Line(
            part,
            f"{told.service} detected",
            _target(stage.book.config, name),
            None if alert is None else alert.at - told.at,
        )


def _about(fact: Fact, service: str) -> bool:
    return fact.get("service") in {"", service}


def _target(config: Config, alert: str) -> Ms:
    """Two scrapes, two evaluations and the rule's ``for``; of the slowest rule where none has fired."""
    scrape = max((job.interval for job in config.prometheus.jobs), default=0)
    usual = config.prometheus.global_.evaluation_interval
    found = [
        rule.for_ + _SCRAPES * (scrape + (group.interval or usual))
        for file in config.rules
        for group in file.groups
        for rule in group.rules
        if rule.alert and rule.alert == (alert or rule.alert)
    ]
    return max(found, default=0)


def _incident(db: Connection, stage: Stage, facts: Sequence[Fact], incident: Incident) -> Iterator[Line]:
    part = f"#{incident.number} {incident.title}"
    yield from _steps(db, stage, facts, incident, part)
    yield from answers(db, incident, part)
    plan = stage.book.scenario.people.get(incident.acknowledged_by)
    if plan is not None and plan.writes is not None:
        yield from afterwards(db, incident, part)


def _steps(db: Connection, stage: Stage, facts: Sequence[Fact], incident: Incident, part: str) -> Iterator[Line]:
    """Each step of the first round that was due before somebody took the incident."""
    escalation = load_escalation(db, incident.id)
    if escalation is None:
        return
    patience = stage.app.oncall.plan.audit.undelivered_after
    over = [at for at in (incident.acknowledged_at, incident.resolved_at, stage.clock.now()) if at is not None]
    for number, step in enumerate(escalation.policy.steps):
        due = incident.opened_at + step.after
        if not step.notify or due >= min(over):
            continue
        arrived = (
            f.at
            for f in facts
            if f.kind == "effect.delivered"
            and f.get("subject") == f"incident:{incident.id}"
            and f.get("effect_id").startswith("page:")
            and step_of(f.get("effect_id")) == number
        )
        first = next(arrived, None)
        what = "paged" if number == 0 else f"step {number + 1} paged"
        yield Line(part, what, step.after + patience, None if first is None else first - incident.opened_at)


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """For machines."""
    return {
        "in_time": sum(line.passed for line in lines),
        "lines": [
            {
                "part": line.part,
                "what": line.what,
                "target_ms": line.target,
                "achieved_ms": line.achieved,
                "in_time": line.passed,
            }
            for line in lines
        ],
    }
