"""Blocks of formats before this one are read as ever, and what is written of them is of this one.

``data/format2.block`` (``HCBLOCK2``, pages of version 1) was written by the program as it was then, from :func:`content`;
``data/format3.block`` (``HCBLOCK3``, version 2) is a merged one, of the same and its first 240 rows again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT, STALE, is_absent
from hypercare.tsdb import Options, Tsdb

DATA = Path(__file__).parent / "data"
SPAN = 300_000
LONGER = 540_000
ROWS = 300
OPTIONS = Options(block_span=SPAN, seal_rows=50, keep_rows=10, fsync=False)


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


def _bits(values: np.ndarray) -> list[int]:
    return np.ascontiguousarray(values).view(np.int64).tolist()


def _want(span: int) -> np.ndarray:
    return content() if span == SPAN else np.concatenate([content(), content()[:240]])


def _read(db: Tsdb, want: np.ndarray) -> None:
    """All is there, bit for bit."""
    seen = 0
    for matrix in db.snapshot().select((), -1, 2**61):
        for column, labels in enumerate(matrix.labels):
            cells = want[matrix.times // 1000, int(labels.get("i"))]
            assert _bits(matrix.values[:, column]) == _bits(cells), labels
            seen += int((~is_absent(cells)).sum())
    assert seen == int((~is_absent(want)).sum())
    assert not db.problems


@pytest.fixture(params=[(2, SPAN), (3, LONGER)], ids=["format 2", "format 3"])
def store(tmp_path, request) -> tuple[Path, int]:
    number, span = request.param
    old = DATA / f"format{number}.block"
    assert old.read_bytes().startswith(b"HCBLOCK%d" % number)
    (tmp_path / "blocks").mkdir()
    shutil.copy(old, tmp_path / "blocks" / f"{0:013d}-{span:013d}-000001.block")
    return tmp_path, span


def test_a_block_of_an_old_format_is_read_bit_for_bit(store):
    place, span = store
    db = Tsdb.open(place, OPTIONS)
    _read(db, _want(span))
    db.close()


def test_what_is_written_of_an_old_block_is_a_new_one(store):
    """Cleaned of one series, the block is written anew: in the new format, with the same bits of the others."""
    place, span = store
    want = _want(span)
    db = Tsdb.open(place, OPTIONS)
    db.delete((Matcher("i", MatchOp.EQUAL, "0"),), 0, span)
    db.clean_tombstones()
    for now in range(span, span + 50_000, 1000):
        db.maintain(now)
    want[:, 0] = ABSENT
    _read(db, want)
    db.close()
    files = list((place / "blocks").glob("*.block"))
    assert [path.read_bytes()[:8] for path in files] == [b"HCBLOCK4"]
    db = Tsdb.open(place, OPTIONS)
    _read(db, want)
    db.close()
