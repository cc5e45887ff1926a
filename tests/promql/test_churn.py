"""What is remembered from tick to tick makes no difference, whatever comes and goes in between."""

from __future__ import annotations

import re
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model import bundle
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.promql import Engine, EvaluationError, Tick, Together, together
from hypercare.promql.limits import Limits
from hypercare.tsdb import Options, Tsdb
from one_by_one_kit import OneByOne

STEP = 30_000
TARGETS = 5
SERIES = [("m", "1"), ("m", "2"), ("b", "0.1"), ("b", "1"), ("b", "+Inf"), ("n", "1")]
EXPRESSIONS = [
    "m",
    "m > 20 and n > 1",
    "m / on (target) group_left n",
    "n offset 1m == 0",
    "sum by (target) (rate(m[2m]))",
    "sum without (le) (increase(m[5m]))",
    "changes(n[3m]) > 0",
    "deriv(n[5m])",
    "predict_linear(m[3m], 60)",
    "histogram_quantile(0.9, sum by (target, le) (rate(b[2m])))",
    "histogram_quantile(0.5, sum by (le) (rate(b[2m])))",
    "count by (target) (m) * 2 - 1",
    'rate(m{target="2"}[2m])',
    "absent(m) or vector(1)",
    "rate(n[2m])",
    'sum(rate(m{kind="1"}[2m]))',
    "rate(n[2m] offset 1m) + rate(m[2m] offset 1m)",
]
OPTIONS = Options(seal_rows=6, keep_rows=8, block_span=10**9, out_of_order_window=10**6, fsync=False)
# Short, so that what is new is soon all that there is.
LIMITS = Limits(lookback=60_000)
PLACE = re.compile(r" \(\d+:\d+\)$")
target = st.integers(0, TARGETS - 1)
columns = st.sets(st.integers(0, len(SERIES) - 1))
events = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 4), columns),
    st.tuples(st.just("pass"), st.integers(1, 12), st.just(set())),
    st.tuples(st.just("down"), target, columns),
    st.tuples(st.just("up"), target, columns),
    st.tuples(st.just("hide"), target, columns),
    st.tuples(st.just("reset"), target, columns),
    st.tuples(st.just("delete"), target, columns),
    st.tuples(st.just("grow"), target, columns),
)


class Platform:
    """Targets that are scraped, go away, come again, and get other series."""

    def __init__(self):
        self.store = Tsdb.open(None, OPTIONS)
        self.now = 10**8
        self.chance = np.random.default_rng(3)
        self.groups = [self.store.group(f"g{n}") for n in range(TARGETS)]
        self.series = [list(SERIES) for _ in range(TARGETS)]
        self.values = [dict.fromkeys(SERIES, 0.0) for _ in range(TARGETS)]
        self.hidden = [set() for _ in range(TARGETS)]
        self.up = [True] * TARGETS
        self.written = [set() for _ in range(TARGETS)]

    def column(self, n, name, kind):
        labels = {"__name__": name, "target": str(n), "le" if name == "b" else "kind": kind}
        return self.groups[n].column(Labels(labels.items()))

    def scrape(self):
        self.now += STEP
        for n in range(TARGETS):
            shown = [s for s in self.series[n] if self.up[n] and s not in self.hidden[n]]
            for each in shown:
                self.values[n][each] = self.values[n].get(each, 0.0) + float(self.chance.integers(0, 9))
            numbers = [self.column(n, *each) for each in shown]
            gone = self.written[n] - set(numbers)
            self.written[n] = set(numbers)
            if numbers or gone:
                row = [self.values[n][each] for each in shown]
                self.store.append(self.groups[n], self.now + 500 * n, numbers, row, stale=sorted(gone))

    def happen(self, what, n, chosen):
        some = [self.series[n % TARGETS][i] for i in sorted(chosen)]
        if what == "pass":
            for _ in range(n):
                self.scrape()
        elif what in {"up", "down"}:
            self.up[n] = what == "up"
        elif what == "hide":
            self.hidden[n] = set(some)
        elif what == "reset":
            self.values[n].update(dict.fromkeys(some, 0.0))
        elif what == "grow":
            self.series[n].append(("m", f"new{len(self.series[n])}"))
        else:
            about = (Matcher("target", MatchOp.EQUAL, str(n)), Matcher("__name__", MatchOp.REGEX, "m|b"))
            self.store.delete(about, self.now - 4 * STEP, self.now - 2 * STEP)


def told(engine, source, expr, at, tick):
    try:
        found = engine.instant(source, expr, at, tick)
    except EvaluationError as error:
        return str(error)
    # What two expressions share is told with the place that it has in the first one.
    return found.labels, found.values.tobytes(), [PLACE.sub("", text) for text in (*found.warnings, *found.infos)]


def compare(found):
    platform, engine, asked = Platform(), Engine(LIMITS), Together()
    platform.happen("pass", 9, set())
    for event in [*found, ("pass", 6, set())]:
        platform.happen(*event)
        platform.happen("pass", 1, set())
        at = platform.now + 20_000
        view = platform.store.snapshot()
        ticks, fresh = (Tick(), Tick(together=asked)), Engine(LIMITS)
        for expr in EXPRESSIONS:
            expected = told(fresh, OneByOne(view), expr, at, None)
            for tick in ticks:
                assert told(engine, view, expr, at, tick) == expected, expr


@settings(max_examples=25)
@given(st.lists(events, min_size=1, max_size=8))
def test_a_tick_of_an_old_engine_says_what_a_new_one_says(found):
    with patch.object(bundle, "_DEEP", 2):
        compare(found)


def test_rates_that_are_asked_for_tick_after_tick_are_computed_at_once():
    platform, engine, asked = Platform(), Engine(LIMITS), Together()
    platform.happen("pass", 9, set())
    rates = ["rate(m[2m])", "rate(n[2m])", "rate(b[2m])"]

    def ticks(number, exprs):
        with patch.object(together, "_computed", wraps=together._computed) as computed:  # what is saved shows nowhere
            for _ in range(number):
                platform.happen("pass", 1, set())
                view, tick = platform.store.snapshot(), Tick(together=asked)
                for expr in exprs:
                    engine.instant(view, expr, platform.now, tick)
        return computed.call_count

    assert ticks(2, rates) == 0
    assert ticks(3, rates) == 3
    # What is not asked for any more is computed once more, until that is known.
    assert ticks(2, rates[:1]) == 2
    assert ticks(5, rates[:1]) == 0
