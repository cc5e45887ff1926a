"""From the checked configuration to this room's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.incidents.settings import IncidentSettings, ServiceSettings, SeverityRule

if TYPE_CHECKING:
    from hypercare.config import HypercareConfig


def settings_of(config: HypercareConfig) -> IncidentSettings:
    """What ``incidents`` and ``services`` of hypercare.yml say."""
    incidents = config.incidents
    services = tuple(ServiceSettings(s.name, s.selectors, s.runbook, s.escalation, s.tier) for s in config.services)
    return IncidentSettings(
        open=(incidents.open,),
        group_by=incidents.group_by,
        severities=tuple(SeverityRule(rule.is_, rule.match, rule.tier) for rule in incidents.severity),
        services=services,
        quiet_time=incidents.quiet_time,
        confirm=incidents.confirm,
        ack_timeout=incidents.ack_timeout,
    )
