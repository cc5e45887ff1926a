"""Axes around a drawn curve: values with their unit at the left, times with their zone below.

A curve is stretched to the width there is; texts are not, so they stand in pictures of their own, placed by percent.
There is no style in them: pages and reports have style sheets for their classes. Times are written in UTC; on pages
``live.js`` writes them, and the name of the zone, anew in the reader's own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from hypercare.model.ticks import since_axis, time_axis, value_axis
from hypercare.model.time import format_rfc3339
from hypercare.model.units import SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.ticks import Tick, TimeAxis
    from hypercare.model.time import Ms
    from hypercare.model.units import Unit

WIDTH: Final = 600
HEIGHT: Final = 120
"""Of what is drawn, in the units of its coordinates."""
_LETTER: Final = 6.2
"""Pixels of a letter beside an axis, at most, on average."""
_LEAST_SHARE: Final = 0.01
"""Of a share that was nought throughout so much is shown."""
_EDGE: Final = 0.07
"""Nearer to an end a mark is written towards the middle."""


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """What a chart shows, from edge to edge.

    Attributes:
        unit: of the values.
        since: the times are spans since this event, in words; empty: they are instants.

    """

    start: Ms
    end: Ms
    low: float
    high: float
    unit: Unit
    since: str = ""

    def x(self, at: float) -> float:
        """Where an instant stands."""
        return round(WIDTH * (at - self.start) / max(1, self.end - self.start), 1)

    def y(self, value: float) -> float:
        """Where a value stands."""
        return round(HEIGHT * (self.high - value) / (self.high - self.low), 1)

    @property
    def said(self) -> str:
        """The range of values, in words."""
        return " to ".join(self.unit.apart(self.low, self.high))


def framed(parts: Sequence[str], frame: Frame, label: str) -> Markup:
    """A curve with its axes.

    Args:
        parts: elements of SVG in the coordinates of the frame, the lowest first.
        frame: what it shows.
        label: what it is, for who cannot see it.

    """
    values = value_axis(frame.unit, frame.low, frame.high)
    times = since_axis(frame.end - frame.start) if frame.since else time_axis(frame.start, frame.end)
    lines = [
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{frame.y(t.at)}" y2="{frame.y(t.at)}"/>' for t in values.ticks
    ]
    beside = f'<span class="unit">{escape(values.beside)}</span>' if values.beside else ""
    # A measured value may have more digits than its marks: the longest text counts.
    width = round(max((len(t.text) for t in values.ticks), default=0) * _LETTER) + 2
    marks = "".join(_mark(t, frame) for t in values.ticks)
    zone = f"<span>since {escape(frame.since)}</span>" if frame.since else '<span class="zone">UTC</span>'
    return Markup(  # noqa: S704 - numbers and escaped texts only
        f'{beside}<div class="plot"><svg class="marks" width="{width}" aria-hidden="true">{marks}</svg>'
        f"{curve([*lines, *parts], f'{label}, {frame.said}')}"
        f'<svg class="times" aria-hidden="true">{"".join(_times(times, frame))}</svg><small>{zone}</small></div>'
    )


def curve(parts: Sequence[str], label: str) -> Markup:
    """What is drawn, without axes."""
    head = (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">'
    )
    return Markup("".join([head, *parts, "</svg>"]))  # noqa: S704 - numbers and escaped texts only


def _mark(tick: Tick, frame: Frame) -> str:
    place = frame.y(tick.at) / HEIGHT
    side = ' class="top"' if place < _EDGE else ' class="bottom"' if place > 1 - _EDGE else ""
    return f'<text x="100%" y="{place:.1%}"{side}>{escape(tick.text)}</text>'


def _times(axis: TimeAxis, frame: Frame) -> list[str]:
    found = []
    for tick in axis.ticks:
        at = int(tick.at)
        place = at / max(1, frame.end - frame.start) if frame.since else frame.x(at) / WIDTH
        side = ' class="first"' if place < _EDGE else ' class="last"' if place > 1 - _EDGE else ""
        data = "" if frame.since else f' data-at="{format_rfc3339(at)}" data-form="{axis.form}"'
        found.append(f'<text x="{place:.1%}" y="11"{side}{data}>{escape(tick.text)}</text>')
    return found


def widened(low: float, high: float, unit: Unit) -> tuple[float, float]:
    """Two bounds with some room, so that a curve does not lie on an edge; not below nought where nothing is."""
    if low == high == 0:
        # One of what is counted, or one of a hundred.
        kind, factor = unit.known or ("", 1.0)
        return 0.0, _LEAST_SHARE / factor if kind == SHARE else 1.0
    if low == high:
        room = abs(low) / 2 or 0.5
        return (max(0.0, low - room) if low >= 0 else low - room), high + room
    room = (high - low) * 0.06
    # Nought belongs on the axis where it is not far away.
    if 0 <= low <= high / 2:
        return 0.0, high + room
    return (max(0.0, low - room) if low >= 0 else low - room), high + room
