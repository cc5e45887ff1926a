"""Rules over history: transitions that can be worked out by hand, and the short way against the long way."""

from __future__ import annotations

import pytest
from backtest_kit import MINUTE, happened, play, rule_file, told
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.promql import parse
from hypercare.promql.testing import SeriesSource
from hypercare.rehearse.backtest import Backtest
from hypercare.rehearse.needs import Placed, needs_of, order
from hypercare.rules.spec import Surroundings, from_files

HEAD = "groups:\n  - name: g\n    interval: 1m\n    rules:\n"
# The group ticks at its own place within each minute: at `PHASE` behind the full minute.
PHASE = from_files([rule_file(HEAD + "      - {record: a, expr: '1'}\n")], MINUTE)[0].phase
TICK = PHASE / MINUTE


def test_pending_firing_kept_and_resolved_at_the_minutes_that_hand_work_gives():
    """Above from minute 3 to 9 (samples at full minutes): seen by the tick behind each of them."""
    rules = HEAD + "      - {alert: High, expr: load > 5, for: 3m, keep_firing_for: 2m, labels: {severity: page}}\n"
    _, played, _ = play(rules, "load 1 1 1 9 9 9 9 9 9 9 1x20")
    assert happened(played) == [
        (3 + TICK, "High", "pending"),
        (6 + TICK, "High", "fired"),
        (10 + TICK, "High", "kept firing, or no longer"),
        (12 + TICK, "High", "resolved"),
    ]
    assert [len(alerts) for _, alerts in played.news] == [1, 1]
    assert played.news[1][1][0].ends_at == played.news[1][0]


def test_a_short_peak_is_only_pending():
    test, played, _ = play(HEAD + "      - {alert: High, expr: load > 5, for: 3m}\n", "load 1 9 9 1x20 9x30")
    assert happened(played) == [
        (1 + TICK, "High", "pending"),
        (3 + TICK, "High", "no longer pending"),
        (24 + TICK, "High", "pending"),
        (27 + TICK, "High", "fired"),
        # The series ends at minute 54; five minutes later its last sample is too old.
        (59 + TICK, "High", "resolved"),
    ]
    (story,) = told(test, played, 0, 60 * MINUTE)
    assert (story.fired, story.only_pending, story.instances, story.flaps) == (1, 1, 1, 0)
    assert story.total == story.longest == 32 * MINUTE


def test_recordings_of_the_file_feed_the_rules_behind_them():
    rules = (
        HEAD
        + "      - {record: 'job:load:sum', expr: sum by (job) (load)}\n"
        + "      - {alert: High, expr: 'job:load:sum > 5'}\n"
        + "      - {alert: Any, expr: 'ALERTS{alertname=\"High\"}'}\n"
    )
    # What another run recorded is in the history too, and must not count.
    series = ['load{job="a",i="1"} 1 1 3 3 1 1', 'load{job="a",i="2"} 1 1 3 3 1 1', 'job:load:sum{job="a"} 99x60']
    _, played, past = play(rules, *series)
    assert happened(played) == [
        (2 + TICK, "High", "fired"),
        (2 + TICK, "Any", "fired"),
        (4 + TICK, "High", "resolved"),
        (4 + TICK, "Any", "resolved"),
    ]
    assert played.recorded[0] == (Labels.of(__name__="job:load:sum", job="a"),)
    assert {c.selector: c.samples for c in past.coverage}["job:load:sum"] == 0


def test_a_staleness_marker_ends_an_alert_at_once():
    _, played, _ = play(HEAD + "      - {alert: High, expr: load > 5}\n", "load 9 9 9 stale")
    assert happened(played) == [(TICK, "High", "fired"), (3 + TICK, "High", "resolved")]


def test_failed_evaluations_leave_alerts_as_they_are_and_are_counted():
    rules = HEAD + "      - {alert: Odd, expr: a + on (x) b > 0}\n"
    series = ['a{x="1"} 1x10', 'b{x="1",y="1"} 1x10', 'b{x="1",y="2"} _ _ _ 1 1 stale']
    _, played, _ = play(rules, *series, minutes=8)
    assert happened(played) == [(TICK, "Odd", "fired")]
    (failed,) = played.failures.values()
    assert failed.count == 2
    assert failed.first[0] == 3 * MINUTE + PHASE
    assert "many-to-many" in failed.first[1]


def test_flapping_is_counted():
    test, played, _ = play(HEAD + "      - {alert: High, expr: load > 5}\n", "load 9 1 9 1 9 1x25 9 1x30")
    (story,) = told(test, played, 0, 60 * MINUTE)
    assert (story.fired, story.flaps) == (4, 2)


@pytest.mark.parametrize(
    ("expr", "back", "at", "current"),
    [
        ("up", 5, None, True),
        ("rate(x[10m])", 15, None, False),
        ("x offset 1h", 65, None, True),
        ("max_over_time(rate(x[5m])[1h:1m] offset 10m)", 5 + 5 + 60 + 10 + 1, None, False),
        ("x @ 60", 5, 60_000, True),
        ("x offset -1h", 5, None, True),
    ],
)
def test_how_far_back_an_expression_reads(expr, back, at, current):
    (need,) = needs_of(parse(expr))
    assert (need.back, need.at, need.current) == (back * MINUTE, at, current)


def stages(text):
    test = Backtest(from_files([rule_file(text)], MINUTE), Surroundings())
    placed = [
        Placed(r, s, n)
        for n, (r, s) in enumerate((r, s) for s, g in zip(test._specs, test._groups, strict=True) for r in g.rules)
    ]
    return [([p.number for p in part], slow) for part, slow in order(placed)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            ["{record: a, expr: x}", "{record: b, expr: a}", "{alert: C, expr: b > 1}"],
            [([0], False), ([1], False), ([2], False)],
        ),
        # The second reads what the third wrote a tick before.
        (
            ["{record: a, expr: x}", "{record: b, expr: c}", "{record: c, expr: x}"],
            [([0], False), ([1, 2], True)],
        ),
        # Itself a tick before.
        (["{record: a, expr: a + x or x}", "{record: b, expr: a}"], [([0], True), ([1], False)]),
        # In a circle.
        (["{record: a, expr: b}", "{record: b, expr: a or x}", "{record: c, expr: x}"], [([2], False), ([0, 1], True)]),
        (["{record: a, expr: x offset -5m}", "{record: b, expr: x @ end()}"], [([0, 1], True)]),
        (
            ['{alert: A, expr: x, annotations: {a: \'{{ query "y{z=\\"\\"}" }}\'}}', "{record: b, expr: x}"],
            [([1], False), ([0], True)],
        ),
        (
            ["{alert: A, expr: x, annotations: {a: '{{ query `b` }}'}}", "{record: b, expr: x}"],
            [([0, 1], True)],
        ),
        (
            ["{alert: A, expr: x, annotations: {a: '{{ query (print 1) }}'}}", "{record: b, expr: x}"],
            [([0, 1], True)],
        ),
    ],
)
def test_what_may_run_at_a_stretch(rules, expected):
    assert stages(HEAD + "".join(f"      - {rule}\n" for rule in rules)) == expected


# -- the short way is the long way -----------------------------------------------------------------------------

RULES = [
    "{record: r1, expr: 'sum by (job) (rate(hits[5m]))'}",
    "{record: r2, expr: r1 * 2, labels: {extra: 'yes'}}",
    "{record: r3, expr: load > 4}",
    "{record: r4, expr: hits / on (job) group_left load}",
    "{record: r5, expr: r5 + 1 or vector(0)}",
    "{record: r6, expr: 'count_over_time(r3[10m])'}",
    '{record: r7, expr: \'label_replace(load, "i", "", "", "")\'}',
    "{alert: A1, expr: r1 > 0.05, for: 2m, labels: {v: '{{ $value | printf \"%.1f\" }}'}}",
    "{alert: A2, expr: load > 4, for: 1m, keep_firing_for: 3m, annotations: {s: '{{ $labels.i }} {{ $value }}'}}",
    "{alert: A3, expr: absent(load)}",
    '{alert: A4, expr: \'ALERTS{alertname="A2",alertstate="firing"} unless on () vector(0) > 1\', for: 2m}',
    "{alert: A5, expr: 'max_over_time(load[7m:2m]) > 5 or r2 > 1'}",
    "{alert: A6, expr: 'load * on (job) group_left hits > 5'}",
    "{alert: A7, expr: r7 > 3, for: 1m}",
    "{alert: A8, expr: load offset -2m > 4}",
    "{alert: A9, expr: 'deriv(hits[6m]) > 1 and on (job) (changes(load[5m]) > 2)', annotations: {n: '{{ with query \"r1\" }}{{ len . }}{{ end }}'}}",
    "{alert: B1, expr: 'topk(1, load) > 3'}",
    "{alert: B2, expr: 'quantile_over_time(0.5, load[4m]) > stddev_over_time(load[9m])'}",
    "{alert: B3, expr: 'minute() % 7 == 3'}",
]
CELLS = st.lists(st.sampled_from(["0", "1", "3", "5", "6", "9", "_", "_", "stale", "NaN"]), min_size=5, max_size=40)


@settings(max_examples=40)
@example(
    chosen=[RULES[0], RULES[13], RULES[6]],
    split=0,
    intervals=("30s", "1m"),
    cells=[["0"] * 5, ["0", "0", "0", "0", "0", "5"], ["0"] * 5, ["0"] * 5],
)
@given(
    chosen=st.lists(st.sampled_from(RULES), min_size=1, max_size=7, unique=True),
    split=st.integers(0, 7),
    intervals=st.tuples(st.sampled_from(["30s", "1m", "2m"]), st.sampled_from(["1m", "90s"])),
    cells=st.lists(CELLS, min_size=4, max_size=4),
)
def test_at_a_stretch_and_instant_by_instant_are_equal(chosen, split, intervals, cells):
    parts = [part for part in (chosen[:split], chosen[split:]) if part]
    text = "groups:\n"
    for name, interval, part in zip(("one", "two"), intervals, parts, strict=False):
        rules = "".join(f"      - {rule}\n" for rule in part)
        text += f"  - name: {name}\n    interval: {interval}\n    rules:\n{rules}"
    names = ['load{job="a",i="1"}', 'load{job="a",i="2"}', 'hits{job="a",i="1"}', 'hits{job="b",i="1"}']
    series = [f"{name} {' '.join(values)}" for name, values in zip(names, cells, strict=True)]
    fast, slow = (play(text, *series, minutes=45, exact=exact)[1] for exact in (False, True))

    def key(step):
        return step.at, step.rule.spec.key, step.alert.labels.pairs, step.change.value

    def facts(played):
        return [(*key(s), repr(s.alert.value), s.alert.annotations.pairs) for s in sorted(played.steps, key=key)]

    assert facts(fast) == facts(slow)
    assert [at for at, _ in fast.news] == [at for at, _ in slow.news]
    assert {n: (f.count, f.first) for n, f in fast.failures.items()} == {
        n: (f.count, f.first) for n, f in slow.failures.items()
    }
    assert {n: set(s) for n, s in fast.recorded.items() if s} == {n: set(s) for n, s in slow.recorded.items() if s}


def test_spans_longer_than_a_stretch_are_seamless():
    """2,000 ticks are evaluated at once: 3 days at a minute are several."""
    rules = HEAD + "      - {record: r, expr: 'rate(hits[5m])'}\n      - {alert: A, expr: r > 0.5, for: 5m}\n"
    source = SeriesSource()
    # Faster in the 40 minutes around each stretch's edge.
    value, samples = 0, []
    for minute in range(4500):
        value += 60 if minute % 2000 > 1980 or minute % 2000 < 20 else 6
        samples.append((minute * MINUTE, float(value)))
    source.put(Labels.of(__name__="hits"), samples)
    both = [happened(play(rules, source=source, minutes=4490, exact=exact)[1]) for exact in (False, True)]
    assert both[0] == both[1]
    assert [what for _, _, what in both[0]].count("fired") == 3
