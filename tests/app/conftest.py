"""A small platform under the virtual clock: files that can be rewritten, two phones, a chat, and kills."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from hypercare.app import build
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.time import MINUTE, SECOND
from hypercare.promql import Engine
from hypercare.rules import check_template
from hypercare.sim import EventLog, Simulation

# The stage of whole scenarios is the stage here, too.
_spec = importlib.util.spec_from_file_location("stage", Path(__file__).parents[1] / "scenarios" / "conftest.py")
_stage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_stage)

ROOT = Path("/virtual")
HYPERCARE = """
platform: shop
prometheus: prometheus.yml
alertmanager: alertmanager.yml
services: [{name: api, tier: 1, owner: team}]
people:
  - {name: ana, contact: [{channel: webhook, url: "http://phone-ana/"}]}
  - {name: ben, contact: [{channel: webhook, url: "http://phone-ben/"}]}
escalations:
  - name: default
    steps: [{notify: [ana], after: 0s}, {notify: [ben], after: 10m}]
incidents: {quiet_time: 10m}
collect: {host: {enabled: false}}
"""
ALERTMANAGER = """
route: {receiver: chat, group_by: [alertname, instance], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
  - name: chat
    webhook_configs: [{url: "http://chat/"}]
"""
HIGH = {"alert": "High", "expr": "load > 5", "for": "1m", "labels": {"severity": "critical", "service": "api"}}


def prometheus(*targets, **options):
    config = {
        "global": {"scrape_interval": "30s", "evaluation_interval": "30s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": list(targets)}]}],
    }
    return json.dumps({**config, **options})


def rules(*listed, **more):
    """Rules of one group, and further groups by name."""
    groups = {"main": listed, **more}
    return json.dumps({"groups": [{"name": name, "rules": list(group)} for name, group in groups.items()]})


class Story(_stage.Stage):
    """A stage whose files change, and whose App dies and comes back."""

    def __init__(self, data=None, **files):
        texts = {
            "hypercare.yml": HYPERCARE,
            "prometheus.yml": prometheus("a:80", "b:80"),
            "alertmanager.yml": ALERTMANAGER,
            "rules.yml": rules(HIGH),
            **{name.replace("_", "."): text for name, text in files.items()},
        }
        self.failures = 0
        self.lives = 1
        self.data = data and data / "1"
        super().__init__(ROOT / "hypercare.yml", data=self.data, files={ROOT / n: t.encode() for n, t in texts.items()})
        self.chat, self.ana, self.ben = (_stage.Inbox(self.world, name) for name in ("chat", "phone-ana", "phone-ben"))
        for name in ("a:80", "b:80"):
            self.target(name).gauge("load", 1)

    def run(self, duration):
        self.sim.run_for(duration)
        return self

    def load(self, target, level):
        self.target(f"{target}:80").gauge("load", level)
        return self

    def reload(self, **files):
        """Rewrite files (``rules_yml="…"``) and reload."""
        for name, text in files.items():
            self.ports.files.write(ROOT / name.replace("_", "."), text.encode())
        done = self.app.reload(lambda: load(ROOT / "hypercare.yml", self.ports.files, {}, INTEGRATIONS, check_template))
        self.sim.run_for(0)
        done.result(timeout=0)
        return self

    def kill(self, away=0):
        """End the process without a word; after a while a new one finds what was on the disk."""
        self.lives += 1
        copy = self.data.parent / str(self.lives)
        shutil.copytree(self.data, copy)
        self.failures += self.app.kernel.failures
        self.app.close()
        # What was on its way to the dead process is lost.
        self.world._queue.clear()
        self.data = copy
        self.clock.advance_to(self.clock.now() + away)
        self.app = build(self.config, self.ports, copy)
        self.log = EventLog()
        self.app.kernel.observe(self.log.record)
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        return self.start()

    def sleep(self, duration):
        """The machine sleeps: the clock goes on, nothing else does."""
        self.clock.advance_to(self.clock.now() + duration)
        return self

    # -- what is seen from outside -------------------------------------------------------------------------------

    def chats(self, name=None):
        """What the chat heard, oldest first: (alert, instance, status)."""
        told = [
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""), alert["status"])
            for message in self.chat.json()
            for alert in message["alerts"]
        ]
        return [each for each in told if name in {None, each[0]}]

    def pages(self):
        """Whom escalations paged, in turn: (minute since the start of the story, name)."""
        return [(at, name) for at, name, page in self._told() if page["policy"] != "auditor"]

    def audited(self):
        """What the auditor told, in turn: (minute since the start of the story, name, what)."""
        return [(at, name, page["summary"]) for at, name, page in self._told() if page["policy"] == "auditor"]

    def _told(self):
        pages = [(at, name, json.loads(r.body)) for name in ("ana", "ben") for at, r in getattr(self, name).requests]
        return [((at - _stage.START) // MINUTE, name, page) for at, name, page in sorted(pages, key=lambda p: p[:2])]

    def paged(self):
        return [name for _, name in self.pages()]

    def elements(self, alert):
        """Its alerts: instance, state, when they became active and when they fired (seconds of the story)."""
        return [
            (a.labels.get("instance"), str(a.state), self.second(a.active_at), self.second(a.fired_at))
            for g in self.app.rules.snapshot.groups
            for r in g.rules
            for a in r.alerts
            if r.name == alert
        ]

    @staticmethod
    def second(at):
        return None if at is None else (at - _stage.START) // SECOND

    def value(self, expr):
        """Values of an expression by series."""
        result = Engine().instant(self.app.tsdb.snapshot(), expr, self.clock.now())
        return dict(zip(map(str, result.labels), result.values.tolist(), strict=True))


@pytest.fixture
def story():
    """Stories; at their end all steps must have succeeded."""
    made = []

    def make(*args, **kwargs):
        made.append(Story(*args, **kwargs))
        return made[-1].start()

    yield make
    for one in made:
        assert one.failures + one.app.kernel.failures == 0
        one.app.close()


@pytest.fixture
def write():
    """Texts of configuration files."""

    class Write:
        high = HIGH
        hypercare = HYPERCARE
        alertmanager = ALERTMANAGER
        prometheus = staticmethod(prometheus)
        rules = staticmethod(rules)

    return Write
