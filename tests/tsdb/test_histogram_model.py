"""Native histograms against a dict: appended, written late, sealed, merged, deleted, reopened."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram, HistogramSeries, ResetHint
from hypercare.model.ingest import WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.tsdb import Options, Tsdb

OPTIONS = Options(
    seal_rows=3, keep_rows=2, block_span=64, retention=10**9, seal_budget=60, fsync=False, out_of_order_window=10**6
)
EVERY = (Matcher("__name__", MatchOp.EQUAL, "h"),)

COUNTS = st.integers(0, 50).map(float) | st.floats(0, 1e6)
SIDES = st.dictionaries(st.integers(-20, 20), COUNTS, max_size=5).map(
    lambda found: Buckets(
        np.array(sorted(found), dtype=np.int64), np.array([found[i] for i in sorted(found)], dtype=float)
    )
)
EXPONENTIAL = st.builds(
    Histogram,
    schema=st.integers(-4, 8),
    zero_threshold=st.sampled_from([0.0, 1e-128, 0.001]),
    zero_count=COUNTS,
    count=COUNTS,
    sum=st.floats(allow_nan=False),
    positive=SIDES,
    negative=SIDES,
    hint=st.sampled_from(list(ResetHint)),
)
CUSTOM = st.builds(
    Histogram,
    schema=st.just(CUSTOM_SCHEMA),
    count=COUNTS,
    positive=SIDES.map(lambda side: Buckets(side.indexes[side.indexes >= 0], side.counts[side.indexes >= 0])),
    custom_values=st.sampled_from([(0.1, 1.0), (0.1, 1.0, 5.0)]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 9), st.integers(0, 2), EXPONENTIAL | CUSTOM),
        st.tuples(st.just("append"), st.integers(1, 9), st.integers(0, 2), EXPONENTIAL | CUSTOM),
        st.tuples(st.just("write"), st.integers(0, 300), st.integers(0, 2), EXPONENTIAL),
        st.tuples(st.just("delete"), st.integers(0, 300), st.integers(0, 100)),
        st.sampled_from([("maintain",), ("maintain",), ("reopen",), ("pause",)]),
    ),
    min_size=3,
    max_size=40,
)


def shape(h: Histogram) -> tuple[object, ...]:
    sides = [(side.indexes.tolist(), side.counts.tolist()) for side in (h.positive, h.negative)]
    return (h.schema, h.zero_threshold, h.zero_count, h.count, h.sum, h.custom_values, h.hint, *map(str, sides))


def labels_of(number: int, source: str) -> Labels:
    return Labels.of(__name__="h", i=str(number), source=source)


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.db = Tsdb.open(directory, OPTIONS)
        self.expected: dict[tuple[Labels, int], tuple[object, ...]] = {}
        self.now = 1000

    def append(self, gap: int, number: int, value: Histogram) -> None:
        self.now += gap
        group = self.db.group("g")
        labels = labels_of(number, "scrape")
        found = self.db.append(group, self.now, [], [], histograms=((group.column(labels), value),))
        assert found.histograms == 1
        self.expected[labels, self.now] = shape(value)

    def write(self, back: int, number: int, value: Histogram) -> None:
        labels, at = labels_of(number, "write"), self.now - back
        batch = WriteBatch("s", (), (HistogramSeries(labels, np.array([at]), (value,)),))
        result = self.db.write(batch, self.now)
        known = self.expected.get((labels, at))
        if known is None:
            self.expected[labels, at] = shape(value)
        new, same = known is None, known == shape(value)
        assert result[:5] == (0, int(new), int(same), int(not new and not same), 0)

    def delete(self, back: int, length: int) -> None:
        start, end = self.now - back, self.now - back + length
        self.db.delete(EVERY, start, end)
        self.expected = {key: value for key, value in self.expected.items() if not start <= key[1] <= end}

    def do(self, what: str) -> None:
        if what == "maintain":
            self.db.maintain(self.now)
        elif what == "pause":
            self.now += 70
        else:
            self.db.flush(self.now)
            self.db.close()
            self.db = Tsdb.open(self.directory, OPTIONS)
        assert self.db.problems == []

    def check(self) -> None:
        found = {}
        for series in self.db.snapshot().select_histograms(EVERY, -1, 2**62):
            assert (np.diff(series.times) > 0).all()
            for at, value in zip(series.times.tolist(), series.values, strict=True):
                found[series.labels, at] = shape(value)
        assert found == self.expected
        listed = self.db.snapshot().series([EVERY], -1, 2**62)
        assert set(listed) >= {labels for labels, _ in self.expected}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps=STEPS)
def test_any_history_of_histograms_reads_back(steps):
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place))
        for step in steps:
            getattr(world, step[0] if len(step) > 1 else "do")(*(step[1:] if len(step) > 1 else step))
        world.check()
        for _ in range(3):
            world.do("pause")
            world.db.finish(world.now)
        world.check()
        world.do("reopen")
        world.check()
        world.db.close()
