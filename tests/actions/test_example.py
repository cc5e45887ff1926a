"""The configuration of the document is one that loads."""

from __future__ import annotations

import re
from pathlib import Path

from hypercare.config import load
from hypercare.sim import VirtualClock, World, virtual_ports

DOCUMENT = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()


def test_the_example_of_the_document_loads():
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    clock = VirtualClock(0)
    more = """
people: [{name: ana}]
oncall: {schedules: [{name: primary, rotation: {people: [ana], start: 2026-01-05T09:00}}]}
"""
    file = Path("/virtual/hypercare.yml")
    files = virtual_ports(clock, World(clock), 0, {file: (text + more).encode()}).files
    actions = load(file, files, {}, check_files=False).hypercare.actions
    assert [a.name for a in actions] == ["rollback", "restart", "scale-up", "feature-off", "retire-blue"]
    assert actions[-1].steps[-1].command.run == ('rm -rf -- "/srv/gateway-${HYPERCARE_COLOR:?}"',)
