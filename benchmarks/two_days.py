"""48 hours of a platform under the virtual clock: the scenario of tests/scenarios/test_two_days.py, timed."""

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

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = ROOT / "tests" / "scenarios"


def run(scale: Scale) -> list[Figure]:
    """In a process of its own, so that its memory is its own."""
    hours = scale(48, 2)
    progress(f"{hours} virtual hours")
    command = [sys.executable, "-m", "benchmarks.two_days", str(hours)]
    seen = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    how = f"28 services scraped and 30 rules evaluated every 30 s; {seen['incidents']} incidents"
    what = f"{hours} virtual hours"
    return [
        Figure(what, seen["seconds"], "s", None, 60 if hours == 48 else None, how),
        Figure(f"{what}: most resident memory", seen["rss"], "MB"),
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
    began = time.perf_counter()
    house, *_ = scenario.two_days(stage.Stage, stage.Inbox, hours)
    seconds = time.perf_counter() - began
    assert house.errors() == {}
    assert house.app.kernel.failures == 0
    # Not getrusage: its ru_maxrss begins at the size of the process that started us.
    most = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "rss": most, "incidents": len(house.incidents())}))
    house.app.close()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
