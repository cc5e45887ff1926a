"""From alertmanager.yml to the words of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.routing.flapping import FlapRule
from hypercare.routing.inhibition import InhibitRule
from hypercare.routing.intervals import TimeInterval
from hypercare.routing.settings import Integration, RoutingSettings
from hypercare.routing.silence_limits import SilenceLimits
from hypercare.routing.tree import RouteSpec, build_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypercare.config import alertmanager as am
    from hypercare.config import time_intervals as ti
    from hypercare.config.alerting import FlappingConfig, SilencesConfig


def settings_from(
    config: am.AlertmanagerConfig,
    receivers: Mapping[str, tuple[Integration, ...]],
    external_url: str = "",
    silences: SilencesConfig | None = None,
    flapping: Iterable[FlappingConfig] = (),
) -> RoutingSettings:
    """Routing's settings.

    Args:
        config: a checked alertmanager.yml.
        receivers: the integrations of each receiver, ready to render.
        external_url: where people reach us; templates show it.
        silences: limits of silences; none: no limits.
        flapping: when alerts flap; none: nobody looks.

    """
    return RoutingSettings(
        tree=build_tree(route_spec(config.route)),
        receivers=receivers,
        intervals={
            name: tuple(time_interval(i) for i in named.time_intervals)
            for name, named in config.all_time_intervals.items()
        },
        inhibit_rules=tuple(inhibit_rule(rule) for rule in config.inhibit_rules),
        resolve_timeout=config.global_.resolve_timeout,
        external_url=external_url,
        flapping=tuple(FlapRule(rule.window, rule.high, rule.low, rule.damp, rule.match) for rule in flapping),
        limits=SilenceLimits() if silences is None else _limits(silences),
    )


def _limits(config: SilencesConfig) -> SilenceLimits:
    return SilenceLimits(config.max_silences, config.max_per_silence_bytes)


def route_spec(route: am.Route) -> RouteSpec:
    """A route and all below it."""
    return RouteSpec(
        receiver=route.receiver or "",
        # As in Alertmanager an empty list inherits.
        group_by=route.group_by or None,
        matchers=_matchers(route.match, route.match_re, route.matchers),
        continue_=route.continue_,
        group_wait=route.group_wait,
        group_interval=route.group_interval,
        repeat_interval=route.repeat_interval,
        mute_time_intervals=route.mute_time_intervals,
        active_time_intervals=route.active_time_intervals,
        labels=Labels(route.labels.items()),
        routes=tuple(route_spec(child) for child in route.routes),
    )


def inhibit_rule(rule: am.InhibitRule) -> InhibitRule:
    """One inhibition rule."""
    return InhibitRule(
        source=_matchers(rule.source_match, rule.source_match_re, rule.source_matchers),
        target=_matchers(rule.target_match, rule.target_match_re, rule.target_matchers),
        equal=rule.equal,
    )


def time_interval(interval: ti.TimeInterval) -> TimeInterval:
    """One time interval."""
    return TimeInterval(
        times=tuple((t.start_time, t.end_time) for t in interval.times),
        weekdays=interval.weekdays,
        days_of_month=interval.days_of_month,
        months=interval.months,
        years=interval.years,
        location=interval.location,
    )


def _matchers(equal: Mapping[str, str], regex: Mapping[str, str], more: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    # Group keys show the values of the old ``match_re`` with their anchors, as Alertmanager's do: receivers that
    # know an incident by its key still know it after a move to hypercare.
    return (
        *(Matcher(name, MatchOp.EQUAL, value) for name, value in equal.items()),
        *(Matcher(name, MatchOp.REGEX, f"^(?:{value})$") for name, value in regex.items()),
        *more,
    )
