"""One store with everything in it, and every byte of it wrong once.

Native histograms, start timestamps, markers, samples that came late, deletions, plain and merged blocks, several files of
the log, a snapshot. Whatever byte is flipped and wherever a file is cut: the store opens, no value is wrong, nothing is
lost but what stood in that place (of one target, unless it is the list of contents of a block), and it is told.

``CORRUPT=1 pytest tests/tsdb/test_every_byte.py -s`` (or ``make corrupt``) takes every byte instead of one in some hundred.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram, HistogramSeries
from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import STALE, is_absent
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = bool(os.environ.get("CORRUPT"))
STEP = 1 if EVERY else 499
pytestmark = pytest.mark.timeout(4 * 3600 if EVERY else 600)
OPTIONS = Options(
    block_span=1000, seal_rows=40, keep_rows=20, out_of_order_window=100_000, merge_span=3000, fsync=False,
    wal_segment_bytes=1 << 14,
)  # fmt: skip
SHM = Path("/dev/shm")
Cells = dict[tuple[str, Labels], dict[int, object]]
"""By kind and series: time and what makes a sample."""


def cells(db: Tsdb) -> Cells:
    """Everything that can be read."""
    found: Cells = {}
    snapshot = db.snapshot()
    for matrix in snapshot.select((), -1, 2**61):
        values = np.ascontiguousarray(matrix.values)
        there = ~is_absent(values)
        for column, labels in enumerate(matrix.labels):
            rows = there[:, column]
            bits = np.ascontiguousarray(values[rows, column]).view(np.int64).tolist()
            found.setdefault(("float", labels), {}).update(zip(matrix.times[rows].tolist(), bits, strict=True))
            if matrix.starts is not None and (known := rows & (matrix.starts[:, column] != 0)).any():
                pairs = zip(matrix.times[known].tolist(), matrix.starts[known, column].tolist(), strict=True)
                found.setdefault(("start", labels), {}).update(pairs)
    for series in snapshot.select_histograms((), -1, 2**61):
        pairs = zip(series.times.tolist(), map(plain, series.values), strict=True)
        found.setdefault(("histogram", series.labels), {}).update(pairs)
    return found


def plain(h: Histogram) -> object:
    sides = [(side.indexes.tolist(), side.counts.tolist()) for side in (h.positive, h.negative)]
    return h.schema, h.zero_threshold, h.zero_count, h.count, h.sum, h.custom_values, h.hint.value, str(sides)


def histogram(at: int, *, custom: bool = False) -> Histogram:
    counts = np.array([at % 5 + 1.0, at % 7 + 1.0, 2.0])
    indexes = np.array([0, 1, 2]) if custom else np.array([at // 50 % 3 - 1, 4, 6])
    total = float(counts.sum())
    if custom:
        return Histogram(
            CUSTOM_SCHEMA, count=total, sum=at / 8, positive=Buckets(indexes, counts), custom_values=(1.0, 2.5)
        )
    return Histogram(3, 0.001, 1.0, total + 1, at / 8, Buckets(indexes, counts))


def fill(place: Path) -> None:
    """Write the store."""
    db = Tsdb.open(place, OPTIONS)
    rng = np.random.default_rng(5)
    groups = [db.group(key) for key in ("g", "h")]
    columns = [[group.column(Labels.of(__name__="m", g=group.key, i=str(i))) for i in range(7)] for group in groups]
    spread = [[group.column(Labels.of(__name__=f"hist{n}", g=group.key)) for n in range(2)] for group in groups]
    wide = db.group("wide")
    many = [wide.column(Labels.of(__name__="c", g="wide", i=str(i))) for i in range(250)]
    for at in range(7, 5600, 25):
        if at % 500 == 7 and at < 3000:
            # Wider than a page: what belongs together does not stand together.
            db.append(wide, at, many, np.arange(250.0), histograms=[(many[9], histogram(at))])
        for group, numbers, hists in zip(groups, columns, spread, strict=True):
            noise = np.round(rng.random(len(numbers)) * 1000, 2)
            values = np.where(np.arange(len(numbers)) % 3 == 0, float(at), noise)
            values[1] = STALE if at % 1300 == 7 else values[1]
            taken = len(numbers) - (at // 400) % 3
            db.append(
                group, at, numbers[:taken], values[:taken], starts=[(numbers[0], at - at % 500 + 1)],
                histograms=[(hists[0], histogram(at)), (hists[1], histogram(at, custom=True))],
            )  # fmt: skip
        if at % 150 in {7, 32}:
            db.flush(at)
            db.maintain(at)
        if at % 700 == 7 and at > 1000:
            late = np.arange(at - 900, at - 600, 60)
            own = Labels.of(__name__="late", job="w")
            hists = HistogramSeries(Labels.of(__name__="late_h", job="w"), late, tuple(map(histogram, late.tolist())))
            db.write(WriteBatch("w", (FloatSeries(own, late, late / 3, late - 5),), (hists,)), at)
        if 2507 <= at < 2557:
            db.delete((Matcher("i", MatchOp.EQUAL, "5"), Matcher("g", MatchOp.EQUAL, "g")), 300, 900)
    for at in range(5600, 6000, 50):
        db.flush(at)
        db.maintain(at)
    db.delete((Matcher("i", MatchOp.EQUAL, "3"),), 3100, 5400)
    db.close()


class Store(NamedTuple):
    """A store, what is in it, what was deleted of it, and whose each sample is."""

    place: Path
    wanted: Cells
    deleted: Cells


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[Store]:
    base = Path(tempfile.mkdtemp(prefix="every-byte-", dir=SHM if SHM.is_dir() else None))
    place = base / "whole"
    fill(place)
    db = Tsdb.open(place, OPTIONS)
    assert db.problems == []
    wanted = cells(db)
    db.close()
    kinds = {kind for kind, _ in wanted}
    assert kinds == {"float", "histogram", "start"}
    names = [path.suffix for path in files(place)]
    assert names.count(".wal") >= 2
    assert names.count(".block") >= 3
    assert ".tombstones" in names
    yield Store(place, wanted, before_deletions(place, base))
    shutil.rmtree(base)


def before_deletions(place: Path, base: Path) -> Cells:
    """What a store shows that has lost its tombstones and its deletions in memory."""
    from hypercare.tsdb import replay

    other = base / "undeleted"
    shutil.copytree(place, other)
    for path in other.rglob("*.tombstones"):
        path.unlink()
    real = replay._replay_file
    replay._replay_file = lambda path, reader, _erase, recovery: real(path, reader, lambda _: None, recovery)
    try:
        db = Tsdb.open(other, OPTIONS)
        found = cells(db)
        db.close()
    finally:
        replay._replay_file = real
    return found


def files(place: Path) -> list[Path]:
    return [path for path in sorted(place.rglob("*")) if path.suffix in {".wal", ".block", ".tombstones"}]


class Outcome(NamedTuple):
    """What damage did.

    Attributes:
        lost: samples.
        groups: of how many targets.
        returned: deleted samples that are back.
        told: whether the store says that something is wrong.

    """

    lost: int
    groups: int
    returned: int
    told: bool


class Bench:
    """A copy of a store in which one file at a time is another."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.place = Path(tempfile.mkdtemp(prefix="one-byte-", dir=store.place.parent))
        self.restore()

    def restore(self) -> None:
        """All files as they were; opening cuts logs and removes what was replaced."""
        shutil.rmtree(self.place)
        for folder in ("wal", "blocks"):
            (self.place / folder).mkdir(parents=True)
        for path in files(self.store.place):
            target = self.place / path.relative_to(self.store.place)
            if path.suffix == ".block":
                os.link(path, target)
            else:
                shutil.copyfile(path, target)

    def look(self, path: Path, data: bytes) -> Outcome:
        """Open the store with another content of one file."""
        target = self.place / path.relative_to(self.store.place)
        target.unlink(missing_ok=True)
        target.write_bytes(data)
        before = sorted(p.name for p in files(self.place))
        db = Tsdb.open(self.place, OPTIONS)
        try:
            found = cells(db)
            told = bool(db.problems) or db.recovery.torn_bytes > 0
        finally:
            db.close()
        outcome = self.compare(found, told=told)
        target.unlink(missing_ok=True)
        if sorted(p.name for p in files(self.place)) != sorted(n for n in before if n != target.name) or (
            path.suffix == ".wal"
        ):
            self.restore()
        elif path.suffix == ".block":
            os.link(path, target)
        else:
            shutil.copyfile(path, target)
        return outcome

    def compare(self, found: Cells, *, told: bool) -> Outcome:
        if found == self.store.wanted:
            return Outcome(0, 0, 0, told)
        lost, returned = 0, 0
        groups: set[str] = set()
        for key in found.keys() | self.store.wanted.keys():
            have, want = found.get(key, {}), self.store.wanted.get(key, {})
            if have == want:
                continue
            once = self.store.deleted.get(key, {})
            for at, sample in have.items():
                assert sample == want.get(at, once.get(at)), f"a wrong sample of {key} at {at}: {sample}"
            returned += len(have.keys() - want.keys())
            gone = len(want.keys() - have.keys())
            if gone:
                lost += gone
                groups.add(key[1].get("g") or key[1].get("job"))
        return Outcome(lost, len(groups), returned, told)


def contents_of(path: Path) -> list[tuple[int, int]]:
    """The parts of a block that several targets need: index and footer, and tables of names."""
    from hypercare.tsdb.blockfile import FOOTER, unpack

    data = path.read_bytes()
    offset, length, _, _ = FOOTER.unpack(data[-FOOTER.size :])
    index = unpack(data[offset : offset + length])
    tables = [(at, at + size) for at, size, _ in index["tables"]]
    return [(offset, len(data)), *tables]


def test_every_byte_flipped(whole):
    bench = Bench(whole)
    total = sum(map(len, whole.wanted.values()))
    tally: Counter[str] = Counter()
    for path in files(whole.place):
        data = path.read_bytes()
        # All that stands in this file alone.
        most = bench.look(path, b"").lost
        shared = contents_of(path) if path.suffix == ".block" else []
        places = range(0, len(data), STEP)
        if STEP > 1:
            places = sorted({*places, *range(min(len(data), 9)), *range(max(len(data) - 24, 0), len(data), 2)})
        for at in places:
            bit = 1 << at % 8
            outcome = bench.look(path, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            where = (path.name, at, outcome)
            assert outcome.told or not (outcome.lost or outcome.returned), where
            assert outcome.lost <= most, where
            assert outcome.groups < 2 or any(first <= at < last for first, last in shared), where
            assert not outcome.returned or path.suffix != ".block", where
            tally[f"{path.suffix[1:]}: bytes"] += 1
            tally[f"{path.suffix[1:]}: told"] += outcome.told
            tally[f"{path.suffix[1:]}: samples lost"] += outcome.lost
        print(f"{path.name}: {len(data)} bytes", flush=True)
    print(f"{sum(path.stat().st_size for path in files(whole.place)):,} bytes, {total:,} samples; {dict(tally)}")


def test_cut_anywhere(whole):
    bench = Bench(whole)
    for path in files(whole.place):
        data = path.read_bytes()
        for size in range(0, len(data), STEP if STEP > 1 else 3):
            outcome = bench.look(path, data[:size])
            # Of a log that ends between two records nobody can tell that there was more.
            assert outcome.told or not (outcome.lost or outcome.returned) or path.suffix == ".wal", (path.name, size)


def test_a_snapshot_is_a_store_of_its_own(whole, tmp_path):
    copy = whole.place.parent / "copy"
    db = Tsdb.open(whole.place, OPTIONS)
    db.snapshot_to(copy)
    db.close()
    opened = Tsdb.open(copy, OPTIONS)
    assert (cells(opened), opened.problems) == (whole.wanted, [])
    opened.close()
    bench = Bench(Store(copy, whole.wanted, whole.deleted))
    for path in files(copy):
        data = path.read_bytes()
        for at in range(0, len(data), 1499 if EVERY else max(len(data) // 4, 1)):
            outcome = bench.look(path, data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
            assert outcome.told or not (outcome.lost or outcome.returned), (path.name, at, outcome)
