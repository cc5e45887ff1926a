"""Fast ways of reading give what the slow one gives."""

from __future__ import annotations

import math
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.collectors.exposition import DROPPED, ExpositionError, Metadata, ScrapeCache, Series, parse
from hypercare.collectors.exposition.render import format_value, series_text


class Store:
    """Gives every label set a column."""

    def __init__(self, drop=lambda _labels: False):
        self.columns = {}
        self.drop = drop
        self.asked = 0

    def __call__(self, labels):
        self.asked += 1
        return DROPPED if self.drop(labels) else self.columns.setdefault(labels, len(self.columns))


def read(cache, store, body, **options):
    parsed = cache.parse(body, **options)
    names = {column: str(labels) for labels, column in store.columns.items()}
    plain = {names[c]: v for c, v in zip(parsed.columns.tolist(), parsed.values.tolist(), strict=True)}
    return plain, parsed, {names[c] for c in parsed.vanished.tolist()}


def test_what_is_known_is_not_asked_again():
    store = Store()
    cache = ScrapeCache(store)
    for i in range(5):
        plain, parsed, gone = read(cache, store, f'# HELP a x\na 1\nb{{c="d e"}} {i}\n'.encode())
        assert plain == {"a": 1, 'b{c="d e"}': i}
        assert (parsed.scraped, parsed.kept, parsed.added, gone) == (2, 2, 2 if i == 0 else 0, set())
    assert store.asked == 2


def test_equal_layouts_share_their_columns_array():
    store = Store()
    cache = ScrapeCache(store)
    first, second = cache.parse(b"a 1\nb 2\n"), cache.parse(b"a 3\nb 4\n")
    assert first.columns is second.columns
    assert second.values.tolist() == [3, 4]


CHANGES = [
    (b"a 1\nb 2\n", b"a 1\nb 2\nc 3\n", {"a": 1, "b": 2, "c": 3}, set(), 1),
    (b"a 1\nb 2\n", b"b 2\n", {"b": 2}, {"a"}, 0),
    (b"a 1\nb 2\n", b"b 5\na 6\n", {"a": 6, "b": 5}, set(), 0),
    (b"a 1\nb 2\n", b"a 1\nc 2\n", {"a": 1, "c": 2}, {"b"}, 1),
    (b"# TYPE a gauge\na 1\n", b"# TYPE a counter\na 2\n", {"a": 2}, set(), 0),
    (b"a 1\n", b"", {}, {"a"}, 0),
    (b"", b"a 1\n", {"a": 1}, set(), 1),
    (b"a 1\n", b"a 1\n\n", {"a": 1}, set(), 0),
    (b"a 1\n", b"a  1\n", {"a": 1}, set(), 0),
    (b"a 1\n", b"a 1", {"a": 1}, set(), 0),
    (b"a 1\n", b"a\t1\n", {"a": 1}, set(), 0),
    (b"a 1\n", b"a 1 \n", {"a": 1}, set(), 0),
    (b"a 1\nab 2\n", b"ab 1\na 2\n", {"ab": 1, "a": 2}, set(), 0),
    (b"a 1\n", b"a NaN\n", {"a": "NaN"}, set(), 0),
    (b"a 1\n", b"a +Inf\n", {"a": math.inf}, set(), 0),
    (b"a 1\n", b"a 1e-3\n", {"a": 0.001}, set(), 0),
]


@pytest.mark.parametrize(("first", "second", "expected", "vanished", "added"), CHANGES)
def test_a_body_that_changes(first, second, expected, vanished, added):
    store = Store()
    cache = ScrapeCache(store)
    cache.parse(first)
    plain, parsed, gone = read(cache, store, second)
    plain = {k: "NaN" if math.isnan(v) else v for k, v in plain.items()}
    assert (plain, gone, parsed.added) == (expected, vanished, added)


BROKEN = [b"a 1_0\n", b"a 1\r\n", b"a x\n", b"a\n", b"a \n", b"a 0x10\n", b"a 1 2 3\n", b"a 1 x\n", b"# TYPE a what\na 1\n",
          "a \u0661\n".encode(), b"a 1 # {} 1\n", b"nan\n", b"a{ 1\n", b'a{""="x"} 1\n', b'a{"\0"="+x"} 1\n']  # fmt: skip


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("warm", [False, True])
def test_a_body_that_breaks_leaves_the_cache_as_it_was(body, warm):
    store = Store()
    cache = ScrapeCache(store)
    if warm:
        cache.parse(b"a 1\n")
    with pytest.raises(ExpositionError, match="line 1"):
        cache.parse(body)
    _, parsed, gone = read(cache, store, b"a 2\n")
    assert (parsed.values.tolist(), parsed.added, gone) == ([2], 0 if warm else 1, set())


def test_a_failure_marks_what_lived_and_only_once():
    store = Store()
    cache = ScrapeCache(store)
    cache.parse(b"a 1\nb 2 1000\n")
    assert cache.failed().tolist() == [store.columns[next(iter(store.columns))]]
    assert cache.failed().tolist() == []
    parsed = cache.parse(b"a 1\nb 2 1000\n")
    assert (parsed.added, parsed.vanished.tolist()) == (0, [])


def test_dropped_series_count_as_scraped_only():
    store = Store(drop=lambda labels: labels.name == "b")
    cache = ScrapeCache(store)
    for _ in range(3):
        plain, parsed, _ = read(cache, store, b"a 1\nb 2\nc 3\n")
        assert plain == {"a": 1, "c": 3}
        assert (parsed.scraped, parsed.kept) == (3, 2)
    assert store.asked == 3


def test_timestamps_make_rows_of_their_own():
    store = Store()
    cache = ScrapeCache(store)
    for i in range(3):
        plain, parsed, _ = read(cache, store, f"a 1 {2000 + i}\nb 2\nc 3 {1000 + i}\n".encode())
        assert plain == {"b": 2}
        column = {labels.name: c for labels, c in store.columns.items()}
        assert parsed.timed == ((1000 + i, column["c"], 3.0), (2000 + i, column["a"], 1.0))
    assert store.asked == 3


def test_openmetrics_needs_its_end_also_when_all_lines_are_known():
    store = Store()
    cache = ScrapeCache(store)
    cache.parse(b"a 1\n# EOF\n", openmetrics=True)
    for body in (b"a 1\n", b"a 1\n# EOF\na 1\n", b"# EOF\na 1\n", b"a 1\n# EOF\n# EOF\n", b""):
        with pytest.raises(ExpositionError):
            cache.parse(body, openmetrics=True)


@pytest.mark.parametrize("line", [b"a 1\t", b"a 1 \t", b"a 1 7\t", b"a\t1", b"\ta 1", b"a 1  7"])
def test_odd_blanks_are_read_at_every_scrape(line):
    cache = ScrapeCache(Store())
    for _ in range(3):
        parsed = cache.parse(line + b"\nb 2\n")
        assert (parsed.scraped, parsed.values[-1]) == (2, 2.0)


def test_exemplars_are_read_over():
    store = Store()
    cache = ScrapeCache(store)
    for i in range(3):
        body = f'a_total{{x=" # {{"}} {i} # {{id="{i}"}} 0.5 17.5\nb 1\n# EOF\n'.encode()
        plain, _, _ = read(cache, store, body, openmetrics=True)
        assert plain == {'a_total{x=" # {"}': i, "b": 1}
    assert store.asked == 2


def test_metadata():
    cache = ScrapeCache(Store())
    cache.parse(b"# HELP a first\\nsecond\n# TYPE a counter\na 1\n# HELP b other\n")
    first = cache.metadata
    assert first == {"a": Metadata("a", "counter", "first\nsecond"), "b": Metadata("b", help="other")}
    cache.parse(b"# HELP a first\\nsecond\n# TYPE a counter\na 2\n# HELP b other\n")
    assert cache.metadata is first
    cache.parse(b"# TYPE a gauge\na 2\n")
    assert cache.metadata == {"a": Metadata("a", "gauge")}


def test_lines_that_no_longer_come_are_forgotten():
    cache = ScrapeCache(Store())
    for i in range(50):
        cache.parse(b"".join(b'a{pod="%d-%d"} 1\n' % (i, j) for j in range(100)))
    assert len(cache.known) < 400


def test_bucket_bounds_are_written_in_one_way():
    body = b'# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\n# TYPE g gauge\ng{le="1"} 3\n'
    assert [e.labels.get("le") for e in parse(body, openmetrics=False) if isinstance(e, Series)] == ["1.0", "+Inf", "1"]


names = st.text(string.ascii_lowercase + "_:", min_size=1, max_size=4).filter(lambda n: n != "nan")
values = st.one_of(st.floats(), st.integers(-(10**6), 10**6).map(float))
label_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
series = st.tuples(
    names, st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=3), label_values, max_size=2)
)
bodies = st.lists(
    st.dictionaries(series.map(lambda s: (s[0], tuple(sorted(s[1].items())))), values, max_size=8), max_size=6
)


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


@settings(deadline=None, max_examples=150)
@given(bodies, st.booleans())
def test_any_sequence_of_bodies_reads_as_it_was_written(sequence, openmetrics):
    store = Store()
    cache = ScrapeCache(store)
    before: set[str] = set()
    for content in sequence:
        lines = [f"{series_text(name, pairs)} {format_value(value)}" for (name, pairs), value in content.items()]
        body = "\n".join([*lines, "# EOF", ""] if openmetrics else [*lines, ""]).encode()
        plain, parsed, gone = read(cache, store, body, openmetrics=openmetrics)
        full = {str(e.labels): e.value for e in parse(body, openmetrics=openmetrics) if isinstance(e, Series)}
        assert same(plain, full)
        assert same(dict(enumerate(plain.values())), dict(enumerate(content.values())))
        assert gone == before - plain.keys()
        assert parsed.scraped == len(content)
        before = set(plain)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_break_the_parser(body, openmetrics):
    cache = ScrapeCache(Store())
    for _ in range(2):
        outcomes = []
        for run in (
            lambda: cache.parse(body, openmetrics=openmetrics),
            lambda: list(parse(body, openmetrics=openmetrics)),
        ):
            try:
                run()
                outcomes.append(True)
            except ExpositionError:
                outcomes.append(False)
        assert outcomes[0] == outcomes[1]
