"""One target while it is being scraped: its cache, its column numbers, and the row of each scrape."""

from __future__ import annotations

import re
from http import HTTPStatus
from sys import intern
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.collectors.exposition import (
    DROPPED,
    ExpositionError,
    Format,
    Parsed,
    ProtobufReader,
    ScrapeCache,
    check_limit,
    choose_format,
)
from hypercare.collectors.scrape.nhcb import ClassicParts
from hypercare.collectors.scrape.status import LastScrape
from hypercare.collectors.scrape.target import SampleLabels
from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.relabel import apply_to_dict
from hypercare.ports import PortError

if TYPE_CHECKING:
    from hypercare.collectors.scrape.job import Job, Source
    from hypercare.collectors.scrape.target import Target
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.ports import HttpResponse
    from hypercare.tsdb import Tsdb

_REPORTS: Final = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
_EXTRA_REPORTS: Final = ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")
_PARTS: Final = 64
"""Lines that a histogram may have where lines are counted before they are put together."""
_LEGACY_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LEGACY_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_NONE: Final[Ints] = np.zeros(0, np.int64)
_NO_VALUES: Final[Floats] = np.zeros(0, np.float64)
_NOTHING: Final = Parsed(_NONE, _NO_VALUES, (), 0, 0, 0, _NONE)


class LimitExceeded(ValueError):  # noqa: N818 - reads as what happened
    """A series beyond the label limits, without a name after relabelling, or with one that the job does not allow."""


class TargetRun:
    """State of one target.

    Attributes:
        due: when the next scrape is to begin.
        in_flight: whether an answer is to come.
        awaited: whether rules wait for it a little.
        ended: the target is gone; an answer that comes yet is thrown away.
        last: outcome of the last scrape, replaced as a whole.

    """

    def __init__(self, job: Job, target: Target, source: Source, tsdb: Tsdb) -> None:
        self.target = target
        self.source = source
        self.ended = False
        self.due: Ms = 0
        self.in_flight = False
        self.awaited = False
        self.refused = ""
        self.skipped = 0
        self.last: LastScrape | None = None
        self._tsdb = tsdb
        self._group = tsdb.group(f"scrape/{target.key}")
        self._generation = self._group.generation
        self._last_at: Ms = 0
        self._reports: Ints = _NONE
        self._report_columns: frozenset[int] = frozenset()
        self._row: tuple[Ints | None, Ints] = (None, _NONE)
        self.cache = ScrapeCache(self._resolve)
        self._protobuf: ProtobufReader | None = None
        self._parts: ClassicParts | None = None
        self.use(job, source)

    def use(self, job: Job, source: Source) -> None:
        """Take over the settings of a reload; lines seen are read anew, with the new relabelling."""
        self.job = job
        self.source = source
        self._join = SampleLabels(self.target.labels, honor=job.honor_labels)
        self._forget()
        wanted = job.native
        self._parts = (
            ClassicParts(self._resolve, wanted.limits, classic_too=wanted.classic_too) if wanted.convert else None
        )
        self.cache.part = self._parts.part if self._parts is not None else None
        self._number_reports()

    def _forget(self) -> None:
        self.cache.forget_lines()
        if self._protobuf is not None:
            self._protobuf.forget()
        if self._parts is not None:
            self._parts.forget()

    def _number_reports(self) -> None:
        names = _REPORTS + (_EXTRA_REPORTS if self.job.extra_metrics else ())
        own = self.target.labels.as_dict()
        columns = [self._group.column(Labels({**own, METRIC_NAME: name}.items())) for name in names]
        self._reports = np.array(columns, np.int64)
        self._report_columns = frozenset(columns)
        self._row = (None, _NONE)

    def _resolve(self, scraped: Labels) -> int:
        """Column of a series seen for the first time.

        Raises:
            LimitExceeded: it has too many or too long labels, or relabelling took its name.

        """
        labels = self._join.join(scraped)
        if not apply_to_dict(self.job.metric_relabel, labels):
            return DROPPED
        # Names and values repeat over series and targets; one copy of each saves a third of a series' memory.
        final = Labels((intern(n), intern(v)) for n, v in labels.items())
        if not final:
            return DROPPED
        if not final.name:
            msg = f"no metric name after relabelling: {final!s}"
            raise LimitExceeded(msg)
        self._check(final)
        column = self._group.column(final)
        # A target's own "up" would stand beside the one that tells about its scrape.
        return DROPPED if column in self._report_columns else column

    def _check(self, labels: Labels) -> None:
        limits = self.job.limits
        if self.job.legacy_names:
            _check_legacy(labels)
        if limits.labels and len(labels) > limits.labels:
            msg = f"label_limit exceeded: {len(labels)} labels, limit {limits.labels}: {labels!s:.200}"
            raise LimitExceeded(msg)
        longest_name, longest_value = limits.label_name_length, limits.label_value_length
        if longest_name or longest_value:
            for name, value in labels:
                if longest_name and len(name.encode()) > longest_name:
                    msg = f"label_name_length_limit exceeded: {name!r} in {labels!s:.200}, limit {longest_name}"
                    raise LimitExceeded(msg)
                if longest_value and len(value.encode()) > longest_value:
                    msg = f"label_value_length_limit exceeded: {name!r} in {labels!s:.200}, limit {longest_value}"
                    raise LimitExceeded(msg)

    def row_time(self, due: Ms, now: Ms) -> Ms:
        """Time of the row of a scrape that begins now.

        The scheduled time where the loop is late by no more than a hundredth of the interval: equal distances
        compress to nothing.
        """
        at = due if now - due <= self.target.interval // 100 else now
        self._last_at = max(at, self._last_at + 1)
        return self._last_at

    def take(self, at: Ms, answer: HttpResponse | PortError) -> None:
        """Store what a scrape brought."""
        if self._group.generation != self._generation:
            self._generation = self._group.generation
            self._forget()
            self._number_reports()
        error, size, parsed = "", 0.0, _NOTHING
        if isinstance(answer, PortError):
            error, size = answer.message, -1.0 if answer.kind == "too_large" else 0.0
        elif answer.status != HTTPStatus.OK:
            error = f"server returned HTTP status {answer.status} {_phrase(answer.status)}".rstrip()
        else:
            size = float(len(answer.body))
            try:
                parsed = self._parse(answer)
            except (ExpositionError, LimitExceeded) as err:
                error = str(err)
        stale = parsed.vanished if not error else self._failed()
        self._store(at, answer.duration, parsed, stale, ok=not error, size=size)
        self.last = LastScrape(at, answer.duration, error, parsed.scraped)

    def _parse(self, answer: HttpResponse) -> Parsed:
        fmt = choose_format(answer.headers.get("content-type", ""), self.job.fallback)
        if fmt is Format.PROTOBUF:
            self._protobuf = self._protobuf or ProtobufReader(self.cache)
            return self._protobuf.parse(
                answer.body,
                self.job.native,
                sample_limit=self.job.limits.samples,
                honor_timestamps=self.job.honor_timestamps,
            )
        limit = self.job.limits.samples
        parsed = self.cache.parse(
            answer.body,
            openmetrics=fmt is Format.OPENMETRICS,
            sample_limit=limit * (_PARTS if self._parts is not None else 1),
            honor_timestamps=self.job.honor_timestamps,
        )
        if self._parts is None:
            return parsed
        joined = self._parts.join(parsed)
        check_limit(joined.kept, limit)
        return joined

    def _failed(self) -> Ints:
        """Note a failed scrape; the columns that now need a staleness marker."""
        stale = self.cache.failed()
        return stale if self._parts is None else self._parts.failed(stale)

    def _store(self, at: Ms, duration: float, parsed: Parsed, stale: Ints, *, ok: bool, size: float) -> None:
        count = len(parsed.values)
        values = np.empty(count + len(self._reports), np.float64)
        values[:count] = parsed.values
        reports: tuple[float, ...] = (float(ok), duration, parsed.scraped, parsed.kept, parsed.added)
        if self.job.extra_metrics:
            reports += (self.target.timeout / 1000, self.job.limits.samples, size)
        values[count:] = reports
        # The store takes its short way when it gets the very array of the row before.
        if self._row[0] is not parsed.columns:
            self._row = (parsed.columns, np.concatenate([parsed.columns, self._reports]))
        self._tsdb.append(
            self._group, at, self._row[1], values,
            stale=stale.tolist(), histograms=parsed.histograms, starts=parsed.starts,
        )  # fmt: skip
        if parsed.timed or parsed.timed_histograms:
            self._store_timed(parsed)

    def _store_timed(self, parsed: Parsed) -> None:
        """Samples with times of their own go to a group of their own, a row for each time."""
        group = self._tsdb.group(f"scrape/{self.target.key}/timed")
        rows: dict[Ms, dict[int, float]] = {}
        natives: dict[Ms, dict[int, Histogram]] = {}
        for stamp, column, value in parsed.timed:
            number = group.column(self._group.series[column])
            rows.setdefault(stamp, {}).setdefault(number, value)
        for stamp, column, histogram in parsed.timed_histograms:
            number = group.column(self._group.series[column])
            natives.setdefault(stamp, {}).setdefault(number, histogram)
        for stamp in sorted({*rows, *natives}):
            row, native = rows.get(stamp, {}), natives.get(stamp, {})
            self._tsdb.append(group, stamp, list(row), list(row.values()), histograms=list(native.items()))

    def end(self, now: Ms) -> None:
        """Mark all series of the target as ended, the report series included."""
        self.ended = True
        gone = self._failed()
        if self.last is None:
            return
        at = max(now, self._last_at + 1)
        stale = [*gone.tolist(), *self._reports.tolist()]
        self._tsdb.append(self._group, at, _NONE, _NO_VALUES, stale=stale)
        self._last_at = at


def _check_legacy(labels: Labels) -> None:
    for name, value in labels:
        form, text = (_LEGACY_METRIC, value) if name == METRIC_NAME else (_LEGACY_LABEL, name)
        if form.fullmatch(text) is None:
            msg = f"{text!r} is no name under metric_name_validation_scheme: legacy, in {labels!s:.200}"
            raise LimitExceeded(msg)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
