import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.model.matchers import compile_anchored
from hypercare.model.relabel import RelabelAction, Relabeler, RelabelRule, apply, expand

LABELS = st.dictionaries(st.sampled_from(["a", "b", "__name__", "c_d"]), st.text(max_size=6)).map(Labels.of)
RULES = st.builds(
    RelabelRule,
    action=st.sampled_from(RelabelAction),
    source_labels=st.lists(st.sampled_from(["a", "b", "x"]), max_size=2).map(tuple),
    regex=st.sampled_from(["(.*)", "a(.)", "", "[a-m]+", "__(.+)"]),
    modulus=st.integers(1, 9),
    target_label=st.sampled_from(["a", "t", "${1}", "x_$1"]),
    replacement=st.sampled_from(["$1", "", "k-${1}-$9"]),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1", "one"),
        ("${1}2", "one2"),
        ("$12", ""),
        ("$1x", ""),
        ("$name-$0", "two-one two"),
        ("${missing}", ""),
        ("$$1", "$1"),
        ("$", "$"),
        ("${", "${"),
        ("a$-b", "a$-b"),
        ("plain", "plain"),
    ],
)
def test_expansion_follows_go(text, expected):
    pattern = r"(\w+) (?P<name>\w+)"
    assert expand(text, pattern, compile_anchored(pattern).search("one two")) == expected


def test_hashmod_splits_without_loss():
    parts = [
        [
            n
            for n in range(200)
            if apply(
                (
                    RelabelRule(RelabelAction.HASHMOD, ("a",), modulus=3, target_label="__h"),
                    RelabelRule(RelabelAction.KEEP, ("__h",), regex=str(part)),
                ),
                {"a": str(n)},
            )
        ]
        for part in range(3)
    ]
    assert sorted(n for part in parts for n in part) == list(range(200))
    assert all(len(part) > 40 for part in parts)


def test_a_bad_regex_is_refused():
    with pytest.raises(ValueError, match="regular expression"):
        RelabelRule(regex="a(")


def test_no_rules_change_nothing():
    labels = Labels.of(a="1")
    assert apply((), labels) is labels
    assert Relabeler(())(labels) is labels


@given(st.lists(RULES, max_size=4), LABELS)
def test_the_memo_gives_what_the_rules_give(rules, labels):
    memo = Relabeler(rules, limit=2)
    expected = apply(rules, labels)
    assert memo(labels) == expected
    for other in ("1", "2", "3"):
        memo(labels.with_({"other": other}))
    assert memo(labels) == expected
    assert apply(rules, labels.as_dict()) == expected
