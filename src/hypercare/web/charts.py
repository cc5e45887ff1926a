"""Graphs of expressions as SVG: drawn on the server, no script, readable in both schemes and by screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from hypercare.promql.measures import unit_of
from hypercare.reports.axes import HEIGHT, WIDTH, Frame, framed, widened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.model.units import Unit

_COLOURS: Final = 8


def _bounds(series: Sequence[Mapping[str, Any]], threshold: float | None, unit: Unit) -> tuple[float, float] | None:
    values = [v for s in series for v in s["values"] if v is not None]
    if not values:
        return None
    values += [] if threshold is None else [threshold]
    return widened(min(values), max(values), unit)


def chart(data: Mapping[str, Any], opened_at: int, unit: Unit | None = None) -> Markup:
    """A graph (see ``incidents.evidence``) with its threshold and the instant of the opening.

    Args:
        data: the expression, its series, and the threshold it is held against.
        opened_at: of the incident; outside of the graph it is not drawn.
        unit: of the values; none: as the expression tells.

    """
    series, start, step = data["series"], data["start"], data["step"]
    unit = (unit or unit_of(data["expr"])).beside([data["threshold"]])
    bounds = _bounds(series, data["threshold"], unit)
    if bounds is None:
        return Markup("")
    count = max(len(s["values"]) for s in series)
    end = start + max(1, (count - 1) * step)
    frame = Frame(start, end, *bounds, unit)
    parts: list[str] = []
    if data["threshold"] is not None:
        at = frame.y(data["threshold"])
        parts.append(f'<line class="threshold" x1="0" x2="{WIDTH}" y1="{at}" y2="{at}"/>')
    if start <= opened_at <= end:
        x = frame.x(opened_at)
        parts.append(f'<line class="opened" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}"/>')
    for index, one in enumerate(series):
        parts.append(f'<path class="s{index % _COLOURS}" d="{_path(one["values"], frame, step)}"/>')
    return framed(parts, frame, data["expr"])


def _path(values: Sequence[float | None], frame: Frame, step: int) -> str:
    """A line with gaps where there is no value; a value alone is a dot."""
    found: list[str] = []
    before = False
    for index, value in enumerate(values):
        if value is not None:
            at = f"{frame.x(frame.start + index * step)} {frame.y(value)}"
            found.append(f"{'L' if before else 'M'}{at}{'' if before else 'h0'}")
        before = value is not None
    return "".join(found)
