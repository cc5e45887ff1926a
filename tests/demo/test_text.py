from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.demo.services.vector import DIMENSIONS, Index, embed
from hypercare.demo.text import MarkovModel, corpus, count_tokens

MODEL = MarkovModel()


@given(st.integers(), st.text(max_size=60))
def test_every_three_words_in_a_row_stand_in_the_seed_or_begin_a_sentence(seed, prompt):
    chance = random.Random(seed)
    pair = MODEL.start(prompt, chance)
    for _ in range(50):
        following = MODEL.step(pair, chance)
        assert following[0] == pair[1] or following[0][0].isupper()
        pair = following


def test_a_prompt_decides_where_the_text_begins():
    for seed in range(20):
        assert any("invoice" in word.lower() for word in MODEL.start("the invoice", random.Random(seed)))


def test_texts_differ_with_chance_and_repeat_with_the_seed():
    texts = {MODEL.text("queue", 30, random.Random(seed)) for seed in range(10)}
    assert len(texts) == 10
    assert MODEL.text("queue", 30, random.Random(3)) in texts


def test_the_corpus_is_the_same_at_every_start():
    documents = corpus(50)
    assert documents == corpus(50)
    assert [number for number, _, _ in documents] == list(range(1, 51))
    assert all(count_tokens(body) >= 40 for _, _, body in documents)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("One two.", 3), ("a, b; c", 3)])
def test_tokens_are_words_and_full_stops(text, tokens):
    assert count_tokens(text) == tokens


@given(st.text())
def test_embeddings_have_length_one_or_zero(text):
    length = float(np.linalg.norm(embed(text)))
    assert length == pytest.approx(1.0, abs=1e-5) or length == 0.0


def test_search_finds_what_comparing_one_by_one_finds():
    documents = corpus(300)
    index = Index(documents)
    for question, k in itertools.product(("vector index", "invoice amount of the order", "?"), (1, 7, 300)):
        wanted = sorted(
            (float(embed(f"{title} {body}") @ embed(question)) for _, title, body in documents), reverse=True
        )
        found = index.nearest(question, k)
        assert [hit["score"] for hit in found] == pytest.approx(wanted[:k], abs=2e-4)
        assert len({hit["id"] for hit in found}) == k


def test_a_document_is_nearest_to_itself():
    documents = corpus(300)
    index = Index(documents)
    for number, title, body in documents[::37]:
        assert index.nearest(f"{title} {body}", 1) == [{"id": number, "title": title, "score": 1.0}]


def test_more_hits_than_documents_are_all_documents():
    assert len(Index(corpus(3)).nearest("x", DIMENSIONS)) == 3
