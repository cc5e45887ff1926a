"""A run as a story and as a summary."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import format_duration, format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.time import Ms
    from hypercare.rehearse.stories.expectations import Judged
    from hypercare.rehearse.stories.facts import Fact
    from hypercare.rehearse.stories.stage import Stage


def story(stage: Stage, facts: Iterable[Fact]) -> list[str]:
    """What happened, a line each, in order; what repeats itself within a minute stands once."""
    start = stage.book.scenario.start
    lines = [(told.at, f"* {told.text}") for told in stage.told]
    lines += [(fact.at, sentence) for fact in facts if (sentence := _sentence(fact))]
    lines.sort(key=lambda line: line[0])
    return [f"{_clock(at, start)}  {text}" for at, text in lines]


def _clock(at: Ms, start: Ms) -> str:
    seconds = (at - start) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours:4d}:{rest // 60:02d}:{rest % 60:02d}"


_SENTENCES: Final = {
    "alert.firing": "{alert} ({about}) fires",
    "alert.ended": "{alert} ({about}) ends",
    "group.notified": "{receiver} is told of {group}: {firing} firing, {resolved} resolved",
    "incident.opened": "incident #{number} opens: {title} ({severity}, {service})",
    "page.sent": "{person} is paged for #{number} ({channel})",
    "incident.acknowledged": "{by} takes #{number}",
    "incident.unacknowledged": "#{number} is handed back by {by}",
    "incident.resolved": "#{number} is resolved by {by}",
    "escalation.exhausted": "nobody is left to be paged for #{number}",
    "clock.passed": "the {clock} clock of #{number}: {level}",
    "effect.delayed": "{target} does not take a message yet: {error}",
    "effect.failed": "{target} cannot be reached: {error}",
    "deployed": "{service} {version} is known to have gone out",
    "deploy.changed": "watch of {service} {version}: {what} {verdict}",
    "deploy.finding": "watch of {service} {version}: {check} is {level}: {reason}",
    "action.wanted": "{by} asks for {action}: {reason}",
    "action.ended": "{action} is {state}: {text}",
    "audit.found": "the auditor: {text}",
    "heartbeat.changed": "heartbeat {name}: {reasons}",
}


class _Fields(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "-"


def _sentence(fact: Fact) -> str:
    """A fact in words, or nothing where it does not belong into a story."""
    if fact.get("what") == "checkpoint":
        return ""
    about = fact.get("service") or fact.get("instance") or "no service"
    shown = {name: value.rstrip() for name, value in fact.fields.items() if value}
    return _SENTENCES.get(fact.kind, "").format_map(_Fields(shown, about=about))


def summary(stage: Stage, facts: Sequence[Fact], judged: Sequence[Judged]) -> dict[str, Any]:
    """The run in numbers; all of them are counted from the event log."""
    scenario = stage.book.scenario
    opened = {f.get("incident_id"): f.at for f in facts if f.kind == "incident.opened"}
    taken = _first(facts, "incident.acknowledged")
    ended = _first(facts, "incident.resolved")
    replayed = {} if stage.feeder is None else {"recorded": stage.feeder.close().as_json()}
    return {
        **replayed,
        "title": scenario.title,
        "from": format_rfc3339(scenario.start),
        "to": format_rfc3339(scenario.start + scenario.length),
        "seed": stage.seed,
        "incidents": len(opened),
        "acknowledged": len(taken),
        "resolved": len(ended),
        "median_time_to_acknowledge_ms": _median([taken[i] - at for i, at in opened.items() if i in taken]),
        "median_time_to_resolve_ms": _median([ended[i] - at for i, at in opened.items() if i in ended]),
        "alerts": _count(facts, "alert.firing", "alert"),
        "pages": _count(facts, "page.sent", "person"),
        "notifications": _count(facts, "group.notified", "receiver"),
        "failed_deliveries": sum(f.kind == "effect.failed" for f in facts),
        "verdicts": _count((f for f in facts if f.get("verdict")), "deploy.changed", "verdict"),
        "failed_steps": stage.app.kernel.failures,
        "events": len(stage.log.lines),
        "log_sha256": stage.log.digest(),
        "expectations": [
            {"text": j.text, "met": j.met, "seen_at_ms": list(j.found), "elsewhere_ms": list(j.elsewhere)}
            for j in judged
        ],
    }


def _first(facts: Iterable[Fact], kind: str) -> dict[str, Ms]:
    found: dict[str, Ms] = {}
    for fact in facts:
        if fact.kind == kind:
            found.setdefault(fact.get("incident_id"), fact.at)
    return found


def _median(spans: list[Ms]) -> Ms | None:
    return round(median(spans)) if spans else None


def _count(facts: Iterable[Fact], kind: str, field: str) -> dict[str, int]:
    return dict(sorted(Counter(fact.get(field) for fact in facts if fact.kind == kind).items()))


def summary_text(found: dict[str, Any]) -> str:
    """The same for people."""
    taken, ended = _span(found["median_time_to_acknowledge_ms"]), _span(found["median_time_to_resolve_ms"])
    incidents = f"{found['incidents']} incidents, {found['acknowledged']} acknowledged (median after {taken})"
    lines = [f"{incidents}, {found['resolved']} resolved (median after {ended})"]
    counted = [(name, found[name]) for name in ("alerts", "pages", "notifications", "verdicts")]
    lines += [f"{name}: " + ", ".join(f"{w} {n}" for w, n in counts.items()) for name, counts in counted if counts]
    if "recorded" in found:
        lines.insert(0, _recorded(found["recorded"]))
    if found["failed_deliveries"]:
        lines.append(f"deliveries that failed for good: {found['failed_deliveries']}")
    if found["failed_steps"]:
        lines.append(f"steps of hypercare that failed: {found['failed_steps']}")
    lines.append(f"{found['events']} events, SHA-256 {found['log_sha256']}, seed {found['seed']}")
    return "\n".join(lines)


def _recorded(fed: dict[str, Any]) -> str:
    times = "" if fed["first"] is None else f" of {format_rfc3339(fed['first'])} to {format_rfc3339(fed['last'])}"
    lines = [f"replayed: {fed['samples']:,} samples of {fed['series']:,} series{times}"]
    if fed["of_rules"]:
        lines.append(f"left out, because the configuration's rules write them: {fed['of_rules']:,} samples")
    if fed["refused"]:
        lines.append(f"not taken: {fed['refused']:,} samples: {'; '.join(fed['problems'])}")
    return "\n".join(lines)


def _span(ms: Ms | None) -> str:
    return "-" if ms is None else format_duration(ms // 1000 * 1000)


def expectations_text(judged: Sequence[Judged]) -> str:
    """Each expectation with its mark."""
    lines = [
        f"{'ok    ' if j.met else 'FAILED'}  {j.text}" + ("" if j.met else f"\n        {j.explanation}") for j in judged
    ]
    met = sum(j.met for j in judged)
    return "\n".join([*lines, f"{met} of {len(judged)} expectations met"])
