"""The fuzzers' targets on a few thousand inputs: mutated seeds and odd bytes. ``make fuzz`` runs a million under atheris."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2]))

from fuzz.seeds import SEEDS, seeds
from fuzz.targets import TARGETS

EXAMPLES = {
    "promql": 3000,
    "exposition": 3000,
    "remote_write": 1500,
    "otlp": 700,
    "log_records": 800,
    "pages": 800,
    "store_log": 300,
    "store_block": 600,
    "store_pieces": 600,
}


@st.composite
def mutated(draw, corpus: list[bytes]) -> bytes:
    """A seed with bytes replaced, cut out, doubled, or another seed's tail put in."""
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del data[at : at + draw(st.integers(1, 20))]
            case 2:
                data[at:at] = draw(st.binary(max_size=12))
            case 3:
                data[at:] = draw(st.sampled_from(corpus))[at:]
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


def test_every_target_has_seeds_and_is_run_here():
    assert TARGETS.keys() == SEEDS.keys() == EXAMPLES.keys()
    assert all(len(seeds(name)) >= 2 for name in TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name):
    for seed in seeds(name):
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_seeds_raise_nothing_but_documented_errors(name):
    corpus = seeds(name)

    @settings(max_examples=EXAMPLES[name], deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(mutated(corpus), st.binary(max_size=200)))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()
