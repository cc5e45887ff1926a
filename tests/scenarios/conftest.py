"""A whole App in a virtual world, in the words of a scenario."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypercare.app import build
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.incidents.store import load_incidents, load_timeline
from hypercare.model.time import parse_rfc3339
from hypercare.ports import HttpResponse
from hypercare.rules import check_template
from hypercare.sim import EventLog, SimTarget, Simulation, VirtualClock, World, virtual_ports

ROOT = Path(__file__).parents[2]
# A Monday morning.
START = parse_rfc3339("2026-01-05T08:00:00Z")


class Inbox:
    """A host that accepts whatever is posted to it."""

    def __init__(self, world, *addresses, status=200, body=b"ok"):
        self.requests = []
        self.status, self.body = status, body
        for address in addresses:
            world.host(address, self._take)

    def _take(self, request, now):
        self.requests.append((now, request))
        return HttpResponse(self.status, {"content-type": "text/plain"}, self.body, 0.02, now), 20

    def json(self):
        return [json.loads(request.body) for _, request in self.requests]


class Stage:
    """One App, its world, and what is seen of it from outside."""

    def __init__(self, config_file, seed=1, start=START, data=None, files=None):
        self.clock = VirtualClock(start)
        self.world = World(self.clock, seed)
        self.ports = virtual_ports(self.clock, self.world, seed, files)
        self.config = load(Path(config_file), self.ports.files, {}, INTEGRATIONS, check_template)
        self.app = build(self.config, self.ports, data)
        self.log = EventLog()
        self.app.kernel.observe(self.log.record)
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        self.targets = {}

    def target(self, address):
        if address not in self.targets:
            self.targets[address] = SimTarget(self.world, address)
        return self.targets[address]

    def start(self):
        ready = self.app.start()
        self.sim.run_for(0)
        ready.result(timeout=0)
        return self

    def states(self, alert):
        rules = [r for g in self.app.rules.snapshot.groups for r in g.rules if r.name == alert]
        assert rules, f"no rule {alert}"
        return {str(a.state) for r in rules for a in r.alerts}

    def errors(self):
        return {r.name: r.last_error for g in self.app.rules.snapshot.groups for r in g.rules if r.last_error}

    def firing(self, alert):
        return "firing" in self.states(alert)

    def call(self, command):
        future = self.app.kernel.call(command)
        self.sim.run_for(0)
        return future.result(timeout=0)

    def incidents(self, status=None):
        with self.app.state.read() as db:
            return load_incidents(db, status)

    def timeline(self, incident):
        with self.app.state.read() as db:
            return load_timeline(db, incident.id)


@pytest.fixture
def stage():
    """Build stages; all are closed at the end, and none may have had a failed step."""
    made = []

    def make(*args, **kwargs):
        made.append(Stage(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        assert one.app.kernel.failures == 0
        one.app.close()


@pytest.fixture
def inbox():
    return Inbox
