"""Tail probabilities against published values and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.judge.special import beta_fraction, counts_tail, normal_quantile, student_tail


@pytest.mark.parametrize(
    ("t", "df", "tail"),
    [
        (6.313752, 1, 0.05),
        (2.131847, 4, 0.05),
        (2.764, 10, 0.01),
        (3.090, 100000, 0.001),
        (-2.131847, 4, 0.95),
        (0, 7, 0.5),
    ],
)
def test_students_tail_is_the_printed_table(t, df, tail):
    assert student_tail(t, df) == pytest.approx(tail, rel=2e-3)


def test_the_ends():
    assert student_tail(math.inf, 3) == 0
    assert student_tail(-math.inf, 3) == 1
    assert beta_fraction(0, 2, 3) == 0
    assert beta_fraction(1, 2, 3) == 1
    assert counts_tail(0, 10, 1, 10) == 1
    assert counts_tail(3, 0, 1, 10) == 1


@given(st.floats(0.001, 0.999), st.floats(0.1, 500), st.floats(0.1, 500))
def test_the_beta_function_is_symmetric_and_within_bounds(x, a, b):
    value = beta_fraction(x, a, b)
    assert -1e-12 <= value <= 1 + 1e-12
    assert value == pytest.approx(1 - beta_fraction(1 - x, b, a), abs=1e-9)


def test_the_beta_function_of_whole_numbers_is_a_binomial_sum():
    n, p = 12, 0.3
    for k in range(1, n + 1):
        exact = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
        assert beta_fraction(p, k, n - k + 1) == pytest.approx(exact, rel=1e-10)


def test_counts_with_much_behind_them_are_poisson():
    # 1,000,000 events seen 1,000 wrong: in 2,000 two are expected.
    exact = 1 - sum(math.exp(-2) * 2**k / math.factorial(k) for k in range(7))
    assert counts_tail(7, 2_000, 1_000, 1_000_000) == pytest.approx(exact, rel=0.02)


def test_little_behind_them_makes_any_count_less_surprising():
    assert counts_tail(5, 100, 0, 100) > 100 * counts_tail(5, 100, 0, 100_000)


@given(st.floats(1e-9, 1 - 1e-9))
def test_the_normal_quantile_is_the_inverse_of_the_tail(p):
    assert 0.5 * math.erfc(normal_quantile(p) / math.sqrt(2)) == pytest.approx(1 - p, rel=1e-6, abs=1e-12)
