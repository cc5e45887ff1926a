"""What the metrics store costs: appending rows, selecting windows, memory, disk, reopening.

Run: ``python benchmarks/tsdb_append.py [--groups 100] [--series 100] [--rows 480] [--memory]``
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.tsdb import Options, Tsdb

START = 1_767_225_600_000  # 2026-01-01, a multiple of the block span
STEP = 15_000


def rss() -> float:
    return psutil.Process().memory_info().rss / 1e6


def row_of(rng: np.random.Generator, row: np.ndarray) -> np.ndarray:
    """Half counters, a quarter gauges with two decimals, a quarter constants: what exporters usually give."""
    width = len(row)
    row = row.copy()
    row[: width // 2] += rng.poisson(20, width // 2)
    row[width // 2 : width * 3 // 4] = np.round(rng.normal(50, 10, width * 3 // 4 - width // 2), 2)
    return row


def best(repeats: int, inner: int, call) -> float:
    """Shortest mean time of a call, µs."""
    shortest = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(inner):
            call()
        shortest = min(shortest, (time.perf_counter() - begin) / inner)
    return shortest * 1e6


def fill(db: Tsdb, groups: int, series: int, rows: int) -> float:
    """Append everything; returns the seconds spent inside the store."""
    rng = np.random.default_rng(1)
    handles = [db.group(f"node/{n}") for n in range(groups)]
    columns = [
        np.array(
            [
                g.column(Labels.of(__name__=f"metric_{s // 5}", instance=g.key, job="node", part=str(s % 5)))
                for s in range(series)
            ]
        )
        for g in handles
    ]
    rowset = [rng.integers(0, 10**6, series).astype(float) for _ in handles]
    spent = 0.0
    for number in range(rows):
        rowset = [row_of(rng, row) for row in rowset]
        at = START + number * STEP
        begin = time.perf_counter()
        for n, handle in enumerate(handles):
            db.append(handle, at + n, columns[n], rowset[n])
        spent += time.perf_counter() - begin
        db.flush(at)
    return spent


def select_cost() -> None:
    db = Tsdb.open(None)
    handles = [db.group(f"service/{n}") for n in range(28)]
    columns = [
        np.array([g.column(Labels.of(__name__=f"metric_{s // 3}", instance=g.key, code=str(s % 3))) for s in range(30)])
        for g in handles
    ]
    for number in range(130):
        for handle, numbers in zip(handles, columns, strict=True):
            db.append(handle, START + number * 30_000, numbers, np.arange(30.0))
    now = START + 129 * 30_000
    snapshot = db.snapshot()
    wanted = (Matcher("__name__", MatchOp.EQUAL, "metric_4"),)
    assert len(snapshot.select(wanted, now - 300_000, now)) == 28
    print(
        f"select 28 groups x 3 series, 5 m      {best(20, 200, lambda: snapshot.select(wanted, now - 300_000, now)):9.1f} µs"
    )
    print(f"select 28 groups x 3 series, all      {best(20, 50, lambda: snapshot.select(wanted, 0, now)):9.1f} µs")
    hot = db.group("service/0")
    clock = [now]

    def append_and_view() -> None:
        clock[0] += 1
        db.append(hot, clock[0], columns[0], np.arange(30.0))
        db.snapshot()

    print(f"append a row, then a snapshot         {best(5, 200, append_and_view):9.1f} µs")


def append_cost(directory: Path | None) -> None:
    for width in (3, 100, 1000):
        place = None if directory is None else directory / f"append-{width}"
        db = Tsdb.open(place)
        group = db.group("g")
        numbers = np.array([group.column(Labels.of(__name__="m", i=str(i))) for i in range(width)])
        values = np.random.default_rng(1).normal(size=width)
        clock = [START]

        def append(db=db, group=group, numbers=numbers, values=values, clock=clock) -> None:
            clock[0] += 1
            db.append(group, clock[0], numbers, values)

        append()
        bare = best(8, 60, append)
        db.flush(clock[0])
        clock2 = time.perf_counter()
        for _ in range(2400):
            append()
        whole = (time.perf_counter() - clock2) / 2400 * 1e6
        where = "memory" if directory is None else "log"
        print(
            f"append {width:5d} values ({where:6s})         {bare:9.2f} µs  ({bare / width * 1000:.0f} ns a sample; with sealing {whole:.2f} µs)"
        )
        db.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--rows", type=int, default=480)
    parser.add_argument("--memory", action="store_true", help="no directory: memory only")
    args = parser.parse_args()
    place = None if args.memory else Path(tempfile.mkdtemp(prefix="tsdb-bench-"))
    try:
        run(args, place)
    finally:
        if place is not None:
            shutil.rmtree(place)


def run(args: argparse.Namespace, place: Path | None) -> None:
    before = rss()
    db = Tsdb.open(None if place is None else place / "main", Options())
    spent = fill(db, args.groups, args.series, args.rows)
    samples = args.groups * args.series * args.rows
    stats = db.snapshot().stats()
    print(f"{args.groups} groups x {args.series} series x {args.rows} rows = {samples} samples")
    print(
        f"append, all in all                    {spent / samples * 1e9:9.1f} ns a sample ({samples / spent / 1e6:.1f} M samples/s)"
    )
    print(f"memory: whole process                 {rss():9.1f} MB ({rss() - before:.1f} MB of it came with the data)")
    print(f"memory: rows                          {stats.bytes_in_memory / 1e6:9.1f} MB")
    end = START + args.rows * STEP
    begin = time.perf_counter()
    calls = 0
    now = end + 2 * 3_600_000
    while place is not None and not db.snapshot().stats().blocks and calls < 100:
        db.maintain(now)
        calls += 1
    if place is not None:
        blocks = sum(path.stat().st_size for path in place.rglob("*.block"))
        print(f"block written in {calls} steps              {(time.perf_counter() - begin) * 1e3:9.1f} ms")
        print(f"block size                            {blocks / samples:9.2f} bytes a sample")
    metric = (Matcher("__name__", MatchOp.EQUAL, "metric_3"),)
    begin = time.perf_counter()
    found = db.snapshot().select(metric, START, end)
    print(
        f"select {sum(len(m.labels) for m in found)} series x {args.rows} rows, cold   {(time.perf_counter() - begin) * 1e3:9.1f} ms"
    )
    snapshot = db.snapshot()
    print(
        f"the same, warm                        {best(3, 3, lambda: snapshot.select(metric, START, end)) / 1e3:9.1f} ms"
    )
    db.close()
    if place is not None:
        again = Tsdb.open(place / "log", Options())
        fill(again, args.groups, args.series, args.rows)
        again.close()
        begin = time.perf_counter()
        again = Tsdb.open(place / "log", Options())
        print(f"open with {args.rows} rows a group in the log   {(time.perf_counter() - begin) * 1e3:9.1f} ms")
        again.close()
    append_cost(place)
    select_cost()


if __name__ == "__main__":
    main()
