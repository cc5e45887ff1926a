"""Pictures of a deployment's watch as SVG: curves against their bands, findings, the strip of phases and checkpoints.

They hold no style of their own: classes are coloured by the style sheet of the page or of the report.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup, escape

from hypercare.model.time import format_duration
from hypercare.reports.axes import HEIGHT, WIDTH, Frame, framed, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.store import Checkpoint, StoredFinding
    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms
    from hypercare.model.units import Unit
    from hypercare.reports.deployment_story import CheckCurves, Story

_MOST: Final = 240
"""Points of a line: more are not to be told apart."""


def check_picture(story: Story, curves: CheckCurves) -> Markup | None:
    """A check's values since the deployment, with its baseline as a band, its bounds as lines, its findings shaded."""
    start, end = story.watch.started_at, max(story.end, story.watch.started_at + 1)
    lines = [("now", curves.during)] + ([("other", curves.other)] if curves.other is not None else [])
    band = _band(curves)
    frame = _frame(start, end, lines, band, curves.row)
    if frame is None:
        return None
    parts = [_shade(f, frame) for f in story.findings_of(curves.row.id)]
    if band is not None:
        top, bottom = frame.y(band[1]), frame.y(band[0])
        parts.append(f'<rect class="band" x="0" width="{WIDTH}" y="{top}" height="{max(1, round(bottom - top, 1))}"/>')
    parts += _bounds(curves.row, frame)
    parts += [f'<path class="{name}" d="{_path(samples, frame)}"/>' for name, samples in reversed(lines)]
    return framed(parts, frame, f"{curves.row.id} since the deployment")


def overlaid(left: Story, right: Story, check: str) -> Markup | None:
    """Two releases over the time since each went out: the first as ``now``, the second as ``other``."""
    found: list[tuple[str, Samples]] = []
    row = None
    for name, story in (("now", left), ("other", right)):
        for curves in story.checks:
            if curves.row.id == check:
                row = row or curves.row
                times = curves.during.times - story.watch.started_at
                found.append((name, dataclasses.replace(curves.during, times=times)))
    if row is None:
        return None
    longest = max(story.end - story.watch.started_at for story in (left, right))
    frame = _frame(0, max(1, longest), found, None, row)
    if frame is None:
        return None
    frame = dataclasses.replace(frame, since="each went out")
    parts = _bounds(row, frame)
    parts += [f'<path class="{name}" d="{_path(samples, frame)}"/>' for name, samples in reversed(found)]
    return framed(parts, frame, f"{check} of both releases since each went out")


def finding_picture(finding: StoredFinding, unit: Unit) -> Markup | None:
    """What led to a finding, with the value it was held against."""
    times = finding.points.get("times", [])
    values = np.array([np.nan if v is None else v for v in finding.points.get("values", [])], dtype=np.float64)
    usable = values[np.isfinite(values)]
    if not len(usable):
        return None
    ends = [float(usable.min()), float(usable.max())]
    ends += [finding.bound] if np.isfinite(finding.bound) else []
    low, high = widened(min(ends), max(ends), unit)
    frame = Frame(times[0], max(times[-1], times[0] + 1), low, high, unit)
    parts = [_shade(finding, frame)]
    if np.isfinite(finding.bound):
        parts.append(_line("critical" if finding.level == "critical" else "warning", finding.bound, frame))
    parts.append(f'<path class="now" d="{_drawn(np.array(times, dtype=np.int64), values, frame)}"/>')
    return framed(parts, frame, f"{finding.check} before the finding")


def _band(curves: CheckCurves) -> tuple[float, float] | None:
    """Where nineteen of twenty samples of the recorded baseline lie."""
    if curves.before is None or curves.other is not None:
        return None
    values = curves.before.values[np.isfinite(curves.before.values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return float(low), float(high)


def _frame(
    start: Ms, end: Ms, lines: Sequence[tuple[str, Samples]], band: tuple[float, float] | None, row: CheckRow
) -> Frame | None:
    arrays = [samples.values[np.isfinite(samples.values)] for _, samples in lines]
    ends = [float(v) for values in arrays if len(values) for v in (values.min(), values.max())]
    if not ends:
        return None
    ends += band or ()
    low, high = min(ends), max(ends)
    # A bound far away would press the curve flat: it is drawn where it is near, and told in numbers anyway.
    room = 2 * (high - low) or abs(high) or 1.0
    marks = (row.bounds.target, row.bounds.warning, row.bounds.critical, row.bounds.baseline)
    near = [mark for mark in marks if mark is not None and low - room <= mark <= high + room]
    return Frame(start, end, *widened(min([low, *near]), max([high, *near]), row.unit), row.unit)


def _bounds(row: CheckRow, frame: Frame) -> list[str]:
    marks = {name: getattr(row.bounds, name) for name in ("baseline", "target", "warning", "critical")}
    return [_line(n, v, frame) for n, v in marks.items() if v is not None and frame.low <= v <= frame.high]


def _line(name: str, value: float, frame: Frame) -> str:
    return f'<line class="{name}" x1="0" x2="{WIDTH}" y1="{frame.y(value)}" y2="{frame.y(value)}"/>'


def _shade(finding: StoredFinding, frame: Frame) -> str:
    start = max(frame.start, finding.since)
    end = min(frame.end, frame.end if finding.until is None else finding.until)
    if end < start:
        return ""
    width = max(2.0, round(frame.x(end) - frame.x(start), 1))
    level = escape(finding.level)
    return f'<rect class="found {level}" x="{frame.x(start)}" width="{width}" y="0" height="{HEIGHT}"/>'


def _path(samples: Samples, frame: Frame) -> str:
    return _drawn(*_thinned(samples), frame)


def _thinned(samples: Samples) -> tuple[Any, Any]:
    """The least and the greatest value of each of many blocks, so that no peak is lost."""
    if len(samples) <= _MOST:
        return samples.times, samples.values
    picked: list[int] = []
    for block in np.array_split(np.arange(len(samples)), _MOST // 2):
        values = samples.values[block]
        if np.isnan(values).all():
            picked.append(int(block[0]))
        else:
            picked += sorted({int(block[np.nanargmin(values)]), int(block[np.nanargmax(values)])})
    return samples.times[picked], samples.values[picked]


def _drawn(times: Any, values: Any, frame: Frame) -> str:
    """A line with gaps where there is no value; a value alone is a dot."""
    found: list[str] = []
    before = False
    for at, value in zip(times.tolist(), values.tolist(), strict=True):
        here = bool(np.isfinite(value))
        if here:
            found.append(f"{'L' if before else 'M'}{frame.x(at)} {frame.y(value)}{'' if before else 'h0'}")
        before = here
    return "".join(found)


def checkpoint_state(point: Checkpoint, story: Story) -> str:
    """signed, missed (nobody signed in time), taken, due (its time has come), ahead, or skipped (the watch ended)."""
    if point.signed_at is not None:
        return "signed"
    if point.missed_at is not None:
        return "missed"
    if point.taken_at is not None:
        return "taken"
    if not story.running:
        return "skipped"
    return "due" if point.due_at <= story.now else "ahead"


def strip(story: Story) -> Markup:
    """The watch from its beginning to its end: phases as bands, checkpoints as dots, findings below, and now."""
    watch = story.watch
    whole = max(1, watch.ends_at - watch.started_at)

    def x(at: Ms) -> str:
        return f"{min(100.0, max(0.0, 100 * (at - watch.started_at) / whole)):.2f}%"

    def width(span: Ms) -> str:
        return f"{max(0.2, min(100.0, 100 * span / whole)):.2f}%"

    parts: list[str] = []
    begin = 0
    for index, phase in enumerate(watch.plan.phases):
        until = phase.until if index + 1 < len(watch.plan.phases) else whole
        at = x(watch.started_at + begin)
        parts.append(
            f'<rect class="phase p{index % 2}" x="{at}" width="{width(until - begin)}" y="0" height="26">'
            f"<title>{escape(phase.name)}: until {format_duration(phase.until)}</title></rect>"
        )
        begin = until
    for finding in story.findings:
        end = story.end if finding.until is None else finding.until
        parts.append(
            f'<rect class="bar {escape(finding.level)}" x="{x(finding.since)}" '
            f'width="{width(max(0, end - finding.since))}" y="54" height="8"><title>{escape(finding.check)}: '
            f"{escape(finding.reason)}</title></rect>"
        )
    for point in story.checkpoints:
        state = checkpoint_state(point, story)
        size = 7 if point.final else 5
        parts.append(
            f'<circle class="{state}" cx="{x(point.due_at)}" cy="40" r="{size}"><title>checkpoint {point.number} '
            f"({escape(point.phase)}): {state}</title></circle>"
        )
    parts.append(f'<line class="here" x1="{x(story.end)}" x2="{x(story.end)}" y1="0" y2="64"/>')
    head = '<svg class="strip" width="100%" height="66" role="img" aria-label="Phases, checkpoints and findings">'
    return Markup("".join([head, *parts, "</svg>"]))  # noqa: S704 - numbers and escaped texts only
