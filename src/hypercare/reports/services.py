"""Services, one by one: how each stands, what is under way, who is on call, what changed last."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from hypercare.config.services import Service
from hypercare.deploys import store
from hypercare.deploys.checks import rows_of
from hypercare.deploys.schedule import phase_at
from hypercare.deploys.tables import versions
from hypercare.incidents.store import load_incidents
from hypercare.model.alerts import AlertState
from hypercare.model.labels import Labels
from hypercare.model.severity import Severity
from hypercare.oncall.plan import EVERYONE, SCHEDULE
from hypercare.oncall.store import on_call_now
from hypercare.reports.overview import alert_lines, budgets, incident_status, service_status, target_lines, worst
from hypercare.reports.service_charts import charts_of
from hypercare.reports.service_journal import happenings
from hypercare.reports.service_parts import Duty, PendingAlert, ServiceLine, ServicePage, Version, WatchLine
from hypercare.reports.service_rules import rules_of, runbooks_of, silences_of
from hypercare.routing.store import load_silences

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms
    from hypercare.oncall.policy import Policy
    from hypercare.oncall.store import OnCallNow

_READ: Final = 500
"""Incidents and watches that are looked through."""
_SHOWN: Final = 5
_ROLE: Final = "role:"
_WRONG: Final = frozenset({"warning", "critical"})
_UNDONE: Final = frozenset({"done", "helped"})
"""States of a roll-back after which the version before runs again."""


def service_lines(app: App, db: Connection, now: Ms) -> tuple[ServiceLine, ...]:
    """All services: those of the configuration in its order, then those that only labels name, by name."""
    look = _Look(app, db, now)
    return tuple(look.line(name) for name in look.names)


def service_page(app: App, db: Connection, now: Ms, name: str) -> ServicePage | None:
    """Everything of one service; none where nothing is known under that name."""
    look = _Look(app, db, now)
    return look.page(name) if look.knows(name) else None


class _Look:
    """What is the same for all services at one instant."""

    def __init__(self, app: App, db: Connection, now: Ms) -> None:
        self.app, self.db, self.now = app, db, now
        self.configured = {service.name: service for service in app.config.hypercare.services}
        self.targets = target_lines(app, now)
        self.alerts = alert_lines(app, db, now)
        self.incidents = load_incidents(db, "unresolved", _READ)
        self.running = store.load_watches(db, store.RUNNING, limit=_READ)

    @functools.cached_property
    def budgets(self) -> dict[str, Any]:
        return dict(budgets(self.app, self.now))

    @functools.cached_property
    def duty(self) -> dict[str, OnCallNow]:
        return {each.schedule: each for each in on_call_now(self.app.oncall.plan, self.now)}

    @functools.cached_property
    def pending(self) -> tuple[PendingAlert, ...]:
        """All alerts that are about to fire, those first that fire first."""
        rules = (rule for group in self.app.rules.snapshot.groups for rule in group.rules)
        found = [
            PendingAlert(
                a.labels.get("alertname"), a.labels.get("severity"), a.annotations.get("summary"), a.labels,
                a.active_at, a.active_at + rule.duration, rule.query,
            )
            for rule in rules
            for a in rule.alerts
            if a.state is AlertState.PENDING
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda a: (a.fires_at, a.name, a.labels)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all services that are known now."""
        told = [t.labels.get("service") for t in self.targets]
        told += [a.labels.get("service") for a in self.alerts]
        told += [i.service for i in self.incidents] + [w.service for w in self.running]
        others = {name for name in {*told} - {""} if self._of(Labels.of(service=name)) is None}
        return (*self.configured, *sorted(others - set(self.configured)))

    def _of(self, labels: Labels) -> Service | None:
        return self.app.config.hypercare.service_of(labels)

    def knows(self, name: str) -> bool:
        """Whether there is, or was, anything under this name."""
        if not name or name in self.names:
            return bool(name)
        service = self.service(name)
        return bool(
            any(service.selects(each.labels) for each in self.targets)
            or any(service.selects(each.labels) for each in self.alerts)
            or store.load_watches(self.db, service=name, limit=1)
            or any(i.service == name for i in load_incidents(self.db, limit=_READ))
        )

    def service(self, name: str) -> Service:
        return self.configured.get(name) or Service(name=name)

    def line(self, name: str) -> ServiceLine:
        service = self.service(name)
        spent = self.budgets.get(name, ())
        status = service_status(service, self.targets, self.alerts, spent)
        incidents = tuple(i for i in self.incidents if self._concerns(i, service))
        # What is open is not well, though none of its alerts may fire any more.
        still = [incident_status(i) for i in incidents]
        told = tuple(f"incident #{i.number} is {i.status}" for i in incidents)
        alerts = [a for a in self.alerts if service.selects(a.labels)]
        held = sum(bool(a.suppressed_by) for a in alerts)
        watches = [self._watch(w, name) for w in self.running if w.service == name]
        return ServiceLine(
            name=name,
            configured=name in self.configured,
            tier=service.tier if name in self.configured else 0,
            owner=service.owner,
            description=service.description,
            status=worst([status.status, *still]),
            reasons=status.reasons or told,
            version=self._version(service),
            firing=len(alerts) - held,
            held=held,
            pending=sum(service.selects(a.labels) for a in self.pending),
            incidents=incidents,
            watch=watches[0] if watches else None,
            duties=self._duties(self._policy(service)),
            budgets=spent,
        )

    def page(self, name: str) -> ServicePage:
        app, service = self.app, self.service(name)
        line = self.line(name)
        alerts = tuple(a for a in self.alerts if service.selects(a.labels))
        pending = tuple(a for a in self.pending if service.selects(a.labels))
        rules = rules_of(app.rules.snapshot, service)
        newest = store.load_watches(self.db, service=name, limit=_SHOWN + 1)
        beside = [w for w in self.running if w.service != name and any(r.service == name for r in rows_of(w))]
        past = [i for i in load_incidents(self.db, "resolved", _READ) if self._concerns(i, service)][:_SHOWN]
        labels = (*(a.labels for a in alerts), *(a.labels for a in pending))
        return ServicePage(
            at=self.now,
            line=line,
            runbook=service.runbook,
            targets=tuple(t for t in self.targets if service.selects(t.labels)),
            alerts=alerts,
            pending=pending,
            recent=tuple(past),
            watches=tuple(self._watch(w, name) for w in (*newest, *beside)),
            policy=self._policy(service).name,
            runbooks=runbooks_of(
                app.incidents.settings.runbooks, service, rules, [(a.name, a.runbook_url) for a in alerts]
            ),
            silences=silences_of(load_silences(self.db), service, labels, rules, self.now),
            happened=happenings(
                self.db, service, (*line.incidents, *past)[:_SHOWN], newest[:2],
                {a.labels.fingerprint(): a.labels for a in alerts},
            ),
            charts=charts_of(app, service, newest[0] if newest else None, rules),
        )  # fmt: skip

    def _concerns(self, incident: Incident, service: Service) -> bool:
        return incident.service == service.name or (not incident.service and service.selects(incident.labels))

    def _watch(self, watch: store.Watch, name: str) -> WatchLine:
        running = watch.status == store.RUNNING
        points = store.load_checkpoints(self.db, watch.id)
        left = next((p for p in points if p.taken_at is None), None) if running else None
        own = watch.service == name
        found = [f for f in store.load_findings(self.db, watch.id) if own or f.service == name] if running else []
        lasting = tuple(f for f in found if f.until is None and f.level in _WRONG)
        unsigned = sum(p.missed_at is not None and p.signed_at is None for p in points) if running else 0
        phase = phase_at(watch.plan, self.now - watch.started_at).name if running else ""
        return WatchLine(watch, own, phase, left, lasting, unsigned)

    def _version(self, service: Service) -> Version | None:
        """As its targets say it, else as its newest deployment left it, else the one that was seen last."""
        label = self.app.config.hypercare.deployments.version_label
        mine = [t.labels for t in self.targets if label and service.selects(t.labels)]
        told = sorted({labels.get(label) for labels in mine} - {""})
        if told:
            return Version(", ".join(told), f"label {label} of its targets")
        watches = store.load_watches(self.db, service=service.name, limit=2)
        if watches:
            return self._deployed(*watches)
        c = versions.c
        query = select(c.version).where(c.service == service.name).order_by(c.seen_at.desc(), c.version).limit(1)
        seen = self.db.execute(query).scalar()
        return None if seen is None else Version(str(seen), "seen to run")

    def _deployed(self, newest: store.Watch, before: store.Watch | None = None) -> Version:
        how = f"deployment #{newest.number}"
        asked = store.load_requests(self.db, newest.id)
        if any(r.action == newest.plan.rollback and r.state in _UNDONE for r in asked):
            old = newest.previous or (before.version if before is not None else f"the one before {newest.version}")
            return Version(old, f"{newest.version} was rolled back, {how}")
        return Version(newest.version, how)

    def _policy(self, service: Service) -> Policy:
        """By which a grave incident of the service pages."""
        labels = Labels.of(service=service.name)
        return self.app.oncall.plan.choose(service.escalation, labels, str(Severity.P1))

    def _duties(self, policy: Policy) -> tuple[Duty, ...]:
        """Whom the steps reach as things stand, each once."""
        found: dict[str, Duty] = {}
        for step in policy.steps:
            for entry in step.notify:
                role = self.app.oncall.plan.role(entry.removeprefix(_ROLE)) if entry.startswith(_ROLE) else None
                for name in role.notify if role is not None else (entry,):
                    if name not in found:
                        found[name] = self._one(step.after, name)
        return tuple(found.values())

    def _one(self, after: Ms, entry: str) -> Duty:
        person, who, until, then = entry, "", None, ""
        if entry.startswith(SCHEDULE):
            who = entry.removeprefix(SCHEDULE)
            shift = self.duty.get(who)
            person = shift.person if shift is not None else ""
            until, then = (shift.until, shift.next_person) if shift is not None else (None, "")
        elif entry == EVERYONE or self.app.oncall.plan.person(entry) is None:
            person, who = "", entry
        known = self.app.config.hypercare.person(person) if person else None
        if known is None:
            return Duty(after, who, person, "", "", (), until, then)
        ways = tuple(dict.fromkeys(contact.channel for contact in known.contact))
        return Duty(after, who, person, known.full_name, known.email, ways, until, then)
