"""One look over all services, targets, alerts and thresholds, with an exit code that a script can trust (R3.2)."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from typing import TYPE_CHECKING, Final

from hypercare.model.time import MINUTE, format_duration, format_rfc3339
from hypercare.promql import PromqlError
from hypercare.reports.overview import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    Overview,
    alert_status,
    incident_status,
    overview,
    worst,
)
from hypercare.rules.answers import NONE, Question, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.model.time import Ms
    from hypercare.rules.answers import Answer, Answers

EXIT_CODES: Final = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}
_WAIT: Final = 5.0
"""Seconds that a check waits for another server's samples."""


@dataclasses.dataclass(frozen=True, slots=True)
class Threshold:
    """A limit that holds without any rule; the worst element of ``expr`` is judged.

    Attributes:
        expr: PromQL; no data means that the platform does not measure it.
        warning: beyond it: exit code 1.
        critical: beyond it: exit code 2.
        unit: behind the number.
        least: the smallest element is the worst, and beyond means below.

    """

    name: str
    expr: str
    warning: float
    critical: float
    unit: str
    least: bool = False

    def judge(self, values: Sequence[float]) -> CheckLine:
        """Hold the worst of some values against the limits."""
        value = min(values) if self.least else max(values)
        beyond = operator.lt if self.least else operator.gt
        status = CRITICAL if beyond(value, self.critical) else WARNING if beyond(value, self.warning) else OK
        limit = f"{'at least' if self.least else 'at most'} {self.critical:g}{self.unit}"
        return CheckLine("threshold", self.name, status, f"{value:.3g}{self.unit}, {limit}")


_P95 = "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))"
_DISK = 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} / node_filesystem_size_bytes'
# R3.3 names one limit each; it is the critical one, and the warning comes a tenth earlier.
THRESHOLDS: Final = (
    Threshold("error rate", 'sum(rate(http_requests_total{code=~"5.."}[5m]))', 0.045, 0.05, "/s"),
    Threshold("p95 response time", _P95, 1.8, 2, " s"),
    Threshold("CPU", '100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))', 81, 90, " %"),
    Threshold("memory", "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)", 76.5, 85, " %"),
    Threshold("disk", f"100 * (1 - {_DISK})", 76.5, 85, " %"),
    Threshold("certificate", "(probe_ssl_earliest_cert_expiry - time()) / 86400", 14, 3, " days", least=True),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing looked at; ``kind`` is service, target, alert, incident, threshold or delivery."""

    kind: str
    name: str
    status: str
    detail: str


@dataclasses.dataclass(frozen=True, slots=True)
class CheckReport:
    """The whole look."""

    at: Ms
    platform: str
    status: str
    lines: tuple[CheckLine, ...]

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 warnings, 2 critical, 3 could not tell."""
        return EXIT_CODES[self.status]

    def as_json(self) -> dict[str, object]:
        """For ``--json`` and the API."""
        lines = [dataclasses.asdict(line) for line in self.lines]
        head = {"at": format_rfc3339(self.at), "platform": self.platform, "status": self.status}
        return {**head, "exit_code": self.exit_code, "lines": lines}


def _lines(o: Overview) -> list[CheckLine]:
    lines = [CheckLine("service", s.name, s.status, "; ".join(s.reasons)) for s in o.services]
    health = {"up": OK, "down": WARNING}
    lines += [CheckLine("target", f"{t.job} {t.instance}", health.get(t.health, UNKNOWN), t.error) for t in o.targets]
    for a in o.alerts:
        detail = a.summary + (f" ({a.suppressed_by})" if a.suppressed_by else "")
        lines.append(CheckLine("alert", f"{a.name} {a.service}".strip(), alert_status(a), detail))
    lines += [CheckLine("incident", f"#{i.number} {i.severity}", incident_status(i), i.title) for i in o.incidents]
    if o.deliveries_failed:
        lines.append(CheckLine("delivery", "outbox", WARNING, f"{o.deliveries_failed} notifications failed for good"))
    return lines


def _judged(app: App, now: Ms) -> list[CheckLine]:
    """Every threshold of which there is data: ours, and that of another server which answers our queries."""
    if app.backend.settings is None:
        told: Answers = {}
    else:
        told = app.backend.look([Question(threshold.expr, now) for threshold in THRESHOLDS], _WAIT)
    lines = [judge(t, app, now, told.get(Question(t.expr, now), NONE)) for t in THRESHOLDS]
    return [line for line in lines if line is not None]


def judge(threshold: Threshold, app: App, now: Ms, told: Answer) -> CheckLine | None:
    """Hold one threshold against the newest data, ours and another server's; none where there is no data."""
    try:
        result = app.engine.instant(app.tsdb.snapshot(), threshold.expr, now)
    except PromqlError as error:
        return CheckLine("threshold", threshold.name, UNKNOWN, str(error))
    values = [v for v in [*result.values.tolist(), *map(number, told.elements[1])] if not math.isnan(v)]
    if values:
        return threshold.judge(values)
    return CheckLine("threshold", threshold.name, UNKNOWN, told.error) if told.error else None


def check(app: App, db: Connection, now: Ms) -> CheckReport:
    """Look over everything now."""
    view = overview(app, db, now)
    lines = _lines(view)
    lines += _judged(app, now)
    return CheckReport(now, view.platform, overall(line.status for line in lines), tuple(lines))


def overall(statuses: Iterable[str]) -> str:
    """The status of everything: the worst that is known; without a fault, what is not known is in doubt."""
    found = list(statuses)
    return worst(found) if found else UNKNOWN


def _cell(text: str) -> str:
    """Text that stays within its cell of a Markdown table, and is shown rather than obeyed."""
    return re.sub(r"([\\|<*_`\[])", r"\\\1", " ".join(text.split()))


def render_text(report: CheckReport, app: App) -> str:
    """``check --report``: the look as Markdown, with what happened lately."""
    lines = [f"# {_cell(report.platform)}: {report.status}", "", f"Looked at {format_rfc3339(report.at)}.", ""]
    for kind in dict.fromkeys(line.kind for line in report.lines):
        mine = [line for line in report.lines if line.kind == kind]
        lines += [f"## {kind.capitalize()}s", "", "| status | name | detail |", "|---|---|---|"]
        lines += [f"| {x.status} | {_cell(x.name)} | {_cell(x.detail)} |" for x in mine]
        lines.append("")
    up = report.at - app.started_at
    lines.append(f"Watched for {format_duration(up // MINUTE * MINUTE)} without a restart.")
    return "\n".join(lines) + "\n"
