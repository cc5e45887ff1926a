"""A kernel with the rules service alone, under a virtual clock, and series in the notation of rule tests."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import yaml

from hypercare.config import RuleFile
from hypercare.kernel import Delivered, Kernel, Outbox
from hypercare.model.events import AlertsReceived
from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT_BITS
from hypercare.model.time import MINUTE, parse_duration
from hypercare.promql import Engine
from hypercare.promql.parser import parse_series
from hypercare.promql.testing import parse_values
from hypercare.rules import RulesService
from hypercare.rules.spec import Surroundings, from_files
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State
from hypercare.tsdb import Tsdb

T0 = 1_767_600_000_000
"""The instant at which series begin; a multiple of every interval that tests use."""


@dataclasses.dataclass(frozen=True)
class Do:
    """A command that runs a function of the context."""

    run: object


class Now:
    """An outbox target that takes everything."""

    def deliver(self, _effect, reply):
        reply(Delivered())


class RuleHouse:
    """Rules under a virtual clock; groups tick at whole intervals, whatever their names are."""

    def __init__(self, start=T0, path=None, tsdb=None):
        self.path = path
        self.clock = VirtualClock(start)
        self.world = World(self.clock)
        self.state = State.open(path)
        self.tsdb = tsdb or Tsdb.open(None)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, self.world), Outbox(Now()))
        self.kernel.on_message(Do, lambda ctx, do: do.run(ctx))
        self.rules = RulesService(self.tsdb, Engine())
        self.rules.register(self.kernel)
        self.news = []
        self.kernel.subscribe(AlertsReceived, lambda ctx, event: self.news.append((ctx.now - T0, event.alerts)))
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.kernel.start()

    def load(self, interval, *lines):
        """Series from T0 on; samples before now are there at once."""
        for line in lines:
            pairs, rest = parse_series(line)
            group = self.tsdb.group(f"test/{line}")
            column = group.column(Labels(pairs))
            for i, bits in enumerate(parse_values(rest)):
                at = T0 + i * parse_duration(interval)
                if bits != ABSENT_BITS and at >= self.clock.now():
                    value = np.array([bits], dtype=np.int64).view(np.float64)
                    self.world.at(at, lambda g=group, c=column, a=at, v=value: self.tsdb.append(g, a, [c], v))
        return self

    def run(self, groups, around=None):
        """Run these groups (YAML of a rule file) from now on."""
        content = yaml.safe_load(groups) if isinstance(groups, str) else groups
        specs = from_files([RuleFile.model_validate({**content, "path": "rules.yml"})])
        future = self.kernel.call(Do(lambda ctx: self.rules.apply(ctx, specs, around or Surroundings())))
        self.sim.run_until(self.clock.now())
        future.result(timeout=1)
        return self

    def until(self, offset):
        """Let time pass until an offset from T0 (ms, or a duration)."""
        self.sim.run_until(T0 + (parse_duration(offset) if isinstance(offset, str) else offset))
        return self

    def again(self, tsdb=None):
        """A new process on the same rows, at the same time."""
        self.state.close()
        return RuleHouse(self.clock.now(), self.path, tsdb or self.tsdb)

    def alerts(self):
        """All alerts as (labels without alertname, state)."""
        return [
            (str(a.labels.without(["alertname"])), str(a.state))
            for group in self.rules.snapshot.groups
            for rule in group.rules
            for a in rule.alerts
        ]

    def states(self):
        return [state for _, state in self.alerts()]

    command = Do

    def value(self, expr):
        """Labels and values of an expression now."""
        result = Engine().instant(self.tsdb.snapshot(), expr, self.clock.now())
        return dict(zip(map(str, result.labels), result.values.tolist(), strict=True))

    def rule(self, name):
        return next(r for g in self.rules.snapshot.groups for r in g.rules if r.name == name)


@pytest.fixture(autouse=True)
def whole_intervals(monkeypatch):
    """Tests speak of whole minutes: the spread of groups over the interval has its own test."""
    from hypercare.rules.spec import GroupSpec

    if not hasattr(GroupSpec, "real_phase"):
        GroupSpec.real_phase = GroupSpec.phase
    monkeypatch.setattr(GroupSpec, "phase", property(lambda _: 0))


@pytest.fixture(scope="session")
def house():
    return RuleHouse


@pytest.fixture
def t0():
    return T0


@pytest.fixture
def minute():
    return MINUTE
