"""Numbers as Go prints them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.web.api.numbers import exponent_number, number, plain_number, rows_of_texts, texts

INF, NAN = math.inf, math.nan
# What Prometheus 2.42 answered to these values: as a sample, as a scalar, as the value of an alert.
TABLE = [
    (0.0, "0", "0", "0e+00"),
    (-0.0, "-0", "-0", "-0e+00"),
    (1.0, "1", "1", "1e+00"),
    (100.0, "100", "100", "1e+02"),
    (0.1, "0.1", "0.1", "1e-01"),
    (12345.678, "12345.678", "12345.678", "1.2345678e+04"),
    (-2.5, "-2.5", "-2.5", "-2.5e+00"),
    (1e-6, "0.000001", "0.000001", "1e-06"),
    (1.234e-6, "0.000001234", "0.000001234", "1.234e-06"),
    (1e-7, "1e-07", "0.0000001", "1e-07"),
    (123456789012345680.0, "123456789012345680", "123456789012345680", "1.2345678901234568e+17"),
    (1e16, "10000000000000000", "10000000000000000", "1e+16"),
    (1e20, "100000000000000000000", "100000000000000000000", "1e+20"),
    (1e21, "1e+21", "1" + "0" * 21, "1e+21"),
    (-1.5e300, "-1.5e+300", "-15" + "0" * 299, "-1.5e+300"),
    (5e-324, "5e-324", "0." + "0" * 323 + "5", "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308", "17976931348623157" + "0" * 292, "1.7976931348623157e+308"),
    (NAN, "NaN", "NaN", "NaN"),
    (INF, "+Inf", "+Inf", "+Inf"),
    (-INF, "-Inf", "-Inf", "-Inf"),
]


@pytest.mark.parametrize(("value", "sample", "scalar", "alert"), TABLE)
def test_the_table_of_prometheus(value, sample, scalar, alert):
    assert (number(value), plain_number(value), exponent_number(value)) == (sample, scalar, alert)


@given(st.floats())
def test_every_form_reads_back_equal(value):
    for write in (number, plain_number, exponent_number):
        text = write(value)
        back = float(text)
        assert back == value or (math.isnan(back) and math.isnan(value))
        assert math.copysign(1, back) == math.copysign(1, value) or math.isnan(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_forms_differ_only_in_writing(value):
    assert "e" not in plain_number(value)
    mantissa, _, exponent = exponent_number(value).partition("e")
    assert exponent[0] in "+-"
    assert len(exponent) >= 3
    assert 1 <= abs(float(mantissa)) < 10 or value == 0
    assert ("e" in number(value)) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


ROWS = st.lists(
    st.one_of(
        st.lists(st.floats(), max_size=5),
        st.lists(st.integers(-(2**60), 2**60).map(float), max_size=5),
        st.lists(st.sampled_from([row[0] for row in TABLE]), max_size=5),
        st.lists(st.floats(-1e-3, 1e-3), max_size=5),
        st.lists(st.floats(1e14, 1e23), max_size=5),
    ),
    max_size=8,
)


@given(ROWS, st.booleans())
def test_arrays_are_written_as_single_numbers_are(rows, long):
    rows = [row * (300 if long else 1) for row in rows]
    flat = np.array([v for row in rows for v in row])
    expected = [number(v).encode() for v in flat.tolist()]
    assert texts(flat) == expected
    assert rows_of_texts(flat, np.array([len(row) for row in rows], dtype=np.int64)) == expected
