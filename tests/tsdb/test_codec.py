"""Pages of columns: every bit comes back, and damage is an error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.samples import ABSENT, STALE
from hypercare.tsdb.chunks import Effort
from hypercare.tsdb.codec import Page, encode, page_columns

ANY = st.one_of(
    st.floats(),
    st.integers(-5, 5).map(float),
    st.integers(-(2**53), 2**53).map(float),
    st.decimals(-1000, 1000, places=3).map(float),
    st.sampled_from([ABSENT, STALE, -0.0, 0.0, 1e300, 2.0**53, -(2.0**53), 5e-324, 0.1 + 0.2]),
)
COLUMNS = st.integers(1, 12).flatmap(
    lambda rows: st.lists(
        st.one_of(
            ANY.map(lambda value: [value] * rows),
            st.lists(ANY, min_size=rows, max_size=rows),
            st.lists(st.integers(0, 300), min_size=rows, max_size=rows).map(
                lambda steps: np.cumsum(steps).astype(float)
            ),
            st.lists(st.sampled_from([1.0, ABSENT, STALE]), min_size=rows, max_size=rows),
            st.integers(-(2**45), 2**45).map(lambda slope: np.arange(rows) * float(slope)),
        ),
        min_size=1,
        max_size=8,
    )
)


def decoded(page: Page) -> np.ndarray:
    out = np.full((page.rows, page.width), np.nan)
    columns = np.arange(page.width)
    for chunk, places in page.chunks_of(columns):
        if chunk < 0:
            out[:, places] = page.constants(columns[places]).T
        else:
            assert page.members[chunk].tolist() == places.tolist()
            out[:, places] = page.decode(chunk).T
    return out


def bits(values: np.ndarray) -> list[list[int]]:
    return np.ascontiguousarray(values).view(np.int64).tolist()


@settings(max_examples=400, deadline=None)
@given(columns=COLUMNS, repeat=st.sampled_from([1, 1, 80]), effort=st.sampled_from(Effort))
def test_every_bit_comes_back(columns, repeat, effort):
    values = np.tile(np.array(columns, dtype=np.float64).T, (repeat, 1))
    page = Page(encode(values, effort))
    assert bits(decoded(page)) == bits(values)
    for number, members in enumerate(page.members):
        # Some of a chunk are what they are among all of it.
        for only in (np.arange(0, len(members), 2), np.array([len(members) - 1])):
            assert bits(page.decode(number, only).T) == bits(values[:, members[only]])


def counters(rng: np.random.Generator, rows: int, width: int) -> np.ndarray:
    return rng.poisson(20, (rows, width)).cumsum(axis=0).astype(float)


@pytest.mark.parametrize("effort", Effort)
def test_large_pages_of_every_kind_come_back(effort):
    rng = np.random.default_rng(3)
    kinds = [
        counters(rng, 480, 40),
        counters(rng, 480, 40) * 1e9,
        np.round(rng.normal(size=(480, 40)), 2),
        rng.normal(size=(480, 40)),
        np.repeat(rng.normal(size=(1, 40)), 480, axis=0),
        np.where(rng.random((480, 40)) < 0.02, rng.normal(size=(480, 40)), 1.0).cumsum(axis=0),
        np.arange(480)[:, None] * 15_000.0 + rng.integers(0, 9, 40) * 1e12,
    ]
    values = np.concatenate(kinds, axis=1)[:, rng.permutation(280)]
    values[rng.random(values.shape) < 0.01] = ABSENT
    values[100:, 3] = ABSENT
    values[:100, 4] = ABSENT
    packed = encode(values, effort)
    assert bits(decoded(Page(packed))) == bits(values)
    assert len(packed) < 3 * values.size


UNITS = [
    lambda n: n * 4096.0 + 1e9,
    lambda n: n * 0.001,
    lambda n: n / 1000.0 / 1000.0,
    lambda n: -(n * 8.0),
    lambda n: (65536.0 + n / 64.0).astype(np.float32).astype(float),
]


@pytest.mark.parametrize("scaled", UNITS)
def test_what_moves_in_units_costs_what_its_units_cost(scaled):
    steps = np.random.default_rng(6).integers(0, 200, (1000, 4)).cumsum(axis=0).astype(float)
    for effort in Effort:
        values = scaled(steps)
        packed = encode(values, effort)
        assert bits(decoded(Page(packed))) == bits(values)
        assert len(packed) < 1.1 * len(encode(steps, effort)) + 100


@pytest.mark.parametrize("first", [2.0**53 - 1, 2.0**52 + 3, -(2.0**53) + 1, 2.0**52 - 700_001])
@pytest.mark.parametrize("step", [1.0, 2.0, -2.0, 6.0])
def test_integers_at_the_edge_of_what_floats_hold_come_back(first, step):
    moves = np.random.default_rng(6).integers(0, 200, 1000).cumsum() * step
    values = np.column_stack([first - np.copysign(moves, first), moves, first * (-1.0) ** np.arange(1000)])
    for effort in Effort:
        assert bits(decoded(Page(encode(values, effort)))) == bits(values)


def test_columns_that_move_in_step_are_kept_once():
    rng = np.random.default_rng(6)
    moves = rng.integers(-900, 1000, 1000)
    one = len(encode(moves[:, None] * 1.0))
    level = [moves * 1.0, moves * 4096.0 + 7, moves / 1000.0, 1e6 - moves * 3.0, moves * 1.0, moves * 0.001]
    total = np.cumsum(np.abs(moves))
    sums = [total * 1.0, total * 2.0 + 5.0, total / 100.0, -total * 1.0]
    values = np.column_stack([*level, *sums])
    for effort in Effort:
        packed = encode(values, effort)
        assert bits(decoded(Page(packed))) == bits(values)
        assert len(packed) < 2 * one + 400


def test_counters_take_less_than_a_byte_a_sample_and_constants_nothing():
    rng = np.random.default_rng(4)
    assert len(encode(counters(rng, 480, 256))) < 0.65 * 480 * 256
    assert len(encode(np.repeat(rng.normal(size=(1, 256)), 480, axis=0))) < 3000


@pytest.mark.parametrize(("rows", "columns"), [(1, 256), (480, 256), (1440, 64), (5000, 16), (10**7, 1)])
def test_pages_have_a_bounded_number_of_cells(rows, columns):
    assert page_columns(rows) == columns


@pytest.mark.parametrize(("rows", "effort"), [(50, Effort.QUICK), (600, Effort.THOROUGH)])
def test_damaged_pages_are_errors_and_nothing_else(rows, effort):
    rng = np.random.default_rng(5)
    some = counters(rng, rows, 3)
    values = np.concatenate([some, some[:, :2] * 4096, rng.normal(size=(rows, 1)), np.ones((rows, 3))], axis=1)
    values[3:9, 2] = ABSENT
    whole = encode(values, effort)
    for at in range(len(whole)):
        for data in (whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :], whole[:at]):
            try:
                page = Page(data)
                for number in range(len(page.members)):
                    page.decode(number)
            except ValueError:
                continue
