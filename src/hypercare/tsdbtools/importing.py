"""OpenMetrics text with times into a store.

The file is read once, checked line by line, and its samples laid down by span of time in scratch files; only when the
whole file was good is the store opened, and span after span written. So memory holds one span of two hours, a file that
is not OpenMetrics changes nothing, and an import that was killed can be repeated: what is there already is left alone.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np

from hypercare.collectors.exposition import ExpositionError, Meta, Parser, Series
from hypercare.collectors.exposition.parser import parse_line
from hypercare.model.errors import InputError, Problem
from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.time import HOUR
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms

_SPAN: Final = 2 * HOUR
_EVER: Final = 2**61
_LATEST: Final = 2**52
_BUFFERED: Final = 1 << 20
"""Samples kept in memory before they go to the scratch files."""
_SAMPLE: Final = np.dtype([("series", "<u4"), ("at", "<i8"), ("value", "<f8")])
_GZIP: Final = b"\x1f\x8b"


class ImportReport(NamedTuple):
    """What became of a file.

    Attributes:
        first: time of the oldest sample, ms; none where there is none.
        refused: one sentence for each kind of refusal: the store has another value for a time.

    """

    series: int
    samples: int
    stored: int
    there_already: int
    first: Ms | None
    last: Ms | None
    refused: tuple[str, ...]


def import_file(file: Path, directory: Path, now: Ms, source: str = "import") -> ImportReport:
    """Read a file of OpenMetrics text (gzip too) and write its samples into a store, which is made where there is none.

    Args:
        file: every sample in it must have a timestamp, and the times of a series must ascend.
        directory: of the store.
        now: spans that are over by then become blocks.
        source: under which name the store keeps the series together.

    Raises:
        InputError: the file is not OpenMetrics (with line and column), or another process uses the store. Nothing was
            written.
        OSError: the file cannot be read or the store not written.
    """
    with tempfile.TemporaryDirectory(prefix="hypercare-import-") as scratch:
        reader = Reader(file, Path(scratch))
        reader.read()
        return _store(reader, directory, now, source)


class Reader:
    """Checks a file and lays its samples down by span.

    Attributes:
        labels: of all series; samples name them by number.
        samples: how many there are; ``first`` and ``last``: the times of the oldest and the newest.

    """

    def __init__(self, file: Path, scratch: Path) -> None:
        self._file = file
        self._scratch = scratch
        self._parser = Parser(openmetrics=True)
        self.labels: list[Labels] = []
        self._numbers: dict[Labels, int] = {}
        # What a series' text came to since the last TYPE, which may change how bounds are written.
        self._known: dict[bytes, int] = {}
        self._newest = array("q")
        self._series = array("I")
        self._times = array("q")
        self._values = array("d")
        self.samples = 0
        self.first: Ms | None = None
        self.last: Ms | None = None

    def read(self) -> None:
        """Read all of it.

        Raises:
            InputError: it is not OpenMetrics, or a sample has no time or not a later one than that before it.
            OSError: it cannot be read.
        """
        at = 0
        line = b""
        try:
            with opened(self._file) as lines:
                for at, line in enumerate(lines, 1):
                    self._line(line.removesuffix(b"\n"), at)
            self._parser.finish()
        except ExpositionError as error:
            raise self._problem(at, error.column, str(error).partition(f"line {at}: ")[2] or str(error)) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self._problem(at, 0, f"the compressed data are damaged: {error}") from error
        self._lay_down()

    def _line(self, line: bytes, at: int) -> None:
        text, _, stamp = line.rpartition(b" ")
        text, _, value = text.rpartition(b" ")
        number = self._known.get(text)
        if number is not None:
            try:
                # What float() takes and the format does not is left to the full parser.
                if b"_" not in line[len(text) :]:
                    self._sample(number, round(float(stamp) * 1000), float(value), at, len(text) + 2)
                    return
            except (ValueError, OverflowError):
                pass
        entry = parse_line(self._parser, line, at)
        if isinstance(entry, Meta) and entry.kind == "type":
            self._known.clear()
        elif isinstance(entry, Series):
            if entry.timestamp is None:
                raise self._problem(at, len(entry.text) + 2, "expected a timestamp in seconds after the value")
            key = entry.text.encode()
            number = self._numbers.get(entry.labels)
            if number is None:
                number = self._numbers[entry.labels] = len(self.labels)
                self.labels.append(entry.labels)
                self._newest.append(-_EVER)
            self._known[key] = number
            self._sample(number, entry.timestamp, entry.value, at, len(entry.text) + 2)

    def _sample(self, number: int, time: Ms, value: float, at: int, column: int) -> None:
        newest = self._newest[number]
        if not 0 <= time < _LATEST:
            raise self._problem(at, column, "the time of this sample is before 1970 or beyond all years")
        if time <= newest:
            word = "again has the time" if time == newest else "is older than the sample before it, of"
            raise self._problem(
                at, column, f"this sample of {self.labels[number]} {word} {newest / 1000:.3f}",
                "write the samples of each series in the order of time, one a time",
            )  # fmt: skip
        self._newest[number] = time
        self._series.append(number)
        self._times.append(time)
        self._values.append(value)
        if len(self._times) >= _BUFFERED:
            self._lay_down()

    def _lay_down(self) -> None:
        """Append what is in memory to the scratch files of its spans."""
        if not self._times:
            return
        found = np.empty(len(self._times), _SAMPLE)
        found["series"], found["at"], found["value"] = self._series, self._times, self._values
        self.samples += len(found)
        oldest, newest = int(found["at"].min()), int(found["at"].max())
        self.first = oldest if self.first is None else min(self.first, oldest)
        self.last = newest if self.last is None else max(self.last, newest)
        spans = found["at"] // _SPAN
        for span in np.unique(spans).tolist():
            with (self._scratch / f"{span}.samples").open("ab") as scratch:
                scratch.write(found[spans == span].tobytes())
        self._series, self._times, self._values = array("I"), array("q"), array("d")

    def spans(self) -> Iterator[tuple[Ms, list[FloatSeries]]]:
        """The samples of each span, in the order of time, with the end of the span."""
        for path in sorted(self._scratch.glob("*.samples"), key=lambda each: int(each.stem)):
            found = np.fromfile(path, _SAMPLE)
            found = found[np.argsort(found["series"], kind="stable")]
            numbers, begins = np.unique(found["series"], return_index=True)
            ends = np.append(begins[1:], len(found)).tolist()
            yield (
                (int(path.stem) + 1) * _SPAN,
                [
                    FloatSeries(self.labels[number], *_columns(found[begin:end]))
                    for number, begin, end in zip(numbers.tolist(), begins.tolist(), ends, strict=True)
                ],
            )

    def _problem(self, line: int, column: int, message: str, hint: str = "") -> InputError:
        hint = hint or "expected OpenMetrics text as `hypercare tsdb export` writes it; nothing was imported"
        return InputError([Problem(str(self._file), line, column, message, hint)])


def _columns(found: np.ndarray[tuple[int], np.dtype[np.void]]) -> tuple[Ints, Floats]:
    return np.ascontiguousarray(found["at"]), np.ascontiguousarray(found["value"])


def opened(file: Path) -> BinaryIO:
    """A file for reading, gzip or plain."""
    raw = file.open("rb")
    compressed = raw.read(2) == _GZIP
    raw.seek(0)
    if not compressed:
        return raw
    with raw:
        return cast("BinaryIO", gzip.open(file))


def _store(reader: Reader, directory: Path, now: Ms, source: str) -> ImportReport:
    stored = already = 0
    refused: dict[str, None] = {}
    db = Tsdb.open(directory, Options(retention=_EVER, out_of_order_window=_EVER, seal_budget=_EVER))
    try:
        for end, series in reader.spans():
            result = db.write(WriteBatch(source, tuple(series)), end)
            stored += result.appended
            already += result.duplicates
            refused.update(dict.fromkeys(result.problems))
            if not db.flush(end):
                raise OSError("; ".join(problem.message for problem in db.problems))
            # The span itself, and what came late to one that was closed before.
            db.maintain(now)
            db.maintain(now)
    finally:
        db.close()
    return ImportReport(len(reader.labels), reader.samples, stored, already, reader.first, reader.last, tuple(refused))
