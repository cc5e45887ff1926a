"""Small stores for the tests of the tools."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, is_absent
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000
START = 1_700_006_400_000  # an edge of two hours
NOW = START + 48 * HOUR
OPTIONS = Options(seal_rows=50, keep_rows=20, fsync=False)


def write(
    directory: Path,
    hours: float = 5,
    step: int = 15_000,
    targets: int = 2,
    width: int = 40,
    options: Options = OPTIONS,
    stale_at: int = -1,
) -> Tsdb:
    """Targets with counters; value = row number times column + 1/8. Left open; spans that are over are in blocks."""
    db = Tsdb.open(directory, options)
    groups = [db.group(f"job/{target}") for target in range(targets)]
    columns = [
        np.array([
            group.column(Labels.of(__name__=f"work_{n % 3}_total", instance=f"i{target}", n=str(n), job="job"))
            for n in range(width)
        ])
        for target, group in enumerate(groups)
    ]  # fmt: skip
    for row in range(int(hours * HOUR / step)):
        at = START + row * step
        for group, numbers in zip(groups, columns, strict=True):
            values = row * np.arange(width) + 0.125
            if row == stale_at:
                values[0] = STALE
            db.append(group, at, numbers, values)
        if row % 40 == 0:
            db.flush(at)
            db.maintain(at)
    db.flush(START + int(hours * HOUR))
    for _ in range(5):
        db.maintain(START + int(hours * HOUR))
    return db


def samples(db: Tsdb) -> dict[Labels, list[tuple[int, int]]]:
    """Times and the bits of the values, by series."""
    found: dict[Labels, dict[int, int]] = {}
    for matrix in db.snapshot().select((), -1, 2**61):
        there = ~is_absent(np.ascontiguousarray(matrix.values))
        for column, labels in enumerate(matrix.labels):
            rows = there[:, column]
            bits = np.ascontiguousarray(matrix.values[rows, column]).view(np.int64).tolist()
            found.setdefault(labels, {}).update(zip(matrix.times[rows].tolist(), bits, strict=True))
    return {labels: sorted(rows.items()) for labels, rows in found.items()}


def content(directory: Path) -> dict[str, str]:
    """Every file and what is in it."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
