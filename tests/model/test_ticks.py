"""Marks of axes: round values in one multiple of their unit, round instants."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hypercare.model.ticks import since_axis, time_axis, value_axis
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.model.units import Unit


@pytest.mark.parametrize(
    ("word", "low", "high", "texts"),
    [
        ("s", 0, 0.42, "0 ms, 200 ms, 400 ms"), ("s", 0, 2.3, "0 s, 1 s, 2 s"), ("s", 100, 600, "5 min, 10 min"),
        ("s", 0, 9e4, "0 h, 10 h, 20 h"), ("s", 0, 3e-5, "0 µs, 10 µs, 20 µs, 30 µs"), ("ms", 0, 400, "0 ms, 100 ms, 200 ms, 300 ms, 400 ms"),
        ("bytes", 4.8e8, 5.2e8, "460 MiB, 470 MiB, 480 MiB, 490 MiB"), ("bytes", 0, 400, "0 B, 100 B, 200 B, 300 B, 400 B"),
        ("MB", 0, 1500, "0.0 GB, 0.5 GB, 1.0 GB, 1.5 GB"), ("bytes/s", 0, 1.2e6, "0.0 MiB/s, 0.5 MiB/s, 1.0 MiB/s"),
        ("ratio", 0, 0.013, "0.0 %, 0.5 %, 1.0 %"), ("%", 0, 100, "0 %, 50 %, 100 %"), ("/s", 0, 12.3, "0/s, 5/s, 10/s"),
        ("/min", 0, 3, "0/min, 1/min, 2/min, 3/min"), ("/s", 0, 45e3, "0 k/s, 20 k/s, 40 k/s"), ("$/h", 2, 3.1, "2.0 $/h, 2.5 $/h, 3.0 $/h"),
        ("", -5, 5, "-5, 0, 5"), ("", 0, 123456, "0 k, 50 k, 100 k"), ("", 1e9, 1e9 + 2, "1,000,000,000.0, 1,000,000,000.5, 1,000,000,001.0, 1,000,000,001.5, 1,000,000,002.0"),
    ],
)  # fmt: skip
def test_values(word, low, high, texts):
    axis = value_axis(Unit(word), low, high)
    assert (", ".join(t.text for t in axis.ticks), axis.beside) == (texts, "")


def test_a_long_word_stands_once():
    axis = value_axis(Unit("of max_connections"), 0, 1)
    assert ([t.text for t in axis.ticks], axis.beside) == (["0.0", "0.5", "1.0"], "of max_connections")


@given(
    st.sampled_from(["", "s", "ms", "bytes", "MiB", "bytes/s", "ratio", "%", "/s", "/min", "$/h"]),
    st.floats(-1e12, 1e12), st.floats(-1e12, 1e12),
)  # fmt: skip
def test_marks_lie_inside_rise_and_differ(word, one, other):
    low, high = sorted((one, other))
    assume(high - low > max(abs(low), abs(high), 1e-9) * 1e-6)
    ticks = value_axis(Unit(word), low, high).ticks
    span = high - low
    assert 1 <= len(ticks) <= 6
    assert all(low - span * 1e-6 <= t.at <= high + span * 1e-6 for t in ticks)
    assert [t.at for t in ticks] == sorted(t.at for t in ticks)
    assert len({t.text for t in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("span", "form", "texts"),
    [
        (45 * SECOND, "seconds", "00:00:00 00:00:10 00:00:20 00:00:30 00:00:40"), (5 * MINUTE, "clock", "00:00 00:01 00:02 00:03 00:04 00:05"),
        (3 * HOUR, "clock", "00:00 01:00 02:00 03:00"), (2 * DAY, "weekday", "Thu 00:00 Thu 12:00 Fri 00:00 Fri 12:00 Sat 00:00"),
        (20 * DAY, "date", "01 Jan 08 Jan 15 Jan"),
    ],
)  # fmt: skip
def test_times(span, form, texts):
    axis = time_axis(0, span)
    assert (axis.form, " ".join(t.text for t in axis.ticks)) == (form, texts)
    assert re.fullmatch(r"0( (\d+[smhdw])+)+", " ".join(t.text for t in since_axis(span).ticks))
