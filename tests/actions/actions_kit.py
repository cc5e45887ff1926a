"""A whole App under the virtual clock, with actions; ``restart`` ends it like kill -9."""

from __future__ import annotations

from hypercare.actions import store
from hypercare.app import build
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.events import ActionEnded, ActionWanted
from hypercare.model.time import parse_rfc3339
from hypercare.rules import check_template
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports

START = parse_rfc3339("2026-01-05T08:00:00Z")
BASE = """
platform: shop
people: [{name: ana, contact: [{channel: console}]}, {name: ben, contact: [{channel: console}]}]
collect: {host: {enabled: false}}
web: {external_url: "http://care.example"}
"""


class Floor:
    def __init__(self, folder, actions):
        self.folder, self.clock = folder, VirtualClock(START)
        self.file = folder / "hypercare.yml"
        self.file.write_text(BASE + actions)
        self.seed = 0
        self.ended = []
        self.scripts = {}
        self.start()

    def start(self):
        self.world = World(self.clock, self.seed)
        self.ports = virtual_ports(self.clock, self.world, self.seed)
        for name, behaviours in self.scripts.items():
            self.ports.processes.script(name, *behaviours)
        config = load(self.file, self.ports.files, {}, INTEGRATIONS, check_template)
        self.app = build(config, self.ports, self.folder / "data")
        self.app.kernel.observe(self._observe)
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        self.app.start()
        self.wait(0)

    def _observe(self, _, event):
        if isinstance(event, ActionEnded):
            self.ended.append((event.request_id, event.action, event.state, event.text))

    def script(self, name, *behaviours):
        self.scripts[name] = behaviours
        self.ports.processes.script(name, *behaviours)

    def restart(self, after=0):
        self.app.close()
        self.clock.advance_to(self.clock.now() + after)
        self.seed += 1
        self.start()

    def wait(self, ms):
        self.sim.run_for(ms)
        assert self.app.kernel.failures == 0

    def call(self, command):
        future = self.app.kernel.call(command)
        self.wait(0)
        return future.result(0)

    def want(self, action, request_id="r1", by="watch", **context):
        event = ActionWanted(request_id, action, "errors are at 7 %", by, tuple(context.items()))
        self.app.kernel.on_message(_Publish, lambda ctx, message: ctx.publish(message.event))
        self.call(_Publish(event))

    def run(self, number=1):
        with self.app.state.read() as db:
            return store.load_run(db, number)

    def states(self):
        with self.app.state.read() as db:
            return [(r.number, r.action, r.state) for r in store.load_runs(db)][::-1]

    def outputs(self, number=1):
        with self.app.state.read() as db:
            return store.load_outputs(db, (number,))[number]

    @property
    def started(self):
        return self.ports.processes.started

    @property
    def console(self):
        return "\n".join(self.ports.console.lines)


class _Publish:
    def __init__(self, event):
        self.event = event
