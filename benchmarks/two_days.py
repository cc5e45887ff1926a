"""48 hours of a platform under the virtual clock, a deployment watched: tests/scenarios/test_two_days.py, timed."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Scale
from benchmarks.lab import ROOT, progress
from hypercare.deploys.store import load_checkpoints, load_watches
from hypercare.model.time import HOUR

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = ROOT / "tests" / "scenarios"
_LEAD = 2
"""Hours before the deployment: what the watch holds the 48 hours against; not timed."""


def run(scale: Scale) -> list[Figure]:
    """In a process of its own, so that its memory is its own."""
    hours = scale(48, 2)
    progress(f"{hours} virtual hours")
    command = [sys.executable, "-m", "benchmarks.two_days", str(hours)]
    seen = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    how = (
        f"28 services of 100 series scraped, 30 rules evaluated and a deployment looked at every 30 s; "
        f"{seen['samples'] / 1e6:.1f} M samples, {seen['incidents']} incidents, {seen['checkpoints']} checkpoints, "
        f"verdict {seen['verdict']}"
    )
    what = f"{hours} virtual hours"
    whole = hours == 48
    return [
        Figure(what, seen["seconds"], "s", None, 30 if whole else None, how),
        Figure(f"{what}: processor time", seen["processor"], "s"),
        Figure(f"{what}: most resident memory", seen["rss"], "MB", None, 500 if whole else None),
    ]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"scenarios_{name}", _FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _main(hours: int) -> None:
    stage, scenario = _load("conftest"), _load("test_two_days")
    house = scenario.deployed(stage.Stage, stage.Inbox, _LEAD * HOUR)
    samples = house.app.tsdb.snapshot().size.samples_appended
    began, used = time.perf_counter(), time.process_time()
    house.sim.run_for(hours * HOUR)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    assert house.errors() == {}
    assert house.app.kernel.failures == 0
    # Not getrusage: its ru_maxrss begins at the size of the process that started us.
    most = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024 / 1e6
    with house.app.state.read() as db:
        watch = load_watches(db)[0]
        taken = [point for point in load_checkpoints(db, watch.id) if point.taken_at is not None]
    found = {
        "seconds": seconds,
        "processor": processor,
        "rss": most,
        "samples": house.app.tsdb.snapshot().size.samples_appended - samples,
        "incidents": len(house.incidents()),
        "checkpoints": len(taken),
        "verdict": watch.verdict or "none yet",
    }
    print(json.dumps(found))
    house.app.close()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
