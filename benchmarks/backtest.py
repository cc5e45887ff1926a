"""``hypercare rules backtest`` as a command: 7 days of 50 rules every 30 s over 500 series scraped every 15 s."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, Scale
from benchmarks.lab import ROOT, progress
from hypercare.model.labels import Labels
from hypercare.tsdb import Options, Tsdb

_STEP = 15_000
_START = 1_767_600_000_000
_TARGETS = 10


def run(scale: Scale) -> list[Figure]:
    """Store the series, then time the command from its start to its end."""
    days = scale(7, 1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        samples = store(place / "data", days)
        (place / "rules.yml").write_text(rules())
        end = _START + days * 86_400_000
        progress("the command")
        command = [sys.executable, "-m", "hypercare", "rules", "backtest", str(place / "rules.yml"), "--json"]
        command += ["--source", str(place / "data"), "--from", str(_START // 1000), "--to", str(end // 1000)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(done.stdout)
    fired = sum(alert["fired"] for alert in found["alerts"])
    firing = sum(alert["total_seconds"] for alert in found["alerts"]) / 3600
    what = f"backtest of {days} days"
    how = f"{found['evaluations']:,} evaluations over {samples:,} samples in a store's directory; fired {fired:,} times, for {firing:,.0f} h"
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        Figure(what, seconds, "s", None, 60 if days == 7 else None, how),
        Figure(f"{what}: processor time", cpu, "s", None, None, how),
    ]


def rules() -> str:
    """20 recordings, 20 alerts on them, 10 alerts on gauges."""
    summary = "{{ $labels.job }} at {{ $value }}"
    lines = ["groups:", "- name: g", "  interval: 30s", "  rules:"]
    lines += [f"  - {{record: 'job:r{n}:rate5m', expr: 'sum by (job) (rate(m{n}_total[5m]))'}}" for n in range(20)]
    lines += [
        f"  - {{alert: A{n}, expr: 'job:r{n}:rate5m > {8.2 + n / 10}', for: 5m, annotations: {{summary: '{summary}'}}}}"
        for n in range(20)
    ]
    lines += [
        f"  - {{alert: B{n}, expr: 'avg_over_time(g{n}[10m]) > 1.2', for: 2m, keep_firing_for: 5m}}" for n in range(10)
    ]
    return "\n".join(lines) + "\n"


def store(folder: Path, days: int) -> int:
    """Ten targets of 50 series: 40 counters, 10 gauges. Returns the number of samples."""
    progress(f"storing {days} days of 500 series")
    tsdb = Tsdb.open(folder / "metrics", Options(retention=1 << 60, fsync=False))
    generator = np.random.default_rng(1)
    rows = days * 86_400_000 // _STEP
    waves = np.arange(rows)
    targets = []
    for target in range(_TARGETS):
        group = tsdb.group(f"scrape/t{target}")
        where = {"job": f"j{target % 3}", "instance": f"i{target}"}
        names = [Labels.of(where, __name__=f"m{n}_total", code=c) for n in range(20) for c in ("200", "500")]
        names += [Labels.of(where, __name__=f"g{n}") for n in range(10)]
        level = 15 + 5 * np.sin(waves / 2000 + target)
        counters = np.cumsum(generator.poisson(level[:, None], (rows, 40)), axis=0).astype(float)
        gauges = generator.normal(1 + 0.2 * np.sin(waves[:, None] / 3000 + np.arange(10)), 0.1)
        columns = np.array([group.column(labels) for labels in names], dtype=np.int64)
        targets.append((group, columns, np.ascontiguousarray(np.hstack([counters, gauges]))))
    for row in range(rows):
        at = _START + row * _STEP
        for group, columns, values in targets:
            tsdb.append(group, at, columns, values[row])
        if row % 240 == 0:
            tsdb.flush(at)
            tsdb.maintain(at)
    tsdb.close()
    return rows * 50 * _TARGETS
