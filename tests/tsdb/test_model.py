"""The store against the simplest thing that could be right: a dict of lists."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT_BITS, STALE, STALE_BITS
from hypercare.tsdb import Options, Tsdb

COUNT = itertools.count()
NAMES = ("a", "b", "c")
OPTIONS = Options(seal_rows=3, keep_rows=2, block_span=64, retention=10**9, seal_budget=30, fsync=False)
LATE = dataclasses.replace(OPTIONS, out_of_order_window=10**6)
SELECTORS = (
    (),
    *((Matcher("__name__", MatchOp.EQUAL, name),) for name in NAMES),
    (Matcher("__name__", MatchOp.REGEX, "a|c"), Matcher("i", MatchOp.NOT_EQUAL, "1")),
    (Matcher("__name__", MatchOp.EQUAL, "b"), Matcher("i", MatchOp.REGEX, "[0-3]|4.*")),
)


@dataclasses.dataclass(frozen=True)
class Row:
    group: int
    gap: int
    cells: dict[int, float]
    as_array: bool


@dataclasses.dataclass(frozen=True)
class Select:
    selector: int
    back: int
    length: int


@dataclasses.dataclass(frozen=True)
class Late:
    """Samples of one series, at times back from now, in the order of arrival."""

    group: int
    number: int
    samples: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class Delete:
    selector: int
    back: int
    length: int


@dataclasses.dataclass(frozen=True)
class Do:
    what: str


VALUES = st.one_of(st.floats(), st.just(STALE), st.integers(-5, 5).map(float))
ROWS = st.builds(
    Row,
    # From four groups on the store looks at them together.
    group=st.integers(0, 2) | st.integers(0, 6),
    gap=st.integers(0, 9),
    cells=st.dictionaries(st.integers(0, 40), VALUES, min_size=1, max_size=5)
    | st.integers(1, 40).map(lambda n: {i: float(i) for i in range(n)}),
    as_array=st.booleans(),
)
# A few spans come again and again, as in the ticks of rules.
SPANS = st.sampled_from([10, 40, 300]) | st.integers(0, 300)
SELECTS = st.builds(Select, st.integers(0, len(SELECTORS) - 1), SPANS, SPANS)
STEPS = st.lists(
    st.one_of(ROWS, ROWS, ROWS, SELECTS, st.sampled_from(["maintain", "reopen", "pause"]).map(Do)),
    min_size=5,
    max_size=80,
)


def labels_of(number: int) -> Labels:
    return Labels.of(__name__=NAMES[number % 3], i=str(number // 3))


def bits(value: float) -> int:
    return int(np.array([value]).view(np.int64)[0])


class World:
    def __init__(self, directory: Path | None, options: Options = OPTIONS) -> None:
        self.directory = directory
        self.options = options
        self.db = Tsdb.open(directory, options)
        self.expected: dict[tuple[int, Labels], dict[int, int]] = {}
        self.rows: dict[int, int] = {}
        self.now = 1000
        self.last: dict[int, np.ndarray] = {}

    def row(self, step: Row) -> None:
        self.now += step.gap
        group = self.db.group(f"group {step.group}")
        numbers = [group.column(labels_of(n)) for n in step.cells]
        columns: list[int] | np.ndarray = numbers
        if step.as_array:
            last = self.last.get(step.group)
            columns = last if last is not None and last.tolist() == numbers else np.array(numbers)
            self.last[step.group] = columns
        result = self.db.append(group, self.now, columns, np.array(list(step.cells.values())))
        appended = same = 0
        for number, value in step.cells.items():
            samples = self.expected.setdefault((step.group, labels_of(number)), {})
            if self.now not in samples:
                samples[self.now] = bits(value)
                appended += 1
            elif samples[self.now] == bits(value):
                same += 1
        assert (result.appended, result.duplicates) == (appended, same)
        assert result.out_of_order == 0
        assert result.conflicts == len(step.cells) - appended - same

    def late(self, step: Late) -> None:
        labels = labels_of(step.number)
        key = (100 + step.group, labels)
        before = self.expected.setdefault(key, {})
        times = np.array([self.now - back for back, _ in step.samples])
        values = np.array([value for _, value in step.samples])
        result = self.db.write(WriteBatch(f"s{step.group}", (FloatSeries(labels, times, values),)), self.now)
        appended = same = 0
        for at, value in sorted(zip(times.tolist(), values.tolist(), strict=True), key=lambda pair: pair[0]):
            if at not in before:
                before[at] = bits(value)
                appended += 1
            else:
                same += before[at] == bits(value)
        assert result[:5] == (appended, 0, same, len(times) - appended - same, 0)

    def delete(self, step: Delete) -> None:
        start = self.now - step.back
        end = start + step.length
        matchers = SELECTORS[step.selector]
        self.db.delete(matchers, start, end)
        for (_, labels), samples in self.expected.items():
            if all(m.matches(labels) for m in matchers):
                for at in [at for at in samples if start <= at <= end]:
                    del samples[at]

    def select(self, step: Select) -> None:
        matchers = SELECTORS[step.selector]
        start = self.now - step.back
        end = start + step.length
        found: dict[tuple[Labels, int], list[int]] = {}
        count = 0
        for matrix in self.db.snapshot().select(matchers, start, end):
            assert matrix.values.shape == (len(matrix.times), len(matrix.labels))
            assert len(set(matrix.labels)) == len(matrix.labels)
            assert len(matrix.times)
            assert (np.diff(matrix.times) > 0).all()
            cells = np.ascontiguousarray(matrix.values).view(np.int64)
            if matrix.dense:
                assert not ((cells == ABSENT_BITS) | (cells == STALE_BITS)).any()
            for row, at in enumerate(matrix.times.tolist()):
                assert start < at <= end
                for column, labels in enumerate(matrix.labels):
                    if cells[row, column] != ABSENT_BITS:
                        found.setdefault((labels, at), []).append(int(cells[row, column]))
                        count += 1
        expected: dict[tuple[Labels, int], list[int]] = {}
        for (_, labels), samples in self.expected.items():
            if all(m.matches(labels) for m in matchers):
                for at, value in samples.items():
                    if start < at <= end:
                        expected.setdefault((labels, at), []).append(value)
        assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in expected.items()}

    def do(self, step: Do) -> None:
        if step.what == "maintain":
            self.db.maintain(self.now)
        elif step.what == "pause":
            self.now += 70
        elif step.what == "clean":
            self.db.clean_tombstones()
        elif self.directory is not None:
            if step.what == "crash":
                self.db.flush(self.now)
                crashed = self.directory.with_name(f"{self.directory.name}-{self.now}-{next(COUNT)}")
                shutil.copytree(self.directory, crashed)
                self.directory = crashed
            self.db.close()
            self.db = Tsdb.open(self.directory, self.options)
            self.last = {}
        assert self.db.problems == []

    def play(self, steps: list[Row | Select | Late | Delete | Do]) -> None:
        for step in steps:
            if isinstance(step, Row):
                # A row of a time whose block is begun is refused; the model's clock never goes back.
                self.row(step)
            elif isinstance(step, Select):
                self.select(step)
            elif isinstance(step, Late):
                self.late(step)
            elif isinstance(step, Delete):
                self.delete(step)
            else:
                self.do(step)
        for selector in range(len(SELECTORS)):
            self.select(Select(selector, 10_000, 20_000))
            self.select(Select(selector, 40, 20_000))
        self.db.close()


@pytest.mark.parametrize("durable", [False, True])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps=STEPS)
def test_any_history_reads_back_as_it_was_written(durable: bool, steps: list[Row | Select | Do]) -> None:
    if not durable:
        World(None).play(steps)
        return
    with tempfile.TemporaryDirectory() as place:
        World(Path(place)).play(steps)


BACK = st.integers(0, 30) | st.integers(0, 600)
LATES = st.builds(
    Late, st.integers(0, 1), st.integers(0, 8), st.lists(st.tuples(BACK, VALUES), min_size=1, max_size=12).map(tuple)
)
DELETES = st.builds(Delete, st.integers(0, len(SELECTORS) - 1), BACK, BACK)
MORE = st.lists(
    st.one_of(
        ROWS,
        ROWS,
        LATES,
        LATES,
        SELECTS,
        DELETES,
        st.sampled_from(["maintain", "maintain", "maintain", "reopen", "crash", "pause", "clean"]).map(Do),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("durable", [False, True])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps=MORE)
def test_any_history_out_of_order_with_deletions_reads_back(durable: bool, steps: list[Row | Late | Delete]) -> None:
    if not durable:
        World(None, LATE).play(steps)
        return
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "db").mkdir()
        World(Path(place) / "db", LATE).play(steps)


def test_a_long_history_with_blocks_reads_back() -> None:
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place))
        rng = np.random.default_rng(7)
        for step in range(1500):
            cells = {int(n): float(rng.integers(0, 9)) for n in rng.choice(40, size=rng.integers(1, 6), replace=False)}
            world.row(Row(int(rng.integers(0, 3)), int(rng.integers(1, 4)), cells, bool(rng.integers(0, 2))))
            if step % 10 == 0:
                world.do(Do("maintain"))
            if step % 190 == 0:
                world.do(Do("reopen"))
            if step % 20 == 0:
                world.select(
                    Select(int(rng.integers(0, len(SELECTORS))), int(rng.integers(0, 900)), int(rng.integers(0, 600)))
                )
        assert 1 < world.db.snapshot().stats().blocks < 25
        assert len(list(Path(place, "wal").iterdir())) < 10
        world.play([])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_history_with_late_rows_and_deletions_in_blocks_reads_back(tmp_path, seed) -> None:
    (tmp_path / "db").mkdir()
    world = World(tmp_path / "db", LATE)
    rng = np.random.default_rng(seed)
    for step in range(600):
        cells = {int(n): float(rng.integers(0, 9)) for n in rng.choice(40, size=rng.integers(1, 6), replace=False)}
        world.row(Row(int(rng.integers(0, 2)), int(rng.integers(1, 6)), cells, as_array=False))
        if step % 4 == 0:
            backs = rng.integers(0, 600, size=rng.integers(1, 6)).tolist()
            world.late(Late(0, int(rng.integers(0, 8)), tuple((back, float(rng.integers(0, 9))) for back in backs)))
        if step % 3 == 0:
            world.do(Do("maintain"))
        if step % 40 == 39:
            back = int(rng.integers(0, 600))
            world.delete(Delete(int(rng.integers(0, len(SELECTORS))), back, int(rng.integers(0, 80))))
            world.select(Select(0, 10_000, 20_000))
        if step % 150 == 140:
            world.do(Do("clean"))
        if step % 97 == 0:
            world.do(Do("crash" if step % 2 else "reopen"))
        if step % 20 == 0:
            world.select(
                Select(int(rng.integers(0, len(SELECTORS))), int(rng.integers(0, 900)), int(rng.integers(0, 600)))
            )
    world.play([])
