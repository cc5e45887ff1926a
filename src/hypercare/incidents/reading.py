"""From the checked configuration to this room's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.config.targets import EVERYONE
from hypercare.incidents.settings import (
    Component,
    Definition,
    IncidentSettings,
    NoticeRule,
    Phase,
    PostmortemRules,
    Recipient,
    ServiceSettings,
    SeverityRule,
    StatusPage,
)
from hypercare.model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.config import HypercareConfig
    from hypercare.config.incident_room import Notice, StatusPageConfig
    from hypercare.model.runbooks import Runbook


def settings_of(
    config: HypercareConfig,
    receivers: Sequence[Recipient] = (),
    runbooks: tuple[Runbook, ...] = (),
    texts: Mapping[str, str] | None = None,
) -> IncidentSettings:
    """What ``incidents``, ``services``, ``people`` and ``status_page`` of hypercare.yml say.

    Args:
        config: the configuration.
        receivers: of alertmanager.yml, with their targets as the channels know them.
        runbooks: those beside the configuration.
        texts: templates that replace the built-in ones.

    """
    incidents = config.incidents
    services = tuple(ServiceSettings(s.name, s.selectors, s.runbook, s.escalation, s.tier) for s in config.services)
    people = _people(config)
    rules = incidents.postmortem
    return IncidentSettings(
        open=(incidents.open,),
        group_by=incidents.group_by,
        severities=tuple(SeverityRule(rule.is_, rule.match, rule.tier) for rule in incidents.severity),
        services=services,
        quiet_time=incidents.quiet_time,
        confirm=incidents.confirm,
        ack_timeout=incidents.ack_timeout,
        definitions=_definitions(config),
        phases=tuple(Phase(p.name, p.until, p.steps, p.severity) for p in incidents.phases),
        runbooks=runbooks,
        notices=tuple(_notice(notice, people, receivers) for notice in incidents.notify),
        texts=dict(texts or {}),
        postmortem=PostmortemRules(rules.severity, rules.evidence, rules.meeting, rules.document),
        people=people,
        status_page=None if config.status_page is None else _status_page(config.status_page, config.platform),
        external_url=config.web.external_url,
        platform=config.platform,
    )


def _people(config: HypercareConfig) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(p.name, tuple((str(way.channel), f"person/{p.name}/{i}") for i, way in enumerate(p.contact)))
        for p in config.people
    )


def _definitions(config: HypercareConfig) -> tuple[Definition, ...]:
    told = config.incidents.definitions
    return tuple(Definition(s, told.of(s).name, told.of(s).text, told.of(s).updates) for s in Severity)


def _notice(notice: Notice, people: Sequence[Recipient], receivers: Sequence[Recipient]) -> NoticeRule:
    to: list[Recipient] = []
    for target in notice.to:
        if target.kind == EVERYONE:
            to += people
        else:
            known = receivers if target.kind == "receiver" else people
            to += [recipient for recipient in known if recipient.name == target.name]
    return NoticeRule(tuple(dict.fromkeys(to)), notice.severity, notice.on)


def _status_page(page: StatusPageConfig, platform: str) -> StatusPage:
    components = tuple(Component(c.name, c.description, c.services) for c in page.components)
    return StatusPage(page.title or platform, page.url.rstrip("/"), components, page.automatic, page.history)
