"""A small world with a real kernel, a real store and the collectors."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from hypercare.collectors.discovery import StaticDiscovery
from hypercare.collectors.own import OwnMetrics
from hypercare.collectors.scrape.http_source import HttpSources
from hypercare.collectors.scrape.job import Job
from hypercare.collectors.service import CollectorsService
from hypercare.collectors.setups import JobSetup
from hypercare.kernel import Kernel, Outbox
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import is_absent, is_stale
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.sim.world import ok
from hypercare.state import State
from hypercare.tsdb import Tsdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.labels import Labels

START = 1_767_600_000_000  # a multiple of 15 s


@dataclasses.dataclass(frozen=True)
class Apply:
    setups: tuple[JobSetup, ...]


class NoDeliveries:
    def deliver(self, effect: Any, _done: Any) -> None:
        raise AssertionError(effect)


class Lab:
    """Targets answer with what ``bodies`` holds: bytes, or a function of (request, now) that gives an answer."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock)
        self.ports = virtual_ports(self.clock, self.world)
        self.tsdb = Tsdb.open(None)
        self.own = OwnMetrics(START)
        self.kernel = Kernel(State.open(None), self.ports, Outbox(NoDeliveries()))
        self.service = CollectorsService(self.ports, self.tsdb, self.own, "box")
        self.service.register(self.kernel)
        self.kernel.on_message(Apply, lambda ctx, m: self.service.apply(ctx, m.setups))
        self.kernel.start()
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.bodies: dict[str, Any] = {}
        self.requests: list[Any] = []

    def target(self, address: str, body: bytes | Callable[..., Any], content_type: str = "text/plain") -> None:
        self.bodies[address] = body

        def answer(request: Any, now: int) -> Any:
            self.requests.append(request)
            given = self.bodies[address]
            if callable(given):
                return given(request, now)
            return ok(given, now, 0.005, content_type), 5

        self.world.host(address, answer)

    def job(self, name: str = "j", **settings: Any) -> Job:
        defaults = {"interval": 15_000, "timeout": 10_000, "make_source": HttpSources(self.ports.http)}
        return Job(name, **{**defaults, **settings})

    def setup(self, *addresses: str, **settings: Any) -> JobSetup:
        return JobSetup(self.job(**settings), (StaticDiscovery(tuple((("__address__", a),) for a in addresses)),))

    def apply(self, *setups: JobSetup) -> None:
        self.kernel.post(Apply(setups))
        self.sim.run_for(1)

    def run(self, seconds: float) -> None:
        self.sim.run_for(round(seconds * 1000))

    def series(self, name: str, **labels: str) -> dict[Labels, list[tuple[int, float | str]]]:
        """All samples of a metric by label set: (time, value or "stale")."""
        matchers = [Matcher("__name__", MatchOp.EQUAL, name)]
        matchers += [Matcher(n, MatchOp.EQUAL, v) for n, v in labels.items()]
        found: dict[Labels, list[tuple[int, float | str]]] = {}
        for matrix in self.tsdb.snapshot().select(tuple(matchers), 0, 1 << 60):
            absent, stale = is_absent(matrix.values), is_stale(matrix.values)
            for s, label_set in enumerate(matrix.labels):
                rows = found.setdefault(label_set, [])
                for t, at in enumerate(matrix.times.tolist()):
                    if not absent[t, s]:
                        rows.append((at, "stale" if stale[t, s] else float(matrix.values[t, s])))
        return {k: sorted(v, key=lambda r: r[0]) for k, v in found.items()}

    def values(self, name: str, **labels: str) -> list[float | str]:
        found = self.series(name, **labels)
        assert len(found) <= 1, found
        return [v for rows in found.values() for _, v in rows]


@pytest.fixture
def lab() -> Lab:
    return Lab()
