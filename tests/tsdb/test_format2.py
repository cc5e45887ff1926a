"""Blocks of the format before this one (``HCBLOCK2``, pages of version 1) are read as ever, and merged into new ones.

``data/format2.block`` was written by the program as it was then, from :func:`content`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT, STALE, is_absent
from hypercare.tsdb import Options, Tsdb

OLD = Path(__file__).parent / "data" / "format2.block"
SPAN = 300_000
ROWS = 300
OPTIONS = Options(block_span=SPAN, seal_rows=50, keep_rows=10, fsync=False)
NAME = f"{0:013d}-{SPAN:013d}-000001.block"


def _chance(seed: int, count: int) -> np.ndarray:
    """Numbers from 0 to 2^32 that no version of numpy draws otherwise."""
    out, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 32)
    return np.array(out, dtype=np.int64)


def content() -> np.ndarray:
    """Columns of every kind that the old pages knew: float64[300, 44]."""
    columns = [np.full(ROWS, 3.25), np.full(ROWS, -0.0), np.arange(ROWS) * 15_000.0]
    for n in range(6):
        chance = _chance(n, ROWS)
        columns += [
            np.cumsum(chance % 50).astype(float),
            np.cumsum(chance % 5_000_000 + 7).astype(float),
            (chance % 10_000) / 100.0,
            1.0 + chance / 2.0**32,
            (chance % 97 == 0).astype(float).cumsum(),
            np.where(chance % 3 == 0, 1e12, 7e-3) * (chance % 1000),
        ]
    # All but the oldest differences are of the second order.
    columns += [np.cumsum(np.cumsum(_chance(9, ROWS) % 3)) * 1.0 for _ in range(3)]
    columns += [np.array([ABSENT, STALE, np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e308] * 40)[:ROWS] for _ in range(2)]
    values = np.column_stack(columns)
    values[40:60, 4] = ABSENT
    values[60, 5] = STALE
    values[:100, 6] = ABSENT
    return values


def _labels(column: int) -> Labels:
    return Labels.of(__name__="m", i=str(column))


def write(directory: Path) -> None:
    """Write the block: how the file came to be."""
    values = content()
    db = Tsdb.open(directory, OPTIONS)
    group = db.group("g")
    columns = np.array([group.column(_labels(n)) for n in range(values.shape[1])], dtype=np.int64)
    for row in range(ROWS):
        db.append(group, row * 1000, columns, values[row])
    for now in range(ROWS * 1000, ROWS * 1000 * 4, 1000):
        db.flush(now)
        db.maintain(now)
    assert not db.problems
    db.close()


def _bits(values: np.ndarray) -> list[int]:
    return np.ascontiguousarray(values).view(np.int64).tolist()


def _read(db: Tsdb, without: int | None = None) -> None:
    """All is there, bit for bit."""
    want = content()
    if without is not None:
        want[:, without] = ABSENT
    seen = 0
    for matrix in db.snapshot().select((), -1, 2**61):
        for column, labels in enumerate(matrix.labels):
            cells = want[matrix.times // 1000, int(labels.get("i"))]
            assert _bits(matrix.values[:, column]) == _bits(cells), labels
            seen += int((~is_absent(cells)).sum())
    assert seen == int((~is_absent(want)).sum())
    assert not db.problems


@pytest.fixture
def store(tmp_path) -> Path:
    (tmp_path / "blocks").mkdir()
    shutil.copy(OLD, tmp_path / "blocks" / NAME)
    return tmp_path


def test_a_block_of_the_old_format_is_read_bit_for_bit(store):
    assert OLD.read_bytes().startswith(b"HCBLOCK2")
    db = Tsdb.open(store, OPTIONS)
    _read(db)
    db.close()


def test_what_is_written_of_an_old_block_is_a_new_one(store):
    """Cleaned of one series, the block is written anew: in the new format, with the same bits of the others."""
    db = Tsdb.open(store, OPTIONS)
    db.delete((Matcher("i", MatchOp.EQUAL, "0"),), 0, SPAN)
    db.clean_tombstones()
    for now in range(SPAN, SPAN + 50_000, 1000):
        db.maintain(now)
    _read(db, without=0)
    db.close()
    files = list((store / "blocks").glob("*.block"))
    assert [path.read_bytes()[:8] for path in files] == [b"HCBLOCK3"]
    db = Tsdb.open(store, OPTIONS)
    _read(db, without=0)
    db.close()
