"""Where the newest stale or absent cell of a column is: told from what was noted, and from the cells themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdb.raw import holes_of

COLUMNS = 6
OPTIONS = Options(seal_rows=5, keep_rows=7, block_span=10**6, out_of_order_window=10**5, fsync=False)
some = st.sets(st.integers(0, COLUMNS - 1), min_size=1)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("row"), some, st.sets(st.integers(0, COLUMNS - 1))),
        st.tuples(st.just("again"), some, st.sets(st.integers(0, COLUMNS - 1))),
        st.tuples(st.just("late"), some, st.just(set())),
        st.tuples(st.just("look"), st.just({0}), st.just(set())),
        st.tuples(st.just("delete"), some, st.just(set())),
        st.tuples(st.just("wider"), st.just({0}), st.just(set())),
    ),
    max_size=40,
)


def check(group):
    raw = group.raw
    if raw is None or not raw.count:
        return
    width = raw.layout.width
    holes = holes_of(np.ascontiguousarray(raw.values[: raw.count, :width]))
    newest = np.where(holes, np.arange(raw.count)[:, None], -1).max(axis=0)
    # What is noted may be later than what is, never earlier: a reader must not take a hole for a value.
    assert (raw.holes[:width] >= newest).all()
    assert raw.last_hole >= int(newest.max())


@given(acts)
def test_no_hole_is_ever_unknown(found):
    db = Tsdb.open(None, OPTIONS)
    group = db.group("g")
    numbers = [group.column(Labels([(METRIC_NAME, f"m{n}")])) for n in range(COLUMNS)]
    at = 0
    for what, wanted, stale in found:
        chosen = wanted
        if what == "look":
            db.snapshot()
            continue
        if what == "wider":
            numbers.append(group.column(Labels([(METRIC_NAME, f"more{len(numbers)}")])))
            chosen = {len(numbers) - 1}
        if what == "delete":
            names = tuple(Matcher(METRIC_NAME, MatchOp.REGEX, f"m[{n}]") for n in sorted(chosen)[:1])
            db.delete(names, max(at - 40, 0), max(at - 10, 0))
            check(group)
            continue
        columns = np.array([numbers[n] for n in sorted(chosen - stale)], dtype=np.int64)
        ended = [numbers[n] for n in sorted(stale)]
        if what in {"row", "wider"} or not at:
            at += 10
        when = at - 15 if what == "late" and at > 15 else at
        db.append(group, when, columns, np.arange(len(columns), dtype=np.float64), stale=ended)
        check(group)


def test_a_portion_that_fills_the_newest_row_leaves_no_hole_behind():
    db = Tsdb.open(None, OPTIONS)
    group = db.group("g")
    first, second = (group.column(Labels([(METRIC_NAME, name)])) for name in ("a", "b"))
    for at in (10, 20, 30):
        db.append(group, at, np.array([first]), np.array([1.0]))
        db.snapshot()
        if at > 10:
            db.append(group, at, np.array([second]), np.array([2.0]))
    raw = group.raw
    place = int(raw.layout.places_of(np.array([second]))[0])
    # Only the first row lacks the second series.
    assert raw.holes[place] == 0
    assert raw.dense(np.array([place]), 1)


@pytest.mark.parametrize("ended", [False, True])
def test_an_end_that_fills_the_newest_row_is_a_hole(ended):
    db = Tsdb.open(None, OPTIONS)
    group = db.group("g")
    first, second = (group.column(Labels([(METRIC_NAME, name)])) for name in ("a", "b"))
    db.append(group, 10, np.array([first, second]), np.array([1.0, 2.0]))
    db.append(group, 20, np.array([first]), np.array([1.0]))
    db.append(
        group,
        20,
        np.array([] if ended else [second], dtype=np.int64),
        [] if ended else [3.0],
        stale=[second] if ended else [],
    )
    place = int(group.raw.layout.places_of(np.array([second]))[0])
    assert group.raw.holes[place] == (1 if ended else -1)


def test_what_was_deleted_meanwhile_stays_a_hole():
    db = Tsdb.open(None, OPTIONS)
    group = db.group("g")
    first, second = (group.column(Labels([(METRIC_NAME, name)])) for name in ("a", "b"))
    for at in (10, 20):
        db.append(group, at, np.array([first, second]), np.array([1.0, 2.0]))
    db.append(group, 30, np.array([first]), np.array([1.0]))
    db.delete((Matcher(METRIC_NAME, MatchOp.EQUAL, "b"),), 15, 25)
    db.append(group, 30, np.array([second]), np.array([2.0]))
    check(group)
    assert not group.raw.dense(group.raw.layout.places_of(np.array([second])), 1)
