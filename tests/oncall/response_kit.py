"""A desk that runs by a hypercare.yml, and its timeline and pages as short lines."""

from __future__ import annotations

from pathlib import Path

from desk_kit import NOON, Desk

from hypercare.config import load
from hypercare.incidents.reading import settings_of
from hypercare.model.time import format_duration
from hypercare.oncall.reading import plan_of
from hypercare.sim import VirtualClock, World, virtual_ports

FILE = Path("/virtual/hypercare.yml")
TEAM = """
people:
  - {name: ada}
  - {name: bob}
  - {name: cid}
  - {name: dee}
"""


def config_of(text):
    clock = VirtualClock(NOON)
    files = virtual_ports(clock, World(clock), 0, {FILE: text.encode()}).files
    return load(FILE, files, {}).hypercare


def desk_of(text, path=None, at=NOON):
    config = config_of(text)
    return Desk(plan_of(config), settings_of(config), path, at)


def told(desk, *kinds, ref=1):
    """(time since the opening, text) of the timeline entries of these kinds."""
    from hypercare.incidents.store import load_timeline

    with desk.state.read() as db:
        entries = load_timeline(db, desk.one(ref).id)
    opened = desk.one(ref).opened_at
    return [(format_duration(e.at - opened), e.text) for e in entries if e.kind in kinds]


def ways(desk):
    """(time since the desk opened, target) of everything that was sent."""
    return [(format_duration(e.payload["at"] - desk.begun), e.target) for e in desk.post.sent]
