"""A backtest as one HTML page: bars of time, tables, hours of the day. No script, nothing fetched from elsewhere."""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import TYPE_CHECKING, Final

from hypercare.model.time import DAY, HOUR, MINUTE, format_duration, to_datetime
from hypercare.promql.measures import unit_of
from hypercare.rehearse.page_style import STYLE
from hypercare.rehearse.routes import NIGHT, by_alert, is_night

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.model.units import Unit
    from hypercare.rehearse.report import Report
    from hypercare.rehearse.routes import Tally
    from hypercare.rehearse.spans import Span, Story

_WIDE: Final = 1000
"""Units of a bar's width."""
_TICKS: Final = (10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 28 * DAY)
_MOST_ROWS: Final = 500
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Page:
    """Makes the page.

    Args:
        report: what to show.
        zone: of the times that are shown; none: that of the machine.

    """

    def __init__(self, report: Report, zone: dt.tzinfo | None = None) -> None:
        self._report = report
        self._zone = zone
        self._span = max(1, report.end - report.start)
        self._notified = by_alert(report.routed.told) if report.routed else {}

    def html(self) -> str:
        """The whole document."""
        return "\n".join(self._parts()) + "\n"

    def _parts(self) -> Iterator[str]:
        report = self._report
        title = f"Backtest of {', '.join(report.files)}"
        yield "<!doctype html>"
        yield '<html lang="en"><head><meta charset="utf-8">'
        yield f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="color-scheme" content="light dark">'
        yield f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        yield f"<h1>{escape(title)}</h1>"
        yield from self._summary()
        if not report.has_data:
            yield (
                '<p class="note"><strong>No data.</strong> The source has nothing of this time that matches '
                "any selector of these rules. "
                "Whether they would have fired is unknown.</p>"
            )
        else:
            yield from self._notes()
            yield from self._alerts()
            yield from self._routes()
        yield "</main></body></html>"

    # -- times ---------------------------------------------------------------------------------------------------

    def _local(self, at: Ms) -> dt.datetime:
        return to_datetime(at).astimezone(self._zone)

    def _time(self, at: Ms, form: str = "%a %d %b, %H:%M:%S") -> str:
        moment = self._local(at)
        return f'<time datetime="{moment.isoformat(timespec="seconds")}">{moment.strftime(form)}</time>'

    def _x(self, at: Ms) -> float:
        return (min(max(at, self._report.start), self._report.end) - self._report.start) / self._span * _WIDE

    # -- parts ---------------------------------------------------------------------------------------------------

    def _summary(self) -> Iterator[str]:
        report = self._report
        zone = self._local(report.start).strftime("%Z")
        fired = sum(story.fired for story in report.stories)
        silent = sum(1 for s in report.stories if not s.fired and not report.no_data_for(s.number))
        yield (
            f"<p>{self._time(report.start)} to {self._time(report.end)} "
            f"({format_duration(report.end - report.start)}, times in {escape(zone)}), from {escape(report.source)}: "
            f"{report.samples:,} samples, {report.played.evaluations:,} evaluations of "
            f"{len(report.backtest.rules)} rules.</p>"
        )
        if not report.has_data:
            return
        facts = [("times fired", fired), ("alerts that never fired", silent)]
        if report.routed is not None:
            people = sum(told.kind == "person" for told in report.routed.told)
            facts += [
                ("notifications", len(report.routed.told) - people),
                ("pages", people),
                ("of both at night", sum(told.at_night for told in report.routed.told)),
            ]
        yield '<dl class="facts">'
        yield "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in facts)
        yield "</dl>"

    def _notes(self) -> Iterator[str]:
        report = self._report
        lines = [
            f"No data at all from {self._time(low)} to {self._time(high)}: not evaluated."
            for low, high in report.unknown
        ]
        for gap in report.gaps:
            selector = f"<code>{escape(gap.selector)}</code>"
            if gap.since is None or gap.until is None:
                lines.append(f"No data for {selector}.")
                continue
            lines.append(f"Data for {selector} only from {self._time(gap.since)} to {self._time(gap.until)}.")
        for number in sorted(report.played.failures):
            failed = report.played.failures[number]
            at, text = failed.first
            name = escape(failed.rule.spec.name)
            lines.append(
                f"{name}: {failed.count:,} evaluations failed, first {self._time(at)}: <code>{escape(text)}</code>"
            )
        if lines:
            yield '<ul class="note">' + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"

    def _alerts(self) -> Iterator[str]:
        if not self._report.stories:
            yield "<p>There is no alerting rule among them.</p>"
            return
        zone = self._local(self._report.start).strftime("%Z")
        yield "<h2>Alerts</h2>"
        yield (
            '<p class="legend"><span class="key firing"></span> firing <span class="key pending"></span> pending '
            '<span class="key night"></span> night, 22 to 7. Open a row for every single alert.</p>'
        )
        marks = "".join(self._axis())
        yield f'<div class="axis" aria-hidden="true"><span>{escape(zone)}</span><div>{marks}</div></div>'
        for story in self._report.stories:
            yield from self._story(story)

    def _axis(self) -> Iterator[str]:
        step = next((t for t in _TICKS if self._span / t <= 8), _TICKS[-1])
        form = "%H:%M" if step < DAY and self._span <= DAY else "%d %b" if step >= DAY else "%d %b %H:%M"
        shift = int((self._local(self._report.start).utcoffset() or dt.timedelta()).total_seconds() * 1000)
        at = -(-(self._report.start + shift) // step) * step - shift
        while at <= self._report.end - self._span // 20:
            label = self._local(at).strftime(form)
            yield f'<span style="left:{self._x(at) / _WIDE:.3%}">{label}</span>'
            at += step

    def _story(self, story: Story) -> Iterator[str]:
        name = story.rule.spec.name
        missing = self._report.no_data_for(story.number)
        yield f'<details id="alert-{story.number}"><summary><span class="name">{escape(name)}</span>'
        if missing and not story.spans:
            yield '<svg class="unknown" aria-hidden="true"></svg>'
        else:
            yield self._bar(story.spans, self._words(story))
        yield f'<span class="words">{escape(self._words(story))}</span></summary>'
        yield f"<pre>{escape(story.rule.spec.expr)}</pre><p>{escape(_timing(story))}</p>"
        if missing:
            yield f"<p>No data for {', '.join(f'<code>{escape(m)}</code>' for m in missing)}.</p>"
        by: dict[Labels, list[Span]] = {}
        for span in story.spans:
            by.setdefault(span.labels, []).append(span)
        for labels, spans in list(by.items())[:_MOST_ROWS]:
            shown = ", ".join(f"{n}={v}" for n, v in labels if n != "alertname") or "no further labels"
            yield f'<div class="instance"><span class="name">{escape(shown)}</span>{self._bar(spans, "")}</div>'
        if story.spans:
            unit = unit_of(story.rule.spec.expr)
            yield from self._table(
                ("pending", "firing", "resolved", "lasted", "value", "alert"),
                (self._row(span, unit) for span in story.spans[:_MOST_ROWS]),
            )
        if len(story.spans) > _MOST_ROWS:
            yield f"<p>The first {_MOST_ROWS:,} of {len(story.spans):,}; the JSON output has them all.</p>"
        yield "</details>"

    def _words(self, story: Story) -> str:
        if not story.spans and self._report.no_data_for(story.number):
            return "no data"
        if not story.fired:
            return f"never fired, pending {_count(story.only_pending, 'time')}" if story.only_pending else "never fired"
        words = f"fired {_count(story.fired, 'time')}, {format_duration(story.total)} in total"
        words += f", longest {format_duration(story.longest)}" if story.fired > 1 else ""
        words += f", flapped {_count(story.flaps, 'time')}" if story.flaps else ""
        if self._report.routed is not None:
            notes, pages, nights = self._notified.get(story.rule.spec.name, (0, 0, 0))
            words += f"; {_count(notes, 'notification')}, {_count(pages, 'page')}, {nights} at night"
        return words

    def _bar(self, spans: Iterable[Span], words: str) -> str:
        role = f'role="img" aria-label="{escape(words)}"' if words else 'aria-hidden="true"'
        rects = [rect for span in spans for rect in self._rects(span)]
        # What fires lies above what is pending, of other instances too.
        rects.sort(key=lambda rect: 'class="firing"' in rect)
        inner = "".join([*self._nights(), *self._unknown(), *rects])
        return f'<svg {role} viewBox="0 0 {_WIDE} 20" preserveAspectRatio="none">{inner}</svg>'

    def _nights(self) -> Iterator[str]:
        if self._span < HOUR or self._span > 45 * DAY:
            return
        day = self._local(self._report.start).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        day -= dt.timedelta(days=1)
        while True:
            low = day.replace(hour=NIGHT[0], tzinfo=self._zone).timestamp() * 1000
            day += dt.timedelta(days=1)
            high = day.replace(hour=NIGHT[1], tzinfo=self._zone).timestamp() * 1000
            if low > self._report.end:
                return
            if high > self._report.start:
                x, end = self._x(int(low)), self._x(int(high))
                yield f'<rect class="night" x="{x:.1f}" width="{end - x:.1f}" y="0" height="20"/>'

    def _unknown(self) -> Iterator[str]:
        for low, high in self._report.unknown:
            x, end = self._x(low), self._x(high)
            yield f'<rect class="blank" x="{x:.1f}" width="{end - x:.1f}" y="0" height="20"/>'

    def _rects(self, span: Span) -> Iterator[str]:
        report = self._report
        until = report.end if report.evaluated is None else report.evaluated[1]
        ended = until if span.ended_at is None else span.ended_at
        calm = ended if span.fired_at is None else span.fired_at
        if calm > span.pending_at and calm >= report.start:
            x, end = self._x(span.pending_at), self._x(calm)
            yield f'<rect class="pending" x="{x:.2f}" width="{max(1.5, end - x):.2f}" y="7" height="6"/>'
        if span.fired_at is not None:
            x, end = self._x(span.fired_at), self._x(ended)
            words = f"firing for {format_duration(span.firing_for(report.start, report.end))}"
            yield (
                f'<rect class="firing" x="{min(x, _WIDE - 2):.2f}" width="{max(2.0, end - x):.2f}" y="2" height="16">'
                f"<title>{escape(words)}</title></rect>"
            )

    def _row(self, span: Span, unit: Unit) -> tuple[str, ...]:
        start = self._report.start
        labels = ", ".join(f"{n}={v}" for n, v in span.labels if n != "alertname")
        lasted = span.firing_for(start, self._report.end)
        end = "" if span.ended_at is None else self._time(span.ended_at)
        return (
            "before" if span.pending_at < start else self._time(span.pending_at),
            "-" if span.fired_at is None else "before" if span.fired_at < start else self._time(span.fired_at),
            end or ("still firing" if span.fired_at is not None else "still pending"),
            "-" if span.fired_at is None else format_duration(lasted),
            escape(unit.of(span.value)) if unit.word else f"{span.value:.6g}",
            escape(labels),
        )

    def _table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
        """A table; cells are HTML already."""
        yield '<div class="wide" tabindex="0" role="region" aria-label="table"><table><thead><tr>'
        yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
        for row in rows:
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        yield "</tbody></table></div>"

    # -- routes --------------------------------------------------------------------------------------------------

    def _routes(self) -> Iterator[str]:
        routed = self._report.routed
        yield "<h2>Whom this would have told</h2>"
        if routed is None:
            yield "<p>No configuration was given: name hypercare.yml or alertmanager.yml with "
            yield "<code>--config</code>.</p>"
            return
        yield f"<p>If {escape(routed.assumption)}.</p>"
        if not routed.tallies:
            yield "<p>Nobody would have been told.</p>"
            return
        yield '<div class="tallies">'
        for tally in routed.tallies:
            yield from self._tally(tally)
        yield '</div><details><summary><span class="name">Every notification and page</span></summary>'
        rows = (
            (
                self._time(told.at),
                escape(f"{told.local.strftime('%H:%M')} {told.zone}") + (" (night)" if told.at_night else ""),
                "page" if told.kind == "person" else "notification",
                escape(told.who + (f", step {told.step}, {told.channel}" if told.step else "")),
                escape(", ".join(told.alerts)),
                f"{told.firing} firing, {told.resolved} resolved" if told.kind == "receiver" else "",
            )
            for told in routed.told[:_MOST_ROWS]
        )
        yield from self._table(("when", "there", "kind", "to", "about", "tells of"), rows)
        if len(routed.told) > _MOST_ROWS:
            yield f"<p>The first {_MOST_ROWS:,} of {len(routed.told):,}; the JSON output has them all.</p>"
        yield "</details>"

    def _tally(self, tally: Tally) -> Iterator[str]:
        what = "page" if tally.kind == "person" else "notification"
        words = f"{_count(tally.count, what)}, {tally.at_night} at night"
        most = max(tally.hours)
        bars = "".join(
            f'<rect class="{"hour night-hour" if is_night(hour) else "hour"}" x="{hour * 10 + 1}" width="8" '
            f'y="{40 - 38 * count / most:.1f}" height="{38 * count / most:.1f}">'
            f"<title>{hour}:00: {count}</title></rect>"
            for hour, count in enumerate(tally.hours)
            if count
        )
        kind = "receiver" if tally.kind == "receiver" else "person"
        yield f"<section><h3>{escape(tally.who)} <small>{kind}</small></h3><p>{words}</p>"
        yield f'<svg role="img" aria-label="{escape(words)}, by hour" viewBox="0 0 240 41" preserveAspectRatio="none">'
        yield f'<rect class="night" x="0" width="{NIGHT[1] * 10}" y="0" height="41"/>'
        yield f'<rect class="night" x="{NIGHT[0] * 10}" width="20" y="0" height="41"/>{bars}</svg>'
        yield '<p class="hours"><span>0</span><span>6</span><span>12</span><span>18</span><span>24</span></p>'
        yield f"<p><small>by hour of the day in {escape(tally.zone)}, at most {most} in one</small></p></section>"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _timing(story: Story) -> str:
    spec = story.rule.spec
    text = f"for {format_duration(spec.hold)}" if spec.hold else "fires at once"
    return text + (f", keeps firing for {format_duration(spec.keep)}" if spec.keep else "")
