import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.config.source import Document, Plain, read_yaml, settle
from hypercare.model.errors import InputError


def read(text: str) -> Document:
    return read_yaml(text.encode(), "f.yml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("0x1F", 31), ("1_000", 1000), ("010", 10), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5),
        ("true", True), ("False", False), ("yes", "yes"), ("1.2.3", "1.2.3"), (".inf", float("inf")), ("5m", "5m"),
    ],
)  # fmt: skip
def test_a_plain_scalar_means_what_is_wanted_of_it(text, value):
    found = read(f"a: {text}\n").root.data()["a"]
    assert found == text
    assert settle(found) == value


@pytest.mark.parametrize("text", ["", "~", "null", "Null"])
def test_nulls(text):
    assert read(f"a: {text}\n").root.data() == {"a": None}


def test_quoted_scalars_are_texts():
    data = read("a: '12'\nb: \"null\"\nc: !!str 5\nd: !!int '7'\n").root.data()
    assert settle(data) == {"a": "12", "b": "null", "c": "5", "d": 7}
    assert not isinstance(data["a"], Plain)


def test_merge_keys_fill_what_is_missing_and_keep_their_places():
    document = read("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nhere:\n  <<: [*b, *o]\n  x: 9\n")
    assert document.root.data()["here"] == {"x": "9", "y": "2", "z": "4"}
    assert document.find(("here", "x")) == (5, 6)
    assert document.find(("here", "y"), key=True) == (1, 17)


def test_a_path_that_leads_nowhere_stops_where_it_last_led():
    document = read("a:\n  - b: 1\n    c: 2\n")
    assert document.find(("a", 0, "c")) == (3, 8)
    assert document.find(("a", "tuple", 0, "missing")) == (2, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "place"),
    [
        ("e: sum(a)\n", 1, 5, (1, 8)),
        ("e: 'a''b c'\n", 1, 5, (1, 10)),
        ('e: "a\\"b c"\n', 1, 5, (1, 10)),
        ('e: "\\u0041 b"\n', 1, 3, (1, 12)),
        ("e: |\n  one\n\n    two\n", 3, 3, (4, 5)),
        ("e: >-\n  one\n  two\n  three\n", 1, 9, (4, 3)),
        ("e: >-\n  one\n  two\n  three\n", 1, 5, (3, 3)),
        ("e: one\n  two\n", 1, 5, (2, 3)),
    ],
)
def test_places_inside_scalars(text, line, column, place):
    document = read(text)
    assert document.inside(document.root.items["e"], line, column) == place


@given(st.text(alphabet="ab \n'\"\\|>", max_size=30), st.integers(0, 40), st.integers(0, 40))
def test_places_inside_scalars_stay_inside_the_text(value, line, column):
    import yaml

    text = yaml.safe_dump({"e": value})
    document = read(text)
    found = document.inside(document.root.items["e"], line, column)
    assert found[0] <= text.count("\n") + 1
    assert found[1] >= 1


@given(
    st.recursive(
        st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_what_pyyaml_writes_is_read_back(value):
    import yaml

    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    assert read_yaml(text.encode("utf-8", "surrogatepass"), "f.yml").root.data() == value


def test_further_documents_are_noticed():
    assert read("a: 1\n---\nb: 2\n").later == ((2, 1),)
    assert read("").root.data() is None


def test_a_small_alias_many_times_is_fine():
    text = "a: &a [1, 2]\nb: [" + ", ".join(["*a"] * 1000) + "]\n"
    assert len(read(text).root.data()["b"]) == 1000


def test_a_key_twice_by_two_ways_of_writing():
    with pytest.raises(InputError) as caught:
        read("a: 1\n'a': 2\n")
    assert caught.value.problems[0].line == 2
