"""The parser: round trips, precedence, messages with their place, and nothing but PromqlError on any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.promql import PromqlError, parse, selectors

CANONICAL = [
    "1",
    "-1",
    "+Inf",
    "Inf ^ 0",
    "NaN",
    "1e+21",
    "5m",
    '"text"',
    "up",
    'up{job="api"}',
    'up{job=~"a|b",x!="y",z!~"q"}',
    '{"metric.with.dots"}',
    '{"metric.with.dots","label.with.dots"="x"}',
    "up offset 5m",
    "up offset -5m",
    "up @ 1.500 offset 5m",
    "up @ start()",
    "rate(x[5m])",
    "rate(x[5m] @ end() offset 1h)",
    "max_over_time(rate(x[5m])[1h:1m])",
    "max_over_time(rate(x[5m])[1h:] @ 10.000 offset 1m)",
    "a + b * c ^ d",
    "(a + b) * c",
    "a == bool b",
    "a + on (x) group_left (y, z) b",
    "a + ignoring (x) b",
    "a and on () b",
    "a unless b or c",
    "a atan2 b",
    "-a ^ b",
    "sum by (a, b) (x)",
    "sum without (a) (x)",
    "topk(5, x)",
    'count_values("v", x)',
    "x[step() + 5m]",
    "x offset -step()",
    "rate(x[5m] anchored)",
    "a + fill (0) b",
    "a + on (x) fill_left (1) fill_right (2) b",
]

RESHAPED = [
    ("sum(x)by(a)", "sum by (a) (x)"),
    ("SUM BY (a) (x)", "sum by (a) (x)"),
    ("1_000", "1000"),
    ("0x1F", "31"),
    ("010", "8"),
    (".5", "0.5"),
    ("1e3", "1000"),
    ("'it''s'" if False else "'a\\'b'", '"a\'b"'),
    ("`raw\\n`", '"raw\\\\n"'),
    ('"\\x41\\u00e9\\303\\251"', '"A\u00e9\u00e9"'),
    ("up # a comment\n + 1", "up + 1"),
    ('{__name__="up"}', '{__name__="up"}'),
    ("rate(x[300])", "rate(x[5m])"),
    ("rate(x[2m*2+60])", "rate(x[5m])"),
    ("x offset (2 * 3)", "x offset 6s"),
    ("- -1", "1"),
    ("sum({a='b',})", 'sum({a="b"})'),
    ("x @ 1h", "x @ 3600.000"),
]

WRONG = [
    ("", "1:1: no expression found in input"),
    (" # only a remark", "1:1: no expression found in input"),
    ("foo bar", '1:5: unexpected identifier "bar" after the expression'),
    ("rate(x)", "1:6: expected type range vector"),
    ("rate(x[5m]", "unexpected end of input in function call"),
    ("sum(1)", "1:5: expected type instant vector in aggregation expression, got scalar"),
    ("nope(x)", '1:1: unknown function with name "nope"'),
    ("{}", "1:1: vector selector must contain at least one non-empty matcher"),
    ('{x=""}', "at least one non-empty matcher"),
    ('{x=~"("}', "1:5: not a valid regular expression"),
    ('a{__name__="b"}', "metric name must not be set twice"),
    ("1 == 1", "comparisons between scalars must use BOOL modifier"),
    ("a + bool b", "1:5: bool modifier can only be used on comparison operators"),
    ("a and 1", 'set operator "and" not allowed in binary scalar expression'),
    ("a + on (x) group_left (x) b", "must not occur in ON and GROUP clause at once"),
    ("a and on (x) group_left () b", "no grouping allowed"),
    ("x[0s]", "1:3: duration must be greater than 0"),
    ("x[5m] offset 1m offset 2m", "offset may not be set multiple times"),
    ("x @ 0 @ 0", "@ may not be set multiple times"),
    ("(x)[5m]", "ranges only allowed for vector selectors"),
    ("1 offset 5m", "offset modifier must be preceded by"),
    ('"abc', "1:1: unterminated quoted string"),
    ('"\\q"', "1:2: unknown escape sequence"),
    ("a\n + ", "2:4: unexpected end of input"),
    ("sum(a,", "1:7: unexpected end of input"),
    ("5mm", "bad number or duration syntax"),
    ("clamp(x)", 'expected 3 argument(s) in call to "clamp", got 1'),
    ("x[5m:1m] anchored", "does not apply to a subquery"),
    ("a $ b", "1:3: unexpected character"),
    ("x[1m/0]", "division by zero"),
    ("x[step() + 1e999]", "1:12: duration out of range"),
    ("x[1e999]", "1:3: duration out of range"),
]


@pytest.mark.parametrize("text", CANONICAL)
def test_prints_as_written(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(("text", "printed"), RESHAPED)
def test_prints_canonically(text, printed):
    expr = parse(text)
    assert str(expr) == printed
    assert parse(printed) == expr


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_errors_tell_place_and_reason(text, message):
    with pytest.raises(PromqlError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.line >= 1
    assert caught.value.column >= 1


def test_caret_picture():
    text = "up +\n\tsum(1)"
    with pytest.raises(PromqlError) as caught:
        parse(text)
    assert caught.value.render(text).splitlines()[1:] == ["    \tsum(1)", "    \t    ^"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 5000 + "1",
        "1+" * 5000 + "1",
        "x[" + "(" * 5000,
        "x[step()" + "+1" * 900 + "]",
    ],
)
def test_deep_input_is_refused(text):
    with pytest.raises(PromqlError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("a or b and c", "(a or (b and c))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
    ],
)
def test_precedence(text, tree):
    def shown(expr):
        return f"({shown(expr.lhs)} {expr.op} {shown(expr.rhs)})" if hasattr(expr, "lhs") else str(expr)

    assert shown(parse(text)) == tree


def test_selectors_in_reading_order():
    found = selectors(parse('sum(rate(a[5m])) / on () b{x="1"} > scalar(c)'))
    assert [selector.name for selector in found] == ["a", "b", "c"]


PIECES = st.sampled_from(
    ["sum", "by", "(", ")", "rate", "x", "[5m]", "[1h:5m]", "{", "}", 'a="b"', ",", "+", "-", "^", "==", "bool", "and",
     "on", "group_left", "offset", "@", "5m", "1.5", "start()", "topk", '"s"', "ignoring", "unless", "[", "]", ":", "step()",
     "label_replace", "Inf", "\\", "'", "`", "#", "\n", "fill", "é", "\ud800"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join)))
def test_any_text_is_parsed_or_refused(text):
    try:
        expr = parse(text)
    except PromqlError as err:
        assert err.render(text)  # noqa: PT017
        return
    assert parse(str(expr)) == expr


LABEL = st.sampled_from(["a", "job", "le", "with.dot", "sum"])


def _quoted(name):
    return f'"{name}"' if "." in name else name


VECTORS = st.deferred(
    lambda: st.one_of(
        st.builds(lambda n, v, o: f"m{{{_quoted(n)}={v!r}}}{o}".replace("'", '"'), LABEL, st.sampled_from(["x", "y z"]), st.sampled_from(["", " offset 5m", " @ 3", " @ end() offset -1h"])),
        st.builds("rate(m[{}])".format, st.sampled_from(["5m", "1h30m", "90"])),
        st.builds("max_over_time(({})[1h:{}])".format, VECTORS, st.sampled_from(["", "5m"])),
        st.builds("{} by ({}) ({})".format, st.sampled_from(["sum", "avg", "count"]), LABEL.map(_quoted), VECTORS),
        st.builds("topk({}, {})".format, st.sampled_from(["3", "scalar(m)"]), VECTORS),
        st.builds("{} {} {}".format, VECTORS, st.sampled_from(["+", "-", "*", "/", "%", "^", "==", "> bool", "and", "or", "unless", "atan2", "* on (a) group_left (b)"]), VECTORS),
        st.builds("({})".format, VECTORS),
        st.builds("-{}".format, VECTORS),
        st.builds("{} {} {}".format, VECTORS, st.sampled_from(["</", ">/", "* ignoring ()", "+ fill (NaN)", "- on (a) fill_left (1) fill_right (-Inf)", "== bool ignoring (a) group_right () fill (0)", "and on ()"]), VECTORS),
        st.builds("rate(m[{}] {})".format, st.sampled_from(["5m * 2", "step()", "min_of(5m, range() / 2)", "-(-1h)", "2 ^ (1 + step())"]), st.sampled_from(["", "anchored", "smoothed offset -step()", "@ 7.5 offset (5m + 30)"])),
        st.builds('{{{},"la.bel"!="x"}}{}'.format, st.sampled_from(['"na.me"', '"on"', '"é\\n"', '"smoothed"']), st.sampled_from(["", " smoothed", " @ -0.001", " offset 2 * step()"])),
        st.builds("({} > {})".format, VECTORS, st.sampled_from(["NaN", "-Inf", "0x1F", "1e-7", "1h30m", "-(1)", "+5"])),
        st.builds("clamp({}, -1, 1e9)".format, VECTORS),
    )
)  # fmt: skip


@given(VECTORS)
def test_printing_and_parsing_are_inverse(text):
    expr = parse(text)
    assert parse(str(expr)) == expr
    assert str(parse(str(expr))) == str(expr)
