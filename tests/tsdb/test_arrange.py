"""Columns that have something in common stand together in merged blocks, and are found where they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT, is_absent
from hypercare.tsdb import Options, Tsdb, block
from hypercare.tsdb.arrange import arrange

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 700
WIDTH = 300
OPTIONS = Options(block_span=240_000, seal_rows=50, keep_rows=10, fsync=False, merge_span=720_000)


def content() -> np.ndarray:
    """Counters; twins and parts of totals stand far from each other: float64[700, 300]."""
    rng = np.random.default_rng(3)
    values = rng.integers(0, 40_000, (ROWS, WIDTH)).cumsum(axis=0) * 1.0
    values[:, ::3] = rng.integers(0, 2, WIDTH // 3 + WIDTH % 3)
    for n in range(1, 60, 3):
        values[:, 150 + n] = 4096.0 * values[:, n]
        values[:, 151 + n] = values[:, n] + values[:, n + 1]
        values[:, 230 + n] = values[:, n] + rng.integers(0, 5, ROWS)
    values[100:200, 7] = ABSENT
    values[:, 299] = ABSENT
    return values


def order_of(values: np.ndarray, page: int) -> list[int]:
    finding = arrange(lambda columns: values[:, columns], values.shape[1], len(values), page)
    while True:
        try:
            next(finding)
        except StopIteration as end:
            return end.value.tolist()


def test_columns_with_something_in_common_share_a_page():
    order = order_of(content(), 128)
    assert sorted(order) == list(range(WIDTH))
    page = {column: place // 128 for place, column in enumerate(order)}
    together = [n for n in range(1, 60, 3) if page[n] == page[150 + n] == page[151 + n] == page[n + 1]]
    assert len(together) == 20


def test_what_has_nothing_in_common_stays_where_it_was():
    rng = np.random.default_rng(3)
    assert order_of(rng.normal(size=(600, 40)), 16) == list(range(40))
    assert order_of(np.ones((600, 40)), 16) == list(range(40))


def stored(place) -> Tsdb:
    values = content()
    db = Tsdb.open(place, OPTIONS)
    group = db.group("g")
    columns = np.array([group.column(Labels.of(__name__=f"m{n % 7}", i=str(n))) for n in range(WIDTH)], dtype=np.int64)
    for row in range(ROWS):
        db.append(group, row * 1000, columns, values[row])
    for now in range(ROWS * 1000, ROWS * 1000 + 2_000_000, 10_000):
        db.flush(now)
        db.maintain(now)
    assert not db.problems
    return db


def check(db: Tsdb, want: np.ndarray, *matchers: Matcher) -> int:
    seen = 0
    for matrix in db.snapshot().select(matchers, -1, 2**61):
        for column, labels in enumerate(matrix.labels):
            cells = want[matrix.times // 1000, int(labels.get("i"))]
            assert cells.tobytes() == np.ascontiguousarray(matrix.values[:, column]).tobytes(), labels
            seen += int((~is_absent(cells)).sum())
    return seen


def test_a_merged_block_reads_back_whole_by_metric_and_by_series(tmp_path):
    db = stored(tmp_path)
    db.close()
    (path,) = (tmp_path / "blocks").glob("*.block")
    # Sixty of 220 columns that vary cost next to nothing.
    assert path.stat().st_size < 2.0 * ROWS * 170
    db = Tsdb.open(tmp_path, OPTIONS)
    want = content()
    assert check(db, want) == int((~is_absent(want)).sum())
    assert check(db, want, Matcher("__name__", MatchOp.EQUAL, "m3")) == int((~is_absent(want[:, 3::7])).sum())
    for i in (1, 2, 7, 151, 152, 231, 298):
        assert check(db, want, Matcher("i", MatchOp.EQUAL, str(i))) == int((~is_absent(want[:, i])).sum())
    db.delete((Matcher("i", MatchOp.REGEX, "1|152"),), 100_000, 300_000)
    want[100:301, [1, 152]] = ABSENT
    assert check(db, want) == int((~is_absent(want)).sum())
    assert sum(group.lost for each in db.verify() for group in each.groups) == 0
    assert not db.problems
    db.close()


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("merged")
    stored(place).close()
    return place


@pytest.mark.parametrize("broken", [[0], "x", [0, True], [-1], [2**70], [1.5], None])
def test_an_order_that_is_none_is_damage_that_is_told(merged, monkeypatch, broken):
    real = block.unpack

    def unpack(packed: bytes) -> object:
        found = real(packed)
        if isinstance(found, list) and found and isinstance(found[0], list) and len(found[0]) == 4:
            assert found[0][3], json.dumps(found)[:80]
            found[0][3] = broken if broken is None or broken == "x" else broken + found[0][3][len(broken) :]
        return found

    monkeypatch.setattr(block, "unpack", unpack)
    db = Tsdb.open(merged, OPTIONS)
    assert check(db, content()) == 0 or broken == [0]
    assert bool(db.problems) == (broken != [0])
    db.close()
