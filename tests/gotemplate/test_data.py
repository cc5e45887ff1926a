"""What templates are given, and the webhook's form of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hypercare.gotemplate import build_data
from hypercare.gotemplate.data import fingerprint, fingerprints
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels

NOW = 1_750_000_000_000
# Characters that JSON or Go's escaping of HTML treats apart, and halves of pairs that are no characters.
TEXTS = st.text(st.sampled_from('aZ09<>&\\"/\n\x00\x7fé\u2028\u2029😀\ud800\udc00'), max_size=6)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=4).map(Labels.of)
ALERTS = st.builds(
    Alert, LABELS, LABELS, st.integers(0, 2 * NOW), st.none() | st.integers(0, 2 * NOW), generator_url=TEXTS
)


@given(st.lists(ALERTS, max_size=4), LABELS, TEXTS)
@example([], Labels(), "")
def test_the_object_is_what_the_text_says(alerts, group, url):
    data = build_data("team", alerts, NOW, group_labels=group.as_dict(), external_url=url)
    told = data.as_object()
    said = json.loads(data.as_json())
    assert told == said
    # Whoever writes it without sorting writes the same, too.
    assert json.dumps(told) == json.dumps(said)


@given(st.lists(LABELS, max_size=60))
@example([Labels()] * 30)
@example([Labels.of(a="x" * n) for n in range(40)])
def test_fingerprints_of_many_are_those_of_each(sets):
    assert fingerprints([s.pairs for s in sets]) == [fingerprint(s.pairs) for s in sets]


@pytest.mark.parametrize("times", [1, 23, 24, 100])
def test_fingerprints_are_hashes_by_the_book(times):
    pairs = (("alertname", "Load"), ("group", "1"))
    value = 0xCBF29CE484222325
    for byte in b"alertname\xffLoad\xffgroup\xff1\xff":
        value = (value ^ byte) * 0x100000001B3 % 2**64
    assert fingerprints([pairs] * times) == [f"{value:016x}"] * times
