"""Properties over random histories: who is silenced or inhibited is not told, who is not is told, rows tell all."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies
from routing_kit import House, matcher, route
from routing_kit import settings as routing_settings

from hypercare.kernel import CommandError
from hypercare.model.matchers import matches_all
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.routing import loading
from hypercare.routing.commands import ExpireSilence, PutSilence
from hypercare.routing.inhibition import InhibitRule

RULE = InhibitRule((matcher("severity=critical"),), (matcher("severity=warning"),), ("cluster",))
NAMES, CLUSTERS, SEVERITIES = ("Down", "Slow"), ("eu", "us"), ("critical", "warning")
WAIT, INTERVAL = 30 * SECOND, 2 * MINUTE

alerts = strategies.tuples(
    strategies.sampled_from(NAMES), strategies.sampled_from(CLUSTERS), strategies.sampled_from(SEVERITIES)
)
operations = strategies.one_of(
    strategies.tuples(strategies.just("fire"), alerts),
    strategies.tuples(strategies.just("fire"), alerts),
    strategies.tuples(strategies.just("resolve"), alerts),
    strategies.tuples(strategies.just("wait"), strategies.sampled_from([1, 10, 29, 31, 119, 121, 300])),
    strategies.tuples(strategies.just("silence"), strategies.sampled_from(["alertname=Down", "cluster=eu"])),
    strategies.tuples(strategies.just("expire"), strategies.integers(0, 3)),
    strategies.tuples(strategies.just("restart"), strategies.sampled_from([0, 40])),
    strategies.tuples(strategies.just("reload"), strategies.booleans()),
)


class Watcher(House):
    """Checks every delivery against a naive judgement of its own."""

    def __init__(self, *args: Any) -> None:
        self.firing: dict[Any, Any] = {}
        self.silences: dict[str, tuple[Any, int]] = {}
        self.last_told: dict[tuple[str, str], set[str]] = {}
        super().__init__(*args)

    def suppressed(self, alert: Any) -> bool:
        now = self.clock.now()
        if any(m.matches(alert.labels) and now <= end for m, end in self.silences.values()):
            return True
        if alert.labels.get("severity") != "warning":
            return False
        return any(
            matches_all(RULE.source, a.labels) and a.labels.get("cluster") == alert.labels.get("cluster")
            for a in self.firing.values()
        )

    def deliver(self, effect: Any, reply: Any) -> None:
        by_who = {f"{key[0]}/{key[1]}/{key[2]}": alert for key, alert in self.firing.items()}
        for name in effect.payload["firing"]:
            assert name in by_who, "told of an alert that does not fire"
            assert not self.suppressed(by_who[name]), "told of a suppressed alert"
        self.last_told[effect.target, effect.subject] = set(effect.payload["firing"])
        super().deliver(effect, reply)

    def do(self, operation: str, argument: Any) -> None:
        # What is due comes before what happens now, so that our own judgement is about the same moment.
        self.run(0)
        getattr(self, f"do_{operation}")(argument)

    def do_fire(self, key: Any) -> None:
        if key not in self.firing:
            name, cluster, severity = key
            # The instance is what the kit's deliveries show.
            alert = self.alert(name, f"{cluster}/{severity}", cluster=cluster, severity=severity)
            self.firing[key] = alert
        self.fire(self.firing[key])

    def do_resolve(self, key: Any) -> None:
        alert = self.firing.pop(key, None)
        if alert is not None:
            self.resolve(alert)

    def do_wait(self, seconds: int) -> None:
        self.run(seconds * SECOND)

    def do_silence(self, text: str) -> None:
        end = self.clock.now() + 3 * MINUTE
        made = self.call(PutSilence(((matcher(text),),), 0, end))
        self.silences[made] = (matcher(text), end)

    def do_expire(self, number: int) -> None:
        if number < len(self.silences):
            name = list(self.silences)[number]
            try:
                self.call(ExpireSilence(name))
            except CommandError:
                return
            found, end = self.silences[name]
            self.silences[name] = (found, min(end, self.clock.now()))

    def do_restart(self, seconds: int) -> None:
        self.restart(seconds * SECOND)

    def do_reload(self, grouped: bool) -> None:
        self.apply(config(("alertname",) if grouped else ("cluster",)))


def config(group_by: tuple[str, ...]) -> Any:
    root = route("ops", group_by=group_by, group_wait=WAIT, group_interval=INTERVAL, repeat_interval=4 * HOUR)
    return routing_settings(root, inhibit_rules=(RULE,))


def image(index: Any) -> Any:
    """What an index holds, without how it came there."""
    held = {f: (h.alert, h.source, h.guessed_end, h.ended, sorted(h.groups)) for f, h in sorted(index.alerts.items())}
    groups = {
        i: (g.key, g.route.id, g.labels, g.flushed_at, g.next_flush, sorted(g.members))
        for i, g in sorted(index.groups.items())
    }
    return held, groups, index.told, {s.id: s for s in index.silencer.all()}


@dataclasses.dataclass(frozen=True)
class Look:
    settings: Any


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.lists(operations, max_size=25))
def test_random_histories(steps):
    with tempfile.TemporaryDirectory() as folder:
        house = Watcher(config(("alertname",)), Path(folder) / "state.db")
        for operation, argument in steps:
            house.do(operation, argument)
        # Long enough for every silence to end and every group to be flushed, short of the repeat interval.
        house.run(20 * MINUTE)
        told = set().union(*house.last_told.values()) if house.last_told else set()
        for alert in house.firing.values():
            name = f"{alert.name}/{alert.labels.get('instance')}"
            assert house.suppressed(alert) or name in told, "nobody was told"
        kept = house.routing._index
        if kept is not None:
            house.kernel.on_message(Look, lambda ctx, m: loading.load(ctx, m.settings, "routing.flush", first=False))
            assert image(house.call(Look(house.settings))) == image(kept)
        due = {k for k in house.kernel.timers._live if k.startswith("routing.flush")}
        assert due == {f"routing.flush:{i}" for i in kept.groups}
        house.state.close()
