"""How values are written for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.model.units import Unit

WORDS = ["", "s", "ms", "min", "bytes", "MiB", "kB/s", "ratio", "%", "/min", "a request", "$/h"]


@pytest.mark.parametrize(
    ("word", "value", "text"),
    [
        ("s", 0.0003, "300 µs"), ("s", 0.34, "340 ms"), ("s", 1.5, "1.5 s"), ("seconds", 119.94, "119.9 s"),
        ("s", 312.4, "5m12s"), ("s", -600, "-10m"), ("s", 0, "0 s"), ("s", math.inf, "∞ s"), ("ms", 400, "400 ms"),
        ("ms", 2500, "2.5 s"), ("min", 3, "3m"), ("ns", 0.5, "5e-10 s"), ("bytes", 512, "512 bytes"), ("B", 1.5e9, "1.397 GiB"),
        ("MB", 500, "500 MB"), ("MiB", 1, "1 MiB"), ("bytes/s", -2e6, "-1.907 MiB/s"), ("%", 3.2, "3.2 %"),
        ("ratio", 0.0301, "3.01 %"), ("ratio", 12.5, "1,250 %"), ("/min", 120, "120/min"), ("a minute", 120, "120 a minute"),
        ("a request", 12, "12 a request"), ("$/h", -1.5, "-1.5 $/h"), ("", 3.0051, "3.005"), ("", 1234567.8, "1,234,568"),
        ("", 1e16, "1e+16"), ("", 1e-7, "1e-07"), ("", 999.99, "1,000"), ("", -math.inf, "-∞"), ("s", math.nan, "none"),
    ],
)  # fmt: skip
def test_written(word, value, text):
    assert Unit(word).of(value) == text


@pytest.mark.parametrize(
    ("word", "values", "texts"),
    [
        ("", (3.00004, 3), ("3.00004", "3")),
        ("", (10000.25, 10000), ("10,000.2", "10,000")),
        ("s", (300.2, 300), ("300.2 s", "300 s")),
        ("s", (0.4000001, 0.4), ("400.0001 ms", "400 ms")),
        ("ratio", (0.05, 0.05), ("5 %", "5 %")),
        ("GB", (2, 1.5), ("2 GB", "1.5 GB")),
    ],
)
def test_what_differs_looks_different(word, values, texts):
    assert Unit(word).apart(*values) == texts


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((2e9,), "1.5 GB"), ((None, 200 * 2.0**20), "1.397 GiB"), ((), "1.397 GiB"), ((None, 0.0), "1.397 GiB"),
        ((1.5e9, 4e9), "1.5 GB"), ((2.0**31, 2.0**32), "1.397 GiB"), ((300_000,), "1.5 GB"), ((64 * 1024,), "1.397 GiB"),
    ],
)  # fmt: skip
def test_sizes_are_written_as_the_bounds_beside_them(bounds, text):
    assert Unit("bytes").beside(bounds).of(1.5e9) == text
    assert Unit("s").beside(bounds) == Unit("s")


@given(st.sampled_from(WORDS), st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_any_two_values_of_single_precision_can_be_told_apart(word, one, other):
    first, second = Unit(word).apart(one, other)
    assert (first == second) == (one == other)
