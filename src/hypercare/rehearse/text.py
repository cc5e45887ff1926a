"""A backtest for a terminal: one bar of time an alert, then when what happened, then who is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final

from hypercare.model.time import DAY, HOUR, MINUTE, format_duration, to_datetime
from hypercare.rehearse.routes import by_alert, is_night

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.time import Ms
    from hypercare.rehearse.report import Report
    from hypercare.rehearse.routes import Tally
    from hypercare.rehearse.spans import Span, Story

_COLOURS: Final = {
    "firing": "\x1b[31m",
    "pending": "\x1b[33m",
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
    "night": "\x1b[34m",
}
_TICKS: Final = (
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How it may look.

    Attributes:
        width: of the terminal, characters.
        unicode: else plain ASCII.
        zone: of the times that are shown; none: that of the machine.
        most: stories of alerts to list; the rest is counted.
        everything: list alerts, too, that were pending and never fired.

    """

    width: int = 100
    unicode: bool = True
    colour: bool = False
    zone: dt.tzinfo | None = None
    most: int = 200
    everything: bool = False

    def paint(self, text: str, style: str) -> str:
        """Coloured, if that is wanted."""
        return f"{_COLOURS[style]}{text}\x1b[0m" if self.colour and text else text

    def time(self, at: Ms, form: str = "%a %d %b %H:%M:%S") -> str:
        """An instant for people."""
        return to_datetime(at).astimezone(self.zone).strftime(form)


def render(report: Report, look: Look) -> Iterator[str]:
    """Line by line."""
    yield from _head(report, look)
    if not report.has_data:
        yield ""
        yield "no data: the source has nothing of this time that matches any selector of these rules"
        yield "Whether they would have fired is unknown."
        return
    yield from _gaps(report, look)
    yield ""
    yield from _bars(report, look)
    yield ""
    yield from _totals(report, look)
    yield from _failures(report, look)
    yield from _spans(report, look)
    yield from _routes(report, look)


def _head(report: Report, look: Look) -> Iterator[str]:
    span = format_duration(report.end - report.start)
    alerts = len(report.stories)
    recordings = len(report.backtest.rules) - alerts
    yield look.paint(
        f"{look.time(report.start)} to {look.time(report.end)} ({span}), {_zone(report.start, look)}", "bold"
    )
    yield (
        f"{_count(alerts, 'alerting rule')}, {_count(recordings, 'recording rule')} of {', '.join(report.files)}; "
        f"{report.samples:,} samples of {report.source}; {_count(report.played.evaluations, 'evaluation')}"
    )


def _zone(at: Ms, look: Look) -> str:
    return to_datetime(at).astimezone(look.zone).strftime("%Z")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _gaps(report: Report, look: Look) -> Iterator[str]:
    for low, high in report.unknown:
        yield look.paint(f"no data at all from {look.time(low)} to {look.time(high)}: not evaluated", "pending")
    for gap in report.gaps:
        if gap.since is None or gap.until is None:
            yield look.paint(f"no data for {gap.selector}", "pending")
            continue
        parts = []
        if gap.since > report.start + 5 * MINUTE:
            parts.append(f"only from {look.time(gap.since)} on")
        if gap.until < report.end - 5 * MINUTE:
            parts.append(f"only until {look.time(gap.until)}")
        if parts:
            yield look.paint(f"{gap.selector}: data {', '.join(parts)}", "pending")


def _bars(report: Report, look: Look) -> Iterator[str]:
    names = [story.rule.spec.name for story in report.stories]
    if not names:
        return
    left = min(max(map(len, names)), max(12, look.width // 3))
    width = max(20, look.width - left - 1)
    full, half, none, unknown = ("█", "▒", "·", " ") if look.unicode else ("#", "+", ".", " ")
    yield " " * (left + 1) + _axis(report, look, width)
    for story in report.stories:
        cells = _cells(story, width, report)
        empty = unknown if report.no_data_for(story.number) else none
        marks = {2: (full, "firing"), 1: (half, "pending"), 0: (empty, "dim"), -1: (unknown, "dim")}
        row = "".join(look.paint(*marks[cell]) for cell in cells)
        name = story.rule.spec.name
        short = name if len(name) <= left else name[: left - 1] + ("…" if look.unicode else "~")
        note = " (no data)" if report.no_data_for(story.number) and not story.spans else ""
        yield f"{short.ljust(left)} {row if not note else note.strip()}"
    yield " " * (left + 1) + look.paint(f"{full} firing  {half} pending  {none} neither", "dim")


def _axis(report: Report, look: Look, width: int) -> str:
    """Times above the bars, at round instants of the local time."""
    span = max(1, report.end - report.start)
    step = next((t for t in _TICKS if span / t * 13 <= width), _TICKS[-1])
    form = "%H:%M" if step < DAY and span <= DAY else "%d %b" if step >= DAY else "%d %b %H:%M"
    offset = to_datetime(report.start).astimezone(look.zone).utcoffset() or dt.timedelta()
    shift = int(offset.total_seconds() * 1000)
    line = [" "] * width
    free = 0
    at = -(-(report.start + shift) // step) * step - shift
    while at <= report.end:
        place = int((at - report.start) / span * width)
        label = "|" + look.time(at, form)
        if place >= free and place + len(label) <= width:
            line[place : place + len(label)] = label
            free = place + len(label) + 1
        at += step
    return "".join(line).rstrip()


def _cells(story: Story, width: int, report: Report) -> list[int]:
    """The worst state within each cell: 2 firing, 1 pending, 0 neither, -1 not evaluated."""
    span = max(1, report.end - report.start)
    middles = [report.start + int((cell + 0.5) / width * span) for cell in range(width)]
    cells = [-1 if any(low <= at <= high for low, high in report.unknown) else 0 for at in middles]

    def mark(low: Ms, high: Ms, state: int) -> None:
        low, high = max(low, report.start), min(high, report.end)
        if low > high:
            return
        first = min(width - 1, int((low - report.start) / span * width))
        last = min(width - 1, max(first, int(-(-((high - report.start) * width) // span)) - 1))
        for cell in range(first, last + 1):
            cells[cell] = max(cells[cell], state)

    for each in story.spans:
        ended = story.end if each.ended_at is None else each.ended_at
        mark(each.pending_at, ended if each.fired_at is None else each.fired_at, 1)
        if each.fired_at is not None:
            mark(each.fired_at, ended, 2)
    return cells


def _totals(report: Report, look: Look) -> Iterator[str]:
    notified = by_alert(report.routed.told) if report.routed else {}
    columns = ["alert", "fired", "instances", "total", "longest", "flaps", "only pending"]
    columns += ["notifications", "pages", "at night"] if report.routed else []
    rows = []
    for story in report.stories:
        name = story.rule.spec.name
        if not story.spans and report.no_data_for(story.number):
            rows.append([name, "no data", *[""] * (len(columns) - 2)])
            continue
        row = [name, str(story.fired), str(story.instances), _long(story.total), _long(story.longest)]
        row += [str(story.flaps), str(story.only_pending)]
        row += [str(n) for n in notified.get(name, (0, 0, 0))] if report.routed else []
        rows.append(row)
    yield from _table(columns, rows, look)


def _long(ms: Ms) -> str:
    return format_duration(ms) if ms else "-"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], look: Look) -> Iterator[str]:
    if not rows:
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    yield look.paint("  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)).rstrip(), "bold")
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()


def _failures(report: Report, look: Look) -> Iterator[str]:
    for number in sorted(report.played.failures):
        failed = report.played.failures[number]
        at, text = failed.first
        name = failed.rule.spec.name
        yield look.paint(
            f"{name}: {_count(failed.count, 'evaluation')} failed, first {look.time(at)}: {text}", "firing"
        )


def _spans(report: Report, look: Look) -> Iterator[str]:
    every = [(span.pending_at, story, span) for story in report.stories for span in story.spans]
    listed = [item for item in every if look.everything or item[2].fired_at is not None]
    listed.sort(key=lambda item: (item[0], item[1].number))
    yield ""
    if not listed:
        more = f" ({_count(len(every), 'time')} something was pending: --all)" if every else ""
        yield f"Nothing would have fired{more}."
        return
    rows = [_row(story, span, report, look) for _, story, span in listed[: look.most]]
    yield from _table(("pending", "firing", "resolved", "lasted", "alert"), rows, look)
    if len(listed) > look.most:
        yield f"and {len(listed) - look.most:,} more; --json has them all"
    if len(every) > len(listed):
        yield f"{_count(len(every) - len(listed), 'time')} something was pending and never fired: --all"


def _row(story: Story, span: Span, report: Report, look: Look) -> tuple[str, str, str, str, str]:
    labels = ", ".join(f'{n}="{v}"' for n, v in span.labels if n != "alertname")
    name = f"{story.rule.spec.name}{{{labels}}}" if labels else story.rule.spec.name
    began = "before" if span.pending_at < report.start else look.time(span.pending_at)
    if span.fired_at is None:
        end = "still pending" if span.ended_at is None else f"over {look.time(span.ended_at)}"
        return began, "-", end, "-", name
    fired = "before" if span.fired_at < report.start else look.time(span.fired_at)
    ended = "still firing" if span.ended_at is None else look.time(span.ended_at)
    return began, fired, ended, _long(span.firing_for(report.start, report.end)), name


def _routes(report: Report, look: Look) -> Iterator[str]:
    if report.routed is None:
        yield ""
        yield "Whom this would have told: name the configuration with --config (hypercare.yml or alertmanager.yml)."
        return
    yield ""
    yield look.paint(f"Notifications and pages, if {report.routed.assumption}", "bold")
    if not report.routed.tallies:
        yield "Nobody would have been told."
        return
    rows = [
        (t.kind, t.who, str(t.count), str(t.at_night), f"{_hours(t, look)}  {t.zone}") for t in report.routed.tallies
    ]
    scale = "0     6     12    18      "
    yield from _table(("", "who", "count", "at night", scale), rows, look)
    yield look.paint("by hour of the day there; night is 22 to 7", "dim")


def _hours(tally: Tally, look: Look) -> str:
    most = max(tally.hours)
    levels = " ▁▂▃▄▅▆▇█" if look.unicode else " .:-=+*#@"
    cells = [levels[-(-count * (len(levels) - 1) // most)] if most else " " for count in tally.hours]
    return "".join(look.paint(cell, "night") if is_night(hour) else cell for hour, cell in enumerate(cells))
