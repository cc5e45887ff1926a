"""The platform at a glance: services, alerts, incidents, targets, who is on call, how deliveries go."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from hypercare.config.objectives import ERRORS, LEFT, objectives_of
from hypercare.incidents.store import load_incidents
from hypercare.kernel.tables import outbox
from hypercare.model.severity import Severity
from hypercare.model.units import PLAIN, PORTION
from hypercare.oncall.store import on_call_now
from hypercare.routing.store import load_alerts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.config.services import Service
    from hypercare.incidents.store import Incident
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.oncall.store import OnCallNow
    from hypercare.routing.store import AlertView

OK, WARNING, CRITICAL, UNKNOWN = "ok", "warning", "critical", "unknown"
_SLOW = 0.05
"""A pace below which none is told."""
_TWICE = 1.05
"""So many times its whole an error budget is spent before the number is told."""
_RANK = {OK: 0, UNKNOWN: 1, WARNING: 2, CRITICAL: 3}


def worst(statuses: Iterable[str]) -> str:
    """The worst of some statuses; ok where there are none."""
    return max(statuses, key=_RANK.__getitem__, default=OK)


@dataclasses.dataclass(frozen=True, slots=True)
class TargetLine:
    """One scraped target; ``seconds`` is how long the last scrape took."""

    job: str
    instance: str
    url: str
    health: str
    error: str
    last_scrape: Ms
    seconds: float
    labels: Labels


@dataclasses.dataclass(frozen=True, slots=True)
class AlertLine:
    """One firing alert.

    Attributes:
        suppressed_by: says in words who holds its notifications back.
        flapping_since: none: it does not flap.

    """

    name: str
    severity: str
    service: str
    summary: str
    starts_at: Ms
    labels: Labels
    suppressed_by: str
    runbook_url: str
    flapping_since: Ms | None = None

    @property
    def matchers(self) -> str:
        """Matchers that fit this alert alone, as JSON pairs."""
        return json.dumps(self.labels.pairs)


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """The error budget of one objective of a service.

    Attributes:
        name: availability, errors or latency.
        percent: of events that have to be good.
        left: share of the budget that is left, below 0: overspent; none: not measured yet.
        burn: over the last hour; 1 spends the budget exactly in its window.

    """

    name: str
    percent: float
    left: float | None
    burn: float | None

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.left is not None and self.left <= 0

    @property
    def pace(self) -> str:
        """How fast it is spent now, in words; empty where it hardly is."""
        if self.burn is None or self.burn < _SLOW:
            return ""
        return f"burns {PLAIN.of(self.burn, 3)}\N{MULTIPLICATION SIGN}"

    @property
    def said(self) -> str:
        """What is left, in words."""
        if self.left is None:
            return "not measured yet"
        if self.left > 0:
            return f"{PORTION.of(self.left, 3)} left"
        times = 1 - self.left
        return "all spent" if times < _TWICE else f"spent {PLAIN.of(times, 3)}\N{MULTIPLICATION SIGN}"


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service: its status and the reasons for it."""

    name: str
    tier: int
    owner: str
    runbook: str
    status: str
    reasons: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Overview:
    """Everything on one page."""

    at: Ms
    platform: str
    status: str
    services: tuple[ServiceStatus, ...]
    alerts: tuple[AlertLine, ...]
    incidents: tuple[Incident, ...]
    oncall: tuple[OnCallNow, ...]
    targets: tuple[TargetLine, ...]
    deliveries_pending: int
    deliveries_failed: int

    @property
    def targets_total(self) -> int:
        """All targets."""
        return len(self.targets)

    @property
    def targets_up(self) -> int:
        """Those whose last scrape succeeded."""
        return sum(t.health == "up" for t in self.targets)

    @property
    def targets_down(self) -> int:
        """Those whose last scrape failed."""
        return sum(t.health == "down" for t in self.targets)

    @property
    def headline(self) -> str:
        """One sentence of numbers."""
        held = sum(bool(a.suppressed_by) for a in self.alerts)
        firing = _count(len(self.alerts) - held, "firing alert")
        parts = [
            _count(len(self.incidents), "open incident"),
            f"{firing} ({held} more held back)" if held else firing,
            f"{self.targets_up} of {self.targets_total} targets up",
        ]
        text = ", ".join(parts)
        return f"{text[:1].upper()}{text[1:]}."


def _count(n: int, noun: str) -> str:
    return f"{n or 'no'} {noun}{'' if n == 1 else 's'}"


def target_lines(app: App, now: Ms) -> tuple[TargetLine, ...]:
    """All active targets by job and instance; one whose health check fails is down, though its probe was made."""
    failing = _failing_checks(app, now)
    lines = []
    for t in app.collectors.snapshot().active:
        error = failing.get(t.labels, "") if t.health == "up" else ""
        health = "down" if error else t.health
        lines.append(
            TargetLine(
                t.labels.get("job"), t.labels.get("instance"), t.scrape_url, health, error or t.last_error,
                t.last_scrape, t.last_scrape_duration, t.labels,
            )
        )  # fmt: skip
    return tuple(sorted(lines, key=lambda t: (t.job, t.instance)))


def _failing_checks(app: App, now: Ms) -> dict[Labels, str]:
    """Labels of the targets whose last probe did not succeed, and what it met."""
    store = app.tsdb.snapshot()
    failed = app.engine.instant(store, "probe_success == 0", now)
    if not failed.labels:
        return {}
    codes = app.engine.instant(store, "probe_http_status_code", now)
    met = {la.without_name(): value for la, value in zip(codes.labels, codes.values.tolist(), strict=True)}
    return {
        labels: f"the health check fails{f' (HTTP {code:.0f})' if (code := met.get(labels)) else ''}"
        for labels in (found.without_name() for found in failed.labels)
    }


def alert_lines(app: App, db: Connection, now: Ms) -> tuple[AlertLine, ...]:
    """All firing alerts, the worst first."""
    order = {"critical": 0, "warning": 1, "info": 2}
    lines = [alert_line(view) for view in load_alerts(db, app.routing_settings, now)]
    return tuple(sorted(lines, key=lambda a: (bool(a.suppressed_by), order.get(a.severity, 3), a.name, a.labels)))


def alert_line(view: AlertView) -> AlertLine:
    """One firing alert as people read it."""
    labels, annotations = view.alert.labels, view.alert.annotations
    reasons = [
        *(f"silenced ({i[:8]})" for i in view.silenced_by),
        *(["inhibited by another alert"] if view.inhibited_by else []),
        *(f"muted by {name}" for name in view.muted_by),
    ]
    return AlertLine(
        name=labels.get("alertname"),
        severity=labels.get("severity"),
        service=labels.get("service") or labels.get("job"),
        summary=annotations.get("summary") or annotations.get("description"),
        starts_at=view.alert.starts_at,
        labels=labels,
        suppressed_by=", ".join(reasons),
        runbook_url=annotations.get("runbook_url"),
        flapping_since=view.flapping_since,
    )


def alert_status(alert: AlertLine) -> str:
    """What one firing alert says of the platform; one that is held back, or that only informs, says nothing."""
    if alert.suppressed_by or alert.severity in {"info", "none"}:
        return OK
    return CRITICAL if alert.severity == "critical" else WARNING


def incident_status(incident: Incident) -> str:
    """What one open incident says: critical where it is grave, still fires, and nobody has taken it."""
    grave = incident.severity in {Severity.P0, Severity.P1}
    return CRITICAL if grave and incident.firing and incident.acknowledged_at is None else WARNING


def budgets(app: App, now: Ms) -> dict[str, tuple[Budget, ...]]:
    """By service: what is left of the error budgets of its objectives, and how fast they are spent now."""
    promised = [each for service in app.config.hypercare.services for each in objectives_of(service)]
    if not promised:
        return {}
    store = app.tsdb.snapshot()

    def values(metric: str) -> dict[tuple[str, str], float]:
        found = app.engine.instant(store, f'{{__name__="{metric}"}}', now)
        pairs = zip(found.labels, found.values.tolist(), strict=True)
        return {(labels.get("service"), labels.get("slo")): value for labels, value in pairs}

    left, bad = values(LEFT), values(f"{ERRORS}1h")
    lines: dict[str, list[Budget]] = {}
    for each in promised:
        key = (each.service, each.name)
        share = bad.get(key)
        burn = None if share is None or not each.budget else share / each.budget
        lines.setdefault(each.service, []).append(Budget(each.name, each.percent, left.get(key), burn))
    return {name: tuple(found) for name, found in lines.items()}


def service_status(
    service: Service, targets: tuple[TargetLine, ...], alerts: tuple[AlertLine, ...], spent: tuple[Budget, ...] = ()
) -> ServiceStatus:
    """How a service stands, by its targets and its firing alerts."""
    found: list[tuple[str, str]] = []
    mine = [t for t in targets if service.selects(t.labels)]
    found += [(CRITICAL, f"{t.job} {t.instance}: {t.error or 'down'}") for t in mine if t.health == "down"]
    for alert in alerts:
        status = alert_status(alert)
        if status != OK and service.selects(alert.labels):
            found.append((status, f"{alert.name}: {alert.summary}" if alert.summary else alert.name))
    if not found and mine and all(t.health == "unknown" for t in mine):
        found.append((UNKNOWN, "not looked at yet"))
    if not found and not mine:
        found.append((UNKNOWN, "nothing watches it: no target and no health check"))
    # The worst first, and each once: alerts of several instances read alike.
    ordered = sorted(found, key=lambda reason: -_RANK[reason[0]])
    reasons = tuple(dict.fromkeys(text for _, text in ordered))
    return ServiceStatus(
        service.name, service.tier, service.owner, service.runbook, worst(s for s, _ in found), reasons, spent
    )


def _status(
    services: tuple[ServiceStatus, ...],
    alerts: tuple[AlertLine, ...],
    targets: tuple[TargetLine, ...],
    incidents: tuple[Incident, ...],
) -> str:
    statuses = [s.status for s in services]
    statuses += [alert_status(alert) for alert in alerts]
    statuses += [incident_status(incident) for incident in incidents]
    statuses += [WARNING for t in targets if t.health == "down"]
    if not targets and not services:
        statuses.append(UNKNOWN)
    return worst(statuses)


def overview(app: App, db: Connection, now: Ms) -> Overview:
    """Put the page together from a reader's connection and the rooms' snapshots."""
    targets = target_lines(app, now)
    alerts = alert_lines(app, db, now)
    spent = budgets(app, now)
    known = app.config.hypercare.services
    services = tuple(service_status(s, targets, alerts, spent.get(s.name, ())) for s in known)
    incidents = load_incidents(db, "unresolved")
    counted = db.execute(select(outbox.c.state, func.count().label("n")).group_by(outbox.c.state))
    statuses: dict[str, int] = {row.state: row.n for row in counted}
    return Overview(
        at=now,
        platform=app.config.hypercare.platform,
        status=_status(services, alerts, targets, incidents),
        services=services,
        alerts=alerts,
        incidents=incidents,
        oncall=on_call_now(app.oncall.plan, now),
        targets=targets,
        deliveries_pending=statuses.get("pending", 0),
        deliveries_failed=statuses.get("failed", 0),
    )
