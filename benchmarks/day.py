"""24 h at 15 s of many exporters, in the manner of recorded ones, for every store alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks import recorded
from benchmarks.dataset import Group, into_receivers
from benchmarks.lab import ROOT
from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent
from hypercare.model.time import HOUR, MINUTE
from hypercare.tsdb import Tsdb

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.lab import Server

STEP: Final = 15_000
RECORDING: Final = ROOT / "benchmarks" / "data" / "exporters.xz"


def groups(end: int, hours: int, instances: int) -> list[Group]:
    """Every exporter as often as asked for, each with its own address, seed and phase; rows are 15 s apart.

    Args:
        end: behind the last row, ms; the first row is at ``end - hours``, plus the phase of the target.

    """
    found = recorded.read(RECORDING)
    rows = hours * HOUR // STEP
    made: list[Group] = []
    for n in range(instances):
        for name, recording in found.items():
            instance = f"10.0.{len(made) // 250}.{len(made) % 250}:9100"
            # An empty label is none.
            bare = [{label: value for label, value in given.items() if value} for given in recording.labels]
            labels = tuple({**given, "job": name, "instance": instance} for given in bare)
            times = end - hours * HOUR + STEP * np.arange(rows, dtype=np.int64) + len(made) * 371 % STEP
            values = recorded.go_on(recording, rows, seed=n * 100 + len(made))
            made.append(Group(f"{name}/{instance}", labels, times, values))
    return made


def recorded_hour(end: int) -> list[Group]:
    """What was recorded and nothing else, with times 15 s apart."""
    made: list[Group] = []
    for name, recording in recorded.read(RECORDING).items():
        rows = len(recording.values)
        times = end - STEP * np.arange(rows, 0, -1, dtype=np.int64) + len(made) * 371
        bare = [{label: value for label, value in given.items() if value} for given in recording.labels]
        labels = tuple({**given, "job": name, "instance": f"10.0.0.{len(made)}:9100"} for given in bare)
        made.append(Group(name, labels, times, recording.values))
    return made


def samples(made: list[Group]) -> int:
    """How many there are."""
    return sum(int((~is_absent(group.values)).sum()) for group in made)


def into_hypercare(data: Path, made: list[Group]) -> Tsdb:
    """Write as the running program does: row by row, the log after each, blocks as they fall due. Left open."""
    db = Tsdb.open(data)
    handles = [db.group(group.key) for group in made]
    columns = [
        np.array([handle.column(Labels.of(labels)) for labels in group.labels], dtype=np.int64)
        for handle, group in zip(handles, made, strict=True)
    ]
    for row in range(len(made[0].times)):
        for handle, numbers, group in zip(handles, columns, made, strict=True):
            db.append(handle, int(group.times[row]), numbers, group.values[row])
        now = int(max(group.times[row] for group in made))
        db.flush(now)
        if now // MINUTE != (now - STEP) // MINUTE:
            db.maintain(now)
    return db


def seal(db: Tsdb, now: int) -> None:
    """Let what is in memory become blocks, as it would within the next hours."""
    for minute in range(0, 12 * HOUR, MINUTE):
        db.flush(now + minute)
        db.maintain(now + minute)


def send(server: Server, made: list[Group]) -> None:
    """Send everything by remote write, in the order of time."""
    into_receivers([server.url], made)
