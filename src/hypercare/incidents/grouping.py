"""Pure decisions on alerts: which service, which incident, how bad, under which title."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import EMPTY, Labels
from hypercare.model.matchers import matches_all
from hypercare.model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.incidents.settings import IncidentSettings, ServiceSettings
    from hypercare.model.alerts import Alert

# The usual words of a `severity` label, where no rule of the configuration says otherwise.
_BY_LABEL: Final = {
    "p0": Severity.P0,
    "p1": Severity.P1,
    "p2": Severity.P2,
    "p3": Severity.P3,
    "critical": Severity.P1,
    "page": Severity.P1,
    "error": Severity.P2,
    "warning": Severity.P2,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What an incident is about: the alerts that agree in the grouping labels."""

    key: str
    service: str
    alerts: tuple[Alert, ...]


def opens(alert: Alert, settings: IncidentSettings) -> bool:
    """Whether an alert is one that incidents are made of."""
    return any(matches_all(matchers, alert.labels) for matchers in settings.open)


def opening(alerts: Iterable[Alert], settings: IncidentSettings) -> list[Alert]:
    """Those of which incidents are made."""
    # Asked of every alert that comes in or is told: those that agree in the labels that matter are looked at once.
    names = sorted({matcher.name for matchers in settings.open for matcher in matchers})
    given = list(alerts)
    sets = [alert.labels for alert in given]
    columns = [Labels.column(sets, name) for name in names]
    values = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True)) or [()] * len(given)
    examples = dict(zip(values, given, strict=True))
    verdicts = {value: opens(alert, settings) for value, alert in examples.items()}
    if len(verdicts) == 1:
        return given if verdicts[values[0]] else []
    return [alert for value, alert in zip(values, given, strict=True) if verdicts[value]]


def service_of(labels: Labels, settings: IncidentSettings) -> str:
    """The service an alert is about.

    A ``service`` label that names a configured service; else the first configured service that matches; else the
    ``service`` or the ``job`` label as it is.
    """
    named = labels.get("service")
    if any(service.name == named for service in settings.services):
        return named
    for service in settings.services:
        if any(matches_all(matchers, labels) for matchers in service.match):
            return service.name
    return named or labels.get("job")


def key_of(labels: Labels, settings: IncidentSettings) -> str:
    """The same text for all alerts that share an incident, whoever the receiver is."""
    full = labels.with_({"service": service_of(labels, settings)})
    return json.dumps([[name, full.get(name)] for name in sorted(settings.group_by)], ensure_ascii=False)


def subjects(alerts: Iterable[Alert], settings: IncidentSettings) -> tuple[Subject, ...]:
    """Sort alerts by incident, in the order in which they came."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(key_of(alert.labels, settings), []).append(alert)
    return tuple(Subject(key, service_of(of[0].labels, settings), tuple(of)) for key, of in found.items())


def severity_of(alert: Alert, settings: IncidentSettings) -> Severity:
    """How bad one alert is.

    By the first rule that fits; else by the ``severity`` label: its own P0 to P3, critical or page P1, warning or
    error P2, anything else P3.
    """
    service = _service(service_of(alert.labels, settings), settings)
    tier = service.tier if service else None
    for rule in settings.severities:
        if (rule.tier is None or rule.tier == tier) and matches_all(rule.matchers, alert.labels):
            return rule.severity
    return _BY_LABEL.get(alert.labels.get("severity").lower(), Severity.P3)


def worst(alerts: Iterable[Alert], settings: IncidentSettings) -> Severity:
    """The severity of the worst of some alerts (there must be one)."""
    return min(severity_of(alert, settings) for alert in alerts)


def title_of(alert: Alert) -> str:
    """The summary of the alert, or its name."""
    return alert.annotations.get("summary") or alert.name or str(alert.labels)


def common_labels(subject: Subject) -> Labels:
    """The labels in which all alerts of the subject agree, with the service."""
    alerts = [alert.labels for alert in subject.alerts]
    shared = Labels(pair for pair in alerts[0] if all(other.get(pair[0]) == pair[1] for other in alerts[1:]))
    return shared.with_({"service": subject.service}) if subject.service else shared


def runbook_of(subject: Subject, settings: IncidentSettings) -> str:
    """The first alert's ``runbook_url`` annotation, or the service's runbook."""
    for alert in subject.alerts:
        if url := alert.annotations.get("runbook_url"):
            return url
    service = _service(subject.service, settings)
    return service.runbook_url if service else ""


def policy_of(subject: Subject, settings: IncidentSettings) -> str:
    """The escalation policy that the service names, or an empty text."""
    service = _service(subject.service, settings)
    return service.policy if service else ""


def describe(labels: Labels) -> str:
    """An alert in a timeline: ``HighErrors{instance="a"}``."""
    name, rest = labels.get("alertname"), labels.without(("alertname",))
    return f"{name}{rest if rest != EMPTY else ''}"


def _service(name: str, settings: IncidentSettings) -> ServiceSettings | None:
    return next((service for service in settings.services if service.name == name), None)
