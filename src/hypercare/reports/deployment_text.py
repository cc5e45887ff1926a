"""The report of a deployment's watch as JSON, Markdown, and HTML that needs no other file."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from hypercare.model.time import MINUTE, SECOND, Ms, format_duration, format_rfc3339, to_datetime
from hypercare.reports import deployment_chart as chart
from hypercare.reports.deployment_numbers import (
    CERTAINTY,
    NOTHING,
    CheckNumbers,
    numbers,
    shown,
    shown_change,
    shown_trend,
    written,
)

if TYPE_CHECKING:
    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.store import StoredVerdict
    from hypercare.reports.deployment_story import Story

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~])")


@dataclasses.dataclass(frozen=True, slots=True)
class Lesson:
    """Something that a person wrote down: a note, the remark or action of a checkpoint, a word to a criterion."""

    at: Ms
    by: str
    text: str


def lessons(story: Story) -> tuple[Lesson, ...]:
    """All of them, in order of time."""
    found = [Lesson(e.at, e.by, e.text) for e in story.journal if e.kind == "note"]
    for point in story.checkpoints:
        if point.signed_at is None:
            continue
        parts = [point.notes, f"action: {point.action}" if point.action else ""]
        words = "; ".join(part for part in parts if part)
        if words:
            found.append(Lesson(point.signed_at, point.signed_by, f"checkpoint {point.number}: {words}"))
    found += [Lesson(g.at, g.by, f"{g.criterion}: {g.state}, {g.note}") for g in story.answers.values() if g.note]
    return tuple(sorted(found, key=lambda lesson: lesson.at))


def summary(story: Story) -> str:
    """The watch in a sentence or two."""
    watch, last = story.watch, story.verdicts[-1] if story.verdicts else None
    lasted = format_duration((story.end - watch.started_at) // SECOND * SECOND)
    if watch.status == "running":
        begun = f"is watched for {lasted} of {format_duration(watch.ends_at - watch.started_at)}"
        if last is None:
            return f"{watch.title} {begun}; nothing is concluded yet."
        return f"{watch.title} {begun}; the last conclusion is {last.verdict}{_because(last)}."
    if last is None:
        return f"The watch of {watch.title} was {watch.status} after {lasted} without a conclusion."
    cancelled = " and was cancelled" if watch.status == "cancelled" else ""
    return f"{watch.title} was watched for {lasted}{cancelled} and ended in {last.verdict}{_because(last)}."


def _because(verdict: StoredVerdict) -> str:
    wrong = [o for o in verdict.outcomes if o["state"] != "pass"]
    if not wrong:
        return f": all {len(verdict.outcomes)} criteria are met" if verdict.outcomes else ""
    named = ", ".join(str(o["name"]) for o in wrong[:5])
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return f": {named}{more}"


def moment(at: Ms | None) -> str:
    """An instant in UTC for people."""
    return NOTHING if at is None else to_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def lasted(since: Ms, until: Ms | None) -> str:
    """How long, or that it lasts."""
    return "lasts" if until is None else format_duration((until - since) // SECOND * SECOND)


# -- JSON --------------------------------------------------------------------------------------------------------


def as_json(story: Story) -> str:
    """All facts with names; instants in RFC 3339, spans in ms, values in the check's unit."""
    return json.dumps(facts(story), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def facts(story: Story) -> dict[str, Any]:
    """What the JSON holds."""
    watch, plan = story.watch, story.watch.plan
    found: dict[str, Any] = _plain({
        "deployment": watch.number, "service": watch.service, "version": watch.version, "previous": watch.previous,
        "color": watch.color, "other_color": watch.other_color, "url": watch.url, "by": watch.by,
        "status": watch.status, "verdict": watch.verdict, "started_at": _time(watch.started_at),
        "ends_at": _time(watch.ends_at), "ended_at": _time(watch.ended_at), "extensions": watch.extensions,
        "written_at": _time(story.now), "summary": summary(story),
        "plan": {"name": plan.name, "baseline": plan.baseline.kind, "false_alarms": plan.false_alarms,
                 "phases": [{"name": p.name, "until_ms": p.until, "every_ms": p.every} for p in plan.phases]},
        "verdicts": [{"at": _time(v.at), "verdict": v.verdict, "final": v.final, "outcomes": v.outcomes}
                     for v in story.verdicts],
        "checks": [_check_facts(story, found) for found in numbers(story)],
        "checkpoints": [
            {"number": p.number, "phase": p.phase, "due_at": _time(p.due_at), "taken_at": _time(p.taken_at),
             "state": chart.checkpoint_state(p, story), "final": p.final, "issues": issues(p.readings),
             "notes": p.notes, "action": p.action, "signed_by": p.signed_by, "signed_at": _time(p.signed_at),
             "readings": p.readings}
            for p in story.checkpoints
        ],
        "findings": [
            {"check": f.check, "service": f.service, "method": f.method, "level": f.level, "since": _time(f.since),
             "at": _time(f.at), "until": _time(f.until), "value": f.value, "bound": f.bound, "change": f.change,
             "reason": f.reason, "query": f.query}
            for f in story.findings
        ],
        "answers": [{"criterion": g.criterion, "state": g.state, "note": g.note, "by": g.by, "at": _time(g.at)}
                    for g in story.answers.values()],
        "actions": [{"action": r.action, "check": r.check, "reason": r.reason, "asked_at": _time(r.asked_at),
                     "state": r.state, "text": r.text, "ended_at": _time(r.ended_at)} for r in story.requests],
        "lessons": [{"at": _time(x.at), "by": x.by, "text": x.text} for x in lessons(story)],
        "timeline": [{"at": _time(e.at), "kind": e.kind, "by": e.by, "text": e.text} for e in story.journal],
    })  # fmt: skip
    return found


def _check_facts(story: Story, found: CheckNumbers) -> dict[str, Any]:
    row, curves = found.row, next(c for c in story.checks if c.row.id == found.row.id)
    made: dict[str, Any] = {
        "name": row.id, "service": row.service, "query": row.expr, "traffic_query": row.traffic,
        "unit": row.check.unit, "ratio": row.check.ratio, "state": story.state_of(row.id), "data": curves.source,
        "bounds": {n: getattr(row.bounds, n) for n in ("baseline", "target", "warning", "critical")},
        "missing": curves.missing,
        "before": found.before and dataclasses.asdict(found.before),
        "during": found.during and dataclasses.asdict(found.during),
        "change": found.change, "findings": len(story.findings_of(row.id)),
    }  # fmt: skip
    if found.trend is not None:
        trend = found.trend
        made["trend"] = {
            "per_hour": trend.per_hour, "low": trend.low, "high": trend.high, "confidence": 1 - CERTAINTY,
            "certain": found.certain, "reaches_critical_in_ms": found.limit_in,
        }  # fmt: skip
    if found.errors is not None:
        made["errors"] = {**dataclasses.asdict(found.errors), "share": found.errors.share}
    if found.cost is not None:
        made["cost"] = dataclasses.asdict(found.cost)
    return made


def _time(at: Ms | None) -> str | None:
    return None if at is None else format_rfc3339(at)


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def issues(readings: dict[str, Any]) -> list[str]:
    """What was not ok at a checkpoint, in words."""
    return [f"{name}: {r['state']}" for name, r in readings.items() if r.get("state") not in {"ok", None}]


# -- Markdown ----------------------------------------------------------------------------------------------------


def as_markdown(story: Story) -> str:
    """GitHub's Markdown: tables, no pictures."""
    return _environment().get_template("deployment.md").render(**_values(story))


def _escaped(text: object) -> str:
    """Text that no Markdown is read into, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _code(text: str) -> str:
    """A query as code, on one line, fit for a cell of a table."""
    one = " ".join(text.split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", one)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {one} {fence}" if longest else f"`{one}`"


# -- HTML --------------------------------------------------------------------------------------------------------


def as_html(story: Story) -> str:
    """One page with its style and pictures in it; no script, nothing is fetched."""
    pictures = {c.row.id: chart.check_picture(story, c) for c in story.checks}
    more = {
        "style": Markup(STYLE),  # noqa: S704 - our own file
        "pictures": pictures,
        "strip": chart.strip(story),
        "found_pictures": {f.id: chart.finding_picture(f, story.unit_of(f.check)) for f in story.findings},
    }
    return _environment().get_template("deployment.html").render(**_values(story), **more)


STYLE: Final = (_TEMPLATES / "deployment.css").read_text(encoding="utf-8")
"""The style sheet within the HTML."""
POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy that the HTML needs."""


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "md": _escaped, "code": _code, "moment": moment, "value": shown, "rfc3339": format_rfc3339,
        "duration": lambda ms: format_duration(ms // SECOND * SECOND),
        "roughly": lambda ms: format_duration(ms // MINUTE * MINUTE),
    }  # fmt: skip
    return environment


def _values(story: Story) -> dict[str, Any]:
    found = numbers(story)
    rows: dict[str, CheckRow] = {c.row.id: c.row for c in story.checks}
    return {
        "s": story, "w": story.watch, "plan": story.watch.plan, "summary": summary(story), "numbers": found,
        "rows": rows, "curves": {c.row.id: c for c in story.checks},
        "verdict": story.verdicts[-1] if story.verdicts else None,
        "errors": [n for n in found if n.errors is not None], "costs": [n for n in found if n.cost is not None],
        "trends": [n for n in found if n.trend is not None and not n.row.check.ratio],
        "lessons": lessons(story), "issues": issues, "state": chart.checkpoint_state, "lasted": lasted,
        "change": shown_change, "trend": shown_trend, "written": written,
    }  # fmt: skip
