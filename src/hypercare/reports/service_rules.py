"""Which rules, runbooks and silences belong to a service."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hypercare.config.matcher_text import format_matcher
from hypercare.model.labels import Labels
from hypercare.model.matchers import MatchOp
from hypercare.model.runbooks import find_runbook
from hypercare.promql import PromqlError, parse, selectors
from hypercare.promql.ast import Aggregate, walk
from hypercare.reports.service_parts import RunbookLink, SilenceLine
from hypercare.routing.silences import SilenceState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.config.services import Service
    from hypercare.model.matchers import Matcher
    from hypercare.model.runbooks import Runbook
    from hypercare.model.time import Ms
    from hypercare.routing.silences import Silence
    from hypercare.rules import RulesSnapshot, RuleStatus


@functools.lru_cache(maxsize=16_384)
def _named(expr: str) -> tuple[Labels, ...]:
    """The labels that each selector of an expression names with one value."""
    try:
        found = selectors(parse(expr))
    except PromqlError:
        return ()
    return tuple(Labels((m.name, m.value) for m in s.matchers if m.op is MatchOp.EQUAL) for s in found)


@functools.lru_cache(maxsize=16_384)
def _kept(expr: str) -> frozenset[str]:
    """The labels by which an expression adds up."""
    try:
        nodes = tuple(walk(parse(expr)))
    except PromqlError:
        return frozenset()
    return frozenset(name for n in nodes if isinstance(n, Aggregate) and not n.without for name in n.labels)


def rules_of(snapshot: RulesSnapshot, service: Service) -> tuple[RuleStatus, ...]:
    """Rules whose labels or selectors name the service, or of which an alert of it is active, in the files' order."""
    return tuple(
        rule
        for group in snapshot.groups
        for rule in group.rules
        if service.selects(rule.labels)
        or any(service.selects(labels) for labels in _named(rule.query))
        or any(service.selects(alert.labels) for alert in rule.alerts)
    )


def recorded_by(snapshot: RulesSnapshot, label: str) -> tuple[RuleStatus, ...]:
    """Recording rules that add up by a label: each service has a series of its own."""
    rules = (rule for group in snapshot.groups for rule in group.rules)
    return tuple(rule for rule in rules if rule.type == "recording" and label in _kept(rule.query))


def runbooks_of(
    known: tuple[Runbook, ...], service: Service, rules: Iterable[RuleStatus], alerts: Iterable[tuple[str, str]]
) -> tuple[RunbookLink, ...]:
    """The service's own runbook first, then those of its alerts; each once.

    Args:
        known: the runbooks beside the configuration.
        service: whose.
        rules: its rules, by ``rules_of``.
        alerts: name and link of its firing alerts, whose links are complete.

    """
    found: dict[str, RunbookLink] = {}

    def add(title: str, url: str, alert: str = "") -> None:
        before = found.get(url)
        if before is None:
            found[url] = RunbookLink(title, url, (alert,) if alert else ())
        elif alert and before.alerts and alert not in before.alerts:
            found[url] = RunbookLink(before.title, url, (*before.alerts, alert))

    def link(url: str, names: list[str], alert: str = "") -> None:
        kept = find_runbook(known, [url] if url else [], names)
        if kept is not None:
            add(kept.title, f"/runbooks/{kept.name}", alert)
        elif url and "{{" not in url:
            add(url.rstrip("/").rpartition("/")[2] or url, url, alert)

    if service.runbook:
        link(service.runbook, [])
    for runbook in known:
        if service.name in runbook.services:
            add(runbook.title, f"/runbooks/{runbook.name}")
    for name, url in alerts:
        link(url, [name], name)
    for rule in rules:
        if rule.type == "alerting":
            link(rule.annotations.get("runbook_url"), [rule.name], rule.name)
    return tuple(found.values())


def silences_of(
    silences: Iterable[Silence],
    service: Service,
    firing: tuple[Labels, ...],
    rules: Iterable[RuleStatus],
    now: Ms,
) -> tuple[SilenceLine, ...]:
    """Silences, active or to come, that hold back an alert of the service, or would if one of its rules fired.

    Args:
        silences: all there are.
        service: whose.
        firing: labels of its alerts that fire or are pending.
        rules: its rules: what of their alerts' labels is known beforehand.
        now: the instant.

    """
    might = [
        labels for rule in rules if rule.type == "alerting" for labels in (rule.labels.with_({"alertname": rule.name}),)
    ]
    might += _own(service)
    found: list[SilenceLine] = []
    for silence in silences:
        state = silence.shown_state(now)
        hit = [labels for labels in firing if silence.matches(labels)]
        touches = hit or any(_could_match(matchers, m) for matchers in silence.matcher_sets for m in might)
        if state is SilenceState.EXPIRED or not touches:
            continue
        text = " or ".join("{" + ", ".join(map(format_matcher, ms)) + "}" for ms in silence.matcher_sets)
        every = "" if silence.recurrence is None else str(silence.recurrence)
        hits = len(hit) if state is SilenceState.ACTIVE else 0
        found.append(
            SilenceLine(
                silence.id, str(state), text, silence.comment, silence.created_by, silence.starts_at, silence.ends_at,
                every, hits,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda line: (line.state, line.ends_at, line.id)))


def _own(service: Service) -> list[Labels]:
    """The label sets by which alerts are the service's, as far as they are named."""
    return [Labels((m.name, m.value) for m in ms if m.op is MatchOp.EQUAL) for ms in service.selectors]


def _could_match(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    """Whether an alert with these labels and others could fit: nothing speaks against it, and something for it."""
    told = [m for m in matchers if m.name in labels]
    wants = any(m.op in {MatchOp.EQUAL, MatchOp.REGEX} for m in told)
    return wants and all(m.matches(labels) for m in told)
