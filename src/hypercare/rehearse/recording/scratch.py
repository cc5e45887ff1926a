"""Samples that come in any order, laid down on the disk by span of time, and read span by span."""

from __future__ import annotations

import tempfile
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.rehearse.recording.piece import SPAN, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

_BUFFERED: Final = 1 << 20
_SAMPLE: Final = np.dtype([("series", "<u4"), ("line", "<u4"), ("at", "<i8"), ("value", "<f8")])


class Twice(NamedTuple):
    """Two lines that give different values to one series at one time."""

    labels: Labels
    at: Ms
    line: int
    again: int


class Scratch:
    """One file's samples; a ``Recording`` once ``settle`` was called.

    Attributes:
        labels: the series by number.
        samples: how many.

    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.labels: list[Labels] = []
        self.samples = 0
        self.first: Ms = 0
        self.last: Ms = 0
        self._numbers: dict[Labels, int] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="hypercare-replay-")
        self._path = Path(self._folder.name)
        self._columns = (array("I"), array("I"), array("q"), array("d"))

    def number(self, labels: Labels) -> int:
        """The number of a series, a new one where it was not seen before."""
        found = self._numbers.setdefault(labels, len(self.labels))
        if found == len(self.labels):
            self.labels.append(labels)
        return found

    def add(self, number: int, line: int, at: Ms, value: float) -> None:
        """Take a sample."""
        series, lines, times, values = self._columns
        series.append(number)
        lines.append(line)
        times.append(at)
        values.append(value)
        if len(times) >= _BUFFERED:
            self._lay_down()

    def settle(self) -> list[Twice]:
        """All is there; what contradicts itself (at most one in each span). Equal samples are kept once."""
        self._lay_down()
        found: list[Twice] = []
        for path in self._files():
            samples = np.fromfile(path, _SAMPLE)
            samples = samples[np.lexsort((samples["line"], samples["series"], samples["at"]))]
            again = (samples["at"][1:] == samples["at"][:-1]) & (samples["series"][1:] == samples["series"][:-1])
            same = samples["value"][1:].view(np.int64) == samples["value"][:-1].view(np.int64)
            wrong = np.flatnonzero(again & ~same)
            if len(wrong):
                one, two = samples[wrong[0]], samples[wrong[0] + 1]
                found.append(Twice(self.labels[int(one["series"])], int(one["at"]), int(one["line"]), int(two["line"])))
            keep = np.append(True, ~again)
            samples[keep].tofile(path)
        return found

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        for path in self._files():
            samples = np.fromfile(path, _SAMPLE)
            numbers, times = samples["series"].astype(np.int64), np.ascontiguousarray(samples["at"])
            yield Piece(int(path.stem), self.labels, numbers, times, np.ascontiguousarray(samples["value"]))

    def close(self) -> None:
        """See ``Recording``."""
        self._folder.cleanup()

    def _files(self) -> list[Path]:
        return sorted(self._path.glob("*.samples"), key=lambda each: int(each.stem))

    def _lay_down(self) -> None:
        series, lines, times, values = self._columns
        if not times:
            return
        found = np.empty(len(times), _SAMPLE)
        found["series"], found["line"], found["at"], found["value"] = series, lines, times, values
        low, high = int(found["at"].min()), int(found["at"].max())
        self.first = min(self.first, low) if self.samples else low
        self.last = max(self.last, high) if self.samples else high
        self.samples += len(found)
        spans = found["at"] // SPAN
        for span in np.unique(spans).tolist():
            with (self._path / f"{span}.samples").open("ab") as file:
                file.write(found[spans == span].tobytes())
        self._columns = (array("I"), array("I"), array("q"), array("d"))
