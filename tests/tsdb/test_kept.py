"""What range queries read is what ``select`` finds, however the store goes on between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import STALE, is_absent
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdb.kept import KeptStrip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.tsdb import Snapshot

STEP = 15_000
SPAN = 20 * 60_000
OPTIONS = Options(block_span=SPAN, seal_rows=30, keep_rows=20, out_of_order_window=SPAN, fsync=False)
NAMES = tuple((Matcher("__name__", MatchOp.EQUAL, name),) for name in ("a", "b", "c"))


class _Platform:
    """Three targets of two metrics each; ``c`` comes and goes."""

    def __init__(self, store: Tsdb) -> None:
        self.store = store
        self.row = 0
        self._rng = np.random.default_rng(11)
        self._groups = [store.group(f"t{n}") for n in range(3)]

    def go_on(self, rows: int, names: str = "ab", *, stale: bool = False) -> None:
        for _ in range(rows):
            for n, group in enumerate(self._groups):
                series = [Labels.of(__name__=name, t=str(n), i=str(i)) for name in names for i in range(4)]
                columns = np.array([group.column(labels) for labels in series], dtype=np.int64)
                values = self._rng.normal(size=len(series)).round(2)
                if stale:
                    values[1] = STALE
                self.store.append(group, self.row * STEP + n * 7, columns, values)
            self.row += 1
            if self.row % 20 == 0:
                self.store.maintain(self.row * STEP)

    @property
    def now(self) -> int:
        return self.row * STEP


def _cells(snapshot: Snapshot, name: str, start: int, end: int, *, portions: bool) -> dict[str, tuple[bytes, bytes]]:
    """Times and values of each series."""
    matchers = next(each for each in NAMES if each[0].value == name)
    found: dict[str, tuple[bytes, bytes]] = {}

    def put(labels: tuple[Labels, ...], times: Ints, values: Floats) -> None:
        for column, label in enumerate(labels):
            cells = np.ascontiguousarray(values[:, column])
            here = ~is_absent(cells)
            if here.any():
                found[str(label)] = times[here].tobytes(), cells[here].tobytes()

    if not portions:
        for matrix in snapshot.select(matchers, start, end):
            put(matrix.labels, matrix.times, matrix.values)
        return found
    strips = snapshot.strips(matchers, start, end)
    assert strips is not None
    for strip in strips:
        for first, behind in strip.portions():
            values = strip.read(first, behind)
            assert not strip.dense or not is_absent(np.ascontiguousarray(values)).any()
            put(strip.labels[first:behind], strip.times, values)
    return found


def _check(platform: _Platform) -> None:
    """Spans that slide, jump back, widen and end in the past."""
    snapshot, now = platform.store.snapshot(), platform.now
    for name in "abc":
        for start, end in ((now - SPAN // 2, now), (now - SPAN, now - 5), (now - 2 * SPAN, now - SPAN), (-1, now)):
            expected = _cells(snapshot, name, start, end, portions=False)
            assert _cells(snapshot, name, start, end, portions=True) == expected, (name, start, end)
            assert _cells(snapshot, name, start + STEP, end, portions=True) == _cells(
                snapshot, name, start + STEP, end, portions=False
            )


@pytest.fixture
def platform() -> _Platform:
    return _Platform(Tsdb.open(None, OPTIONS))


def _delete(platform: _Platform) -> None:
    platform.store.delete(NAMES[0], platform.now - SPAN, platform.now - SPAN // 4)


EVENTS: dict[str, Callable[[_Platform], None]] = {
    "rows": lambda platform: platform.go_on(3),
    "many rows": lambda platform: platform.go_on(70),
    "more series": lambda platform: platform.go_on(25, "abc"),
    "a deletion": _delete,
    "fewer series": lambda platform: platform.go_on(25, "b"),
    "an end": lambda platform: platform.go_on(2, stale=True),
    "a block": lambda platform: platform.store.finish(platform.now),
}


@pytest.mark.parametrize("first", EVENTS)
def test_portions_hold_what_is_stored(tmp_path: Path, first: str) -> None:
    platform = _Platform(Tsdb.open(tmp_path if first != "rows" else None, OPTIONS))
    platform.go_on(150)
    _check(platform)
    for each in (first, *EVENTS):
        EVENTS[each](platform)
        _check(platform)
        platform.go_on(1)
        _check(platform)


def test_a_sample_that_came_late_is_seen(platform: _Platform) -> None:
    platform.go_on(60)
    _check(platform)
    group = platform.store.group("t0")
    column = np.array([group.column(Labels.of(__name__="a", t="0", i="9"))], dtype=np.int64)
    platform.store.append(group, platform.now - STEP, column, np.array([5.0]))
    _check(platform)


def test_what_was_read_is_kept_for_the_next(platform: _Platform) -> None:
    platform.go_on(102)
    span = platform.now - SPAN, platform.now
    values = []
    for _ in range(2):
        strips = platform.store.snapshot().strips(NAMES[0], *span)
        assert strips is not None
        assert all(isinstance(strip, KeptStrip) for strip in strips)
        values.append(strips[0].read(0, 4))
        platform.go_on(1)
    assert np.shares_memory(*values)
    assert not values[0].flags.writeable


def test_readers_hold_what_they_saw_while_rows_come(platform: _Platform) -> None:
    platform.go_on(100)
    strips = platform.store.snapshot().strips(NAMES[0], -1, platform.now)
    assert strips is not None
    before = strips[0].read(0, 4).copy()
    for _ in range(4):
        platform.go_on(30)
        later = platform.store.snapshot().strips(NAMES[0], -1, platform.now)
        assert later is not None
        assert later[0].read(0, 4)[:100].tobytes() == before.tobytes()
    assert strips[0].read(0, 4).tobytes() == before.tobytes()


def test_a_span_too_large_to_keep_is_read_in_portions_alone(tmp_path: Path) -> None:
    platform = _Platform(Tsdb.open(tmp_path, Options(block_span=SPAN, seal_rows=30, keep_rows=20, cache_bytes=4_000)))
    platform.go_on(100)
    _check(platform)
    strips = platform.store.snapshot().strips(NAMES[0], -1, platform.now)
    assert strips is not None
    assert not any(isinstance(strip, KeptStrip) for strip in strips)
