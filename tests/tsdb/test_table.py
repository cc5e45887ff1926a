"""Finding series by matchers, in every shape that has a way of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp, matches_all
from hypercare.tsdb.table import Table

PATTERNS = (
    "a", "", "a|b", "a|", "(a|b)", "(?:a|bc)", "(a)", "a.*", ".*a", ".*", ".+", "a.+", ".+a", ".*a.*", ".+a.+", ".+a.*",
    ".*a.+", "a.b", "[ab]", "a*", "(a|b)c", "a(b|c)", "(a|b)|c", "\\.", "ab|(c)", "()", "(?i)A", "^a$", "|", "a|.*", "é.*",
)  # fmt: skip
VALUES = ("", "a", "b", "ab", "ba", "aba", "abc", "bc", "c", "ac", "A", ".", "a\nb", "(a", "a)", "|", "é", "aé")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", ["x", "__name__"])
@pytest.mark.parametrize("op", [MatchOp.REGEX, MatchOp.NOT_REGEX])
def test_every_shape_of_pattern_matches_as_re2_does(pattern, name, op):
    table = Table()
    series = [Labels.of({name: value, "n": str(at)}) for at, value in enumerate(VALUES)]
    for at, labels in enumerate(series):
        table.add(at % 3, at, labels)
    matcher = Matcher(name, op, pattern)
    found = sorted(number for _, numbers in table.find(None, (matcher,), 0) for number in numbers.tolist())
    assert found == [at for at, labels in enumerate(series) if matcher.matches(labels)]


MATCHERS = st.builds(
    Matcher,
    st.sampled_from(["__name__", "x", "y"]),
    st.sampled_from(list(MatchOp)),
    st.sampled_from([p for p in PATTERNS if p != "(?i)A"]),
)
SERIES = st.builds(
    lambda name, x, y: Labels.of({"__name__": name, "x": x, "y": y}),
    st.sampled_from(VALUES[1:]),
    st.sampled_from(VALUES),
    st.sampled_from(VALUES[:4]),
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(
        st.one_of(SERIES, SERIES, st.lists(MATCHERS, max_size=3).map(tuple), st.integers(0, 200), st.just("compact")),
        max_size=60,
    )
)
def test_answers_are_those_of_looking_at_each_series(steps):
    table = Table()
    held: dict[tuple[int, int], Labels] = {}
    number = 0
    for step in steps:
        if isinstance(step, Labels):
            held[number % 4, number] = step
            table.add(number % 4, number, step)
            number += 1
        elif isinstance(step, int):
            gone = [key for key in held if key[1] == step]
            for gid, each in gone:
                del held[gid, each]
                table.remove(gid, [each])
        elif step == "compact":
            table = table.compact()
            assert len(table) == len(held)
        else:
            expected = sorted(key for key, labels in held.items() if matches_all(step, labels))
            assert sorted((g, n) for g, numbers in table.find(None, step, 0) for n in numbers.tolist()) == expected
            named = [key for key in expected if held[key].name == "ab"]
            assert sorted((g, n) for g, numbers in table.find("ab", step, 0) for n in numbers.tolist()) == named
