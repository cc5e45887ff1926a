"""Graphs of evidence as SVG: drawn on the server, no script, readable in both colour schemes and by screen readers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from hypercare.model.time import to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH: Final = 640
_HEIGHT: Final = 200
_LEFT: Final = 62
_RIGHT: Final = 10
_TOP: Final = 10
_BOTTOM: Final = 24
_COLOURS: Final = 8


def number(value: float) -> str:
    """A short number: 1.2k, 340, 0.05."""
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:.3g}" if size < 1e3 else f"{value:.0f}"


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values between two bounds."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _bounds(series: Sequence[Mapping[str, Any]], threshold: float | None) -> tuple[float, float] | None:
    values = [v for s in series for v in s["values"] if v is not None]
    if not values:
        return None
    values += [] if threshold is None else [threshold]
    low, high = min(values), max(values)
    if low == high:
        spread = abs(low) or 1.0
        low, high = low - spread / 2, high + spread / 2
    # Nought belongs on the axis where it is not far away.
    low = min(low, 0.0) if 0 <= low <= high / 2 else low
    return low, high + (high - low) * 0.05


def chart(data: Mapping[str, Any], opened_at: int) -> Markup:
    """A graph (see ``incidents.evidence``) with its threshold and the instant of the opening."""
    series, start, step = data["series"], data["start"], data["step"]
    bounds = _bounds(series, data["threshold"])
    if bounds is None:
        return Markup("")
    low, high = bounds
    count = max(len(s["values"]) for s in series)
    span = max(1, (count - 1) * step)
    inner = _WIDTH - _LEFT - _RIGHT

    def x(at: float) -> float:
        return round(float(_LEFT + inner * (at - start) / span), 1)

    def y(value: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(data["expr"])}">',
        *_axis(low, high, y),
        *_clock(start, span, x),
    ]
    if data["threshold"] is not None:
        at = y(data["threshold"])
        parts.append(f'<line class="threshold" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
    if start <= opened_at <= start + span:
        parts.append(
            f'<line class="opened" x1="{x(opened_at)}" x2="{x(opened_at)}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        )
    for index, one in enumerate(series):
        path = _path(one["values"], lambda i: x(start + i * step), y)
        parts.append(f'<path class="s{index % _COLOURS}" d="{path}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - all texts in it are escaped above


def _axis(low: float, high: float, y: Any) -> list[str]:
    return [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v)}" y2="{y(v)}"/>'
        f'<text x="{_LEFT - 6}" y="{y(v) + 4}" text-anchor="end">{escape(number(v))}</text>'
        for v in _ticks(low, high)
    ]


def _clock(start: int, span: int, x: Any) -> list[str]:
    """Times below the axis, at most five, on whole minutes."""
    every = max(60_000, span // 4 // 300_000 * 300_000 or 60_000)
    first = -(-start // every) * every
    return [
        f'<text x="{x(at)}" y="{_HEIGHT - 6}" text-anchor="middle">{to_datetime(at).strftime("%H:%M")}</text>'
        for at in range(first, start + span + 1, every)
        if _LEFT + 16 < x(at) < _WIDTH - _RIGHT - 16
    ]


def _path(values: Sequence[float | None], x: Any, y: Any) -> str:
    """A line with gaps where there is no value; a value alone is a dot."""
    found: list[str] = []
    before = False
    for index, value in enumerate(values):
        if value is not None:
            found.append(f"{'L' if before else 'M'}{x(index)} {y(value)}{'' if before else 'h0'}")
        before = value is not None
    return "".join(found)
