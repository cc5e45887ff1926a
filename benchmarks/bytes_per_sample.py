"""Bytes on disk per sample: what real exporters say, for 24 h at 15 s, in our blocks and in those of the peers.

The data: :func:`benchmarks.recorded.go_on` over an hour recorded from Debian's node, redis and postgres exporters and
from hypercare itself (``benchmarks/data``, made by ``python -m benchmarks.record``), and that hour as it was recorded. All
stores get the same samples with the same times, which are exactly 15 s apart; what counts is everything that stays on
disk after flush and merge: samples, times, labels and index. The day is one of the calendar (UTC), as blocks that are
merged are: it does not depend on the hour of the run how much of it is merged. VictoriaMetrics is told to merge all.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING

from benchmarks import day
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, progress, wait_for
from hypercare.model.time import DAY

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.dataset import Group

_LIMIT = 0.6


def run(scale: Scale) -> list[Figure]:
    """Three of each exporter; 24 h, or three hours of one."""
    end = int(time.time() * 1000) // DAY * DAY
    with Lab() as lab:
        progress("going on with the recorded sequence")
        made = day.groups(end, scale(24, 4), scale(3, 1))
        total = day.samples(made)
        progress(f"{sum(len(group.labels) for group in made)} series, {total:,} samples into hypercare")
        ours = _hypercare(lab.folder / "hypercare", made, end)
        progress(f"{ours / total:.3f} bytes a sample; into VictoriaMetrics")
        victoria = _victoria(lab, made)
        progress("into Prometheus")
        prometheus = _prometheus(lab, made)
    note = (
        f"{total:,} samples of {len(made)} targets (node, redis, postgres exporter and hypercare), labels and index "
        "included, a whole day (UTC), after flush and merge; VictoriaMetrics keeps 15 decimal digits of a value, we and Prometheus all bits"
    )
    limit = _LIMIT if victoria is None else min(_LIMIT, victoria / total / 2)
    hour, hour_victoria, samples = _hour(end)
    whole = f"{samples:,} samples: the recorded hour itself, of which labels and index are a large share"
    return [
        Figure("bytes on disk a sample, beside VictoriaMetrics", ours / total, "B", _per(victoria, total), limit, note),
        Figure("bytes on disk a sample, beside Prometheus", ours / total, "B", _per(prometheus, total), None, note),
        Figure("… the recorded hour", hour / samples, "B", _per(hour_victoria, samples), None, whole),
    ]


def _hour(end: int) -> tuple[int, int | None, int]:
    """Bytes of the recorded hour in our files and in those of VictoriaMetrics, and how many samples it has."""
    with Lab() as lab:
        made = day.recorded_hour(end)
        return _hypercare(lab.folder / "hypercare", made, end), _victoria(lab, made), day.samples(made)


def _per(size: int | None, total: int) -> float | None:
    return None if size is None else size / total


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _hypercare(data: Path, made: list[Group], end: int) -> int:
    db = day.into_hypercare(data, made)
    day.seal(db, end)
    stats = db.snapshot().stats()
    assert stats.head_min_time is None, "everything is in blocks"
    assert not db.problems, db.problems
    db.close()
    for group in (made[0], made[-1]):
        _look_again(data, group)
    return size_of(data)


def _look_again(data: Path, group: Group) -> None:
    """What was written is what is read, bit by bit."""
    import numpy as np

    from hypercare.model.matchers import Matcher, MatchOp
    from hypercare.model.samples import is_absent
    from hypercare.tsdb import Tsdb

    db = Tsdb.open(data)
    matchers = (Matcher("instance", MatchOp.EQUAL, group.labels[0]["instance"]),)
    seen = 0
    want = {tuple(sorted(labels.items())): n for n, labels in enumerate(group.labels)}
    for matrix in db.snapshot().select(matchers, 0, 2**60):
        rows = np.searchsorted(group.times, matrix.times)
        for column, labels in enumerate(matrix.labels):
            there = ~is_absent(matrix.values[:, column])
            cells = group.values[rows, want[labels.pairs]][there]
            assert cells.tobytes() == np.ascontiguousarray(matrix.values[there, column]).tobytes(), labels
            seen += int(there.sum())
    assert seen == day.samples([group]), (seen, group.key)
    db.close()


def _victoria(lab: Lab, made: list[Group]) -> int | None:
    server = lab.victoria()
    if server is None:
        return None
    server.ready("/health")
    day.send(server, made)
    server.body("/internal/force_flush")
    server.body("/internal/force_merge")
    wait_for(lambda: server.metric("vm_active_merges") == 0, 300, "VictoriaMetrics has merged")
    time.sleep(2)
    server.body("/internal/force_flush")
    wait_for(lambda: server.metric("vm_active_merges") == 0, 300, "VictoriaMetrics has merged")
    server.stop()
    folder = lab.folder / "victoria-data"
    return size_of(folder / "data") + size_of(folder / "indexdb")


def _prometheus(lab: Lab, made: list[Group]) -> int | None:
    lab.write({"prometheus.yml": "global: {scrape_interval: 15s}\n"})
    server = lab.prometheus(extra=("--web.enable-admin-api", "--storage.tsdb.retention.time=15d"))
    if server is None:
        return None
    server.ready()
    day.send(server, made)
    answer = urllib.request.urlopen(
        urllib.request.Request(f"{server.url}/api/v1/admin/tsdb/snapshot", method="POST"), timeout=600
    )
    name = json.loads(answer.read())["data"]["name"]
    folder = lab.folder / "prometheus-data" / "snapshots" / name
    kept = sum(json.loads(path.read_text())["stats"]["numSamples"] for path in folder.glob("*/meta.json"))
    total = day.samples(made)
    assert kept == total, f"Prometheus has {kept} samples of {total}"
    return size_of(folder)
