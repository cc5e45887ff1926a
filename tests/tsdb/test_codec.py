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


@settings(max_examples=250, deadline=None)
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


@pytest.mark.parametrize("decimals", [9, 6, 3])
@pytest.mark.parametrize("first", [0.0, 1.25, -3.0, 4000.0])
def test_seconds_that_were_added_up_cost_little_more_than_what_was_added(decimals, first):
    rng = np.random.default_rng(7)
    added = rng.integers(1, 4000, 1000)
    seconds = np.cumsum(np.append(first, added / 10.0**decimals))[:, None]
    plain = len(encode(np.cumsum(np.append(0, added))[:, None] * 1.0, Effort.THOROUGH))
    for effort in Effort:
        packed = encode(seconds, effort)
        assert bits(decoded(Page(packed))) == bits(seconds)
    assert len(packed) < plain + 2.2 * len(seconds)
    assert bits(decoded(Page(encode(-seconds, Effort.THOROUGH)))) == bits(-seconds)


def test_what_is_near_no_decimal_is_kept_by_its_bits():
    rng = np.random.default_rng(7)
    values = np.column_stack([
        1e7 + rng.random(600).cumsum(),
        rng.random(600).cumsum() / 1e9,
        np.where(np.arange(600) == 599, np.nan, np.cumsum(rng.integers(1, 4000, 600) / 1e9)),
        np.where(np.arange(600) % 2, np.inf, 0.3),
        np.where(np.arange(600) % 2, -0.0, 1e-9),
    ])  # fmt: skip
    for effort in Effort:
        assert bits(decoded(Page(encode(values, effort)))) == bits(values)


@pytest.mark.parametrize("noise", [1, 3, 7, 8, 11, 20, 40])
def test_noise_costs_its_bits_wherever_it_meets_what_is_above_it(noise):
    rng = np.random.default_rng(noise)
    level = np.repeat(rng.integers(0, 40, 24), 50) << noise
    values = (level + rng.integers(0, 1 << noise, 1200))[:, None] * 1.0
    packed = encode(values, Effort.THOROUGH)
    assert bits(decoded(Page(packed))) == bits(values)
    assert len(packed) < 1200 * noise / 8 + 500


def test_totals_are_told_by_their_parts():
    rng = np.random.default_rng(8)
    rows = 1000
    anonymous, file = (rng.integers(-5000, 5000, (2, rows)).cumsum(axis=1) + 10**7) * 4096.0
    received = rng.integers(10**6, 10**7, rows).cumsum() * 1.0
    sent = received + rng.integers(0, 9, rows)
    one = len(encode(anonymous[:, None], Effort.THOROUGH))
    heavy = len(encode(received[:, None], Effort.THOROUGH))
    values = np.column_stack(
        [anonymous, file, anonymous + file, received, sent, 3.0 * received + rng.integers(0, 9, rows)]
    )
    packed = encode(values, Effort.THOROUGH)
    page = Page(packed)
    assert bits(decoded(page)) == bits(values)
    assert len(packed) < 2 * one + heavy + 2 * rows * 0.75 + 300
    values[10:20, 2] = ABSENT
    values[30, 0] = STALE
    page = Page(encode(values, Effort.THOROUGH))
    for column in range(values.shape[1]):
        # Alone, too.
        ((chunk, _),) = page.chunks_of(np.array([column]))
        place = np.searchsorted(page.members[chunk], [column])
        assert bits(page.decode(chunk, place).T) == bits(values[:, [column]])


@pytest.mark.parametrize("size", [2.0**49, 2.0**50, 2.0**51, 2.0**52])
def test_large_numbers_that_lean_on_others_come_back(size):
    rng = np.random.default_rng(9)
    steps = rng.integers(0, 1000, 700).cumsum() * np.floor(size / 700_000)
    values = np.column_stack([steps, steps * 2.0 + rng.integers(0, 3, 700), size - steps - rng.integers(0, 3, 700)])
    assert bits(decoded(Page(encode(values, Effort.THOROUGH)))) == bits(values)


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
    leaning = some[:, [1]] + rng.integers(0, 3, (rows, 1))
    seconds = np.cumsum(rng.integers(1, 4000, (rows, 1)) / 1e9, axis=0)
    parts = [some, some[:, :2] * 4096, leaning, some[:, :1] + some[:, 1:2], seconds, rng.normal(size=(rows, 1))]
    values = np.concatenate([*parts, np.ones((rows, 3))], axis=1)
    values[3:9, 2] = ABSENT
    whole = encode(values, effort)
    # Of what is compressed column by column few bytes tell as much as all.
    for at in (*range(min(400, len(whole))), *range(400, len(whole), 1 if effort is Effort.QUICK else 9)):
        for data in (whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :], whole[:at]):
            try:
                page = Page(data)
                for number in range(len(page.members)):
                    page.decode(number)
            except ValueError:
                continue
