"""``check --config FILE``: everything is scraped and judged once, in memory, without a running server."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from hypercare.adapters.realtime import RealtimeDriver, pause
from hypercare.app import App, build
from hypercare.model.time import DAY, SECOND
from hypercare.reports import check, render_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.config import Config, Route, RuleFile, RuleGroup
    from hypercare.ports import Ports

_INTERVAL: Final = 2 * SECOND
_PATIENCE_SECONDS: Final = 20.0
_STEP_SECONDS: Final = 0.1


def hurried(config: Config) -> Config:
    """The same configuration for one look: every target and rule within two seconds, and nobody is told.

    What holds now counts: ``for`` cannot be waited for. Groups of alerts wait a day before they would notify, which is
    longer than any look.
    """
    # A slow target keeps its time: a scrape that lasts longer than the interval only leaves the next ones out.
    scrapes = tuple(
        scrape.model_copy(update={"scrape_interval": _INTERVAL, "scrape_timeout": job.timeout})
        for scrape, job in zip(config.prometheus.scrape_configs, config.prometheus.jobs, strict=True)
    )
    host = config.hypercare.collect.host.model_copy(update={"interval": _INTERVAL})
    probes = config.hypercare.collect.probes.model_copy(update={"interval": _INTERVAL})
    collect = config.hypercare.collect.model_copy(update={"host": host, "probes": probes})
    services = tuple(
        service.model_copy(
            update={"health": tuple(health.model_copy(update={"interval": 0}) for health in service.health)}
        )
        for service in config.hypercare.services
    )
    return dataclasses.replace(
        config,
        prometheus=config.prometheus.model_copy(update={"scrape_configs": scrapes}),
        hypercare=config.hypercare.model_copy(update={"collect": collect, "services": services}),
        rules=tuple(_hurried_rules(file) for file in config.rules),
        alertmanager=config.alertmanager.model_copy(update={"route": _patient(config.alertmanager.route)}),
    )


def _hurried_rules(file: RuleFile) -> RuleFile:
    return file.model_copy(update={"groups": tuple(_hurried_group(group) for group in file.groups)})


def _hurried_group(group: RuleGroup) -> RuleGroup:
    rules = tuple(rule.model_copy(update={"for_": 0}) for rule in group.rules)
    return group.model_copy(update={"interval": _INTERVAL, "query_offset": 0, "rules": rules})


def _patient(route: Route) -> Route:
    routes = tuple(_patient(inner) for inner in route.routes)
    return route.model_copy(update={"group_wait": DAY, "routes": routes})


def look_once(config: Config, ports: Ports) -> dict[str, Any]:
    """Start an App in memory, wait until every target was looked at and then every rule (at most 20 s), and judge."""
    app = build(hurried(config), ports, None)
    driver = RealtimeDriver(app.kernel)
    ready = app.start()
    driver.start()
    ready.result(60)
    left = _wait(lambda: all(t.health != "unknown" for t in app.collectors.snapshot().active), _PATIENCE_SECONDS)
    seen = ports.clock.now()
    _wait(lambda: _judged_since(app, seen), left)
    driver.stop()
    with app.state.read() as db:
        report = check(app, db, ports.clock.now())
    found = {**report.as_json(), "text": render_text(report, app)}
    app.close()
    return found


def _judged_since(app: App, at: int) -> bool:
    return all((group.last_evaluation or 0) > at for group in app.rules.snapshot.groups)


def _wait(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until something holds; returns what is left of the time."""
    while seconds > 0 and not condition():
        pause(_STEP_SECONDS)
        seconds -= _STEP_SECONDS
    return max(seconds, 0.0)
