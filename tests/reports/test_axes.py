"""Charts with their axes: texts of marks, zones, ends, escaping."""

from __future__ import annotations

import re

import pytest

from hypercare.model.time import HOUR, MINUTE
from hypercare.model.units import Unit
from hypercare.reports.axes import Frame, framed, widened


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_chart_says_its_values_with_units_and_its_times_with_their_zone():
    svg = framed(['<path d="M0 0"/>'], Frame(0, 3 * HOUR, 0, 4e8, Unit("bytes")), 'a <b> "c"')
    assert texts(svg) == ["0 MiB", "100 MiB", "200 MiB", "300 MiB", "00:00", "01:00", "02:00", "03:00"]
    assert '<span class="zone">UTC</span>' in svg
    assert 'aria-label="a &lt;b&gt; &#34;c&#34;, 0 bytes to 381.5 MiB"' in svg
    assert '<text x="0.0%" y="11" class="first" data-at="1970-01-01T00:00:00.000Z" data-form="clock">' in svg
    assert '<text x="100.0%" y="11" class="last" data-at="1970-01-01T03:00:00.000Z" data-form="clock">' in svg
    assert '<text x="100%" y="100.0%" class="bottom">0 MiB</text>' in svg
    assert "style=" not in svg


def test_spans_since_an_event_have_no_zone_and_long_units_stand_above():
    svg = framed([], Frame(0, 50 * MINUTE, 0, 0.9, Unit("of <max>_connections"), "it went out"), "x")
    assert texts(svg) == ["0.0", "0.5", "0", "10m", "20m", "30m", "40m", "50m"]
    assert "<span>since it went out</span>" in svg
    assert "data-at" not in svg
    assert '<span class="unit">of &lt;max&gt;_connections</span>' in svg


@pytest.mark.parametrize(
    ("low", "high", "word", "bounds"),
    [(0, 0, "", (0, 1)), (0, 0, "ratio", (0, 0.01)), (0, 0, "%", (0, 1)), (4, 4, "s", (2, 6)), (-4, -4, "s", (-6, -2)),
     (1, 10, "s", (0, 10.54)), (9, 10, "s", (8.94, 10.06)), (-1, 1, "", (-1.12, 1.12))],
)  # fmt: skip
def test_room_around_a_curve(low, high, word, bounds):
    assert widened(low, high, Unit(word)) == pytest.approx(bounds)
