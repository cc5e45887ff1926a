"""Opening what a scenario's ``replay`` names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from hypercare.model.errors import InputError, Problem
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import DAY
from hypercare.promql import PromqlError, VectorSelector, parse
from hypercare.rehearse.needs import Need
from hypercare.rehearse.recording.naming import Naming
from hypercare.rehearse.recording.piece import Together
from hypercare.rehearse.recording.sources import ServerRecording, StoreRecording, TextRecording
from hypercare.rehearse.recording.table import read_table
from hypercare.rehearse.remote import RemoteHistory, logged_in
from hypercare.tsdbtools import read_only, store_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypercare.model.matchers import Matcher as _Matcher
    from hypercare.rehearse.recording.piece import Piece, Recording
    from hypercare.rehearse.remote import Send
    from hypercare.sim.scenario import Replay

_ALL: Final = (Matcher("__name__", MatchOp.NOT_EQUAL, ""),)
_EVERYTHING: Final = '{__name__!=""}'
_NEVER: Final = "nothing was recorded between begin and end"
_TEXTS: Final = (".om", ".prom", ".txt", ".openmetrics", ".metrics")
"""Endings of files of OpenMetrics text; everything else is taken for CSV."""


def open_recording(replay: Replay, base: Path, send: Send | None = None) -> Recording:
    """Open it; ``close`` it afterwards.

    Args:
        replay: what.
        base: the folder that files are relative to.
        send: makes one exchange and waits for it; none: no server can be asked.

    Raises:
        InputError: everything that is wrong with all files.
        SourceError: the server is away or refuses.

    """
    if replay.from_:
        return _server(replay, send)
    found: list[Recording] = []
    problems: list[Problem] = []
    for name in replay.files:
        try:
            found.append(_file(base / name, replay))
        except InputError as error:
            problems += error.problems
        except OSError as error:
            problems.append(Problem(str(base / name), 0, 0, f"cannot be read: {error.strerror or error}"))
    if problems:
        for each in found:
            each.close()
        raise InputError(problems)
    whole = found[0] if len(found) == 1 else Together(found)
    return whole if replay.begin is None and replay.end is None else _Cut(whole, replay)


def _file(path: Path, replay: Replay) -> Recording:
    if path.is_dir():
        return _Folder(path, replay)
    endings = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if endings and endings[-1].lower() in _TEXTS:
        text = TextRecording(path)
        if not text.samples:
            text.close()
            raise InputError([Problem(str(path), 0, 0, "there is no sample in it")])
        return text
    return read_table(path, Naming.of(replay))


class _Folder:
    """A data folder of ours, open as long as it is read."""

    def __init__(self, path: Path, replay: Replay) -> None:
        with contextlib.ExitStack() as stack:
            snapshot = stack.enter_context(read_only(store_directory(path))).snapshot()
            stats = snapshot.stats(1)
            if stats.min_time is None or stats.max_time is None:
                raise InputError([Problem(str(path), 0, 0, "there is no sample in it")])
            # Hours that are not asked for are not even read.
            first = max(stats.min_time, replay.begin or 0)
            last = stats.max_time if replay.end is None else min(stats.max_time, replay.end)
            if last < first:
                raise InputError([Problem(str(path), 0, 0, _NEVER)])
            self._inner = StoreRecording(str(path), snapshot, _ALL, first, last)
            # From here on it stays open.
            self._stack = stack.pop_all()
        self.name, self.first, self.last = self._inner.name, self._inner.first, self._inner.last

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        return self._inner.pieces()

    def close(self) -> None:
        """See ``Recording``."""
        self._stack.close()


class _Cut:
    """A part of a recording."""

    def __init__(self, whole: Recording, replay: Replay) -> None:
        self._whole = whole
        self.name = whole.name
        self.first = whole.first if replay.begin is None else max(whole.first, replay.begin)
        self.last = whole.last if replay.end is None else min(whole.last, replay.end)
        if self.last < self.first:
            whole.close()
            raise InputError([Problem(self.name, 0, 0, _NEVER)])

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        for piece in self._whole.pieces():
            here = (piece.times >= self.first) & (piece.times <= self.last)
            natives = []
            for series in piece.histograms:
                low, high = series.times.searchsorted((self.first, self.last + 1)).tolist()
                if low < high:
                    starts = None if series.starts is None else series.starts[low:high]
                    natives.append(
                        series._replace(times=series.times[low:high], values=series.values[low:high], starts=starts)
                    )
            if here.any() or natives:
                yield piece._replace(
                    numbers=piece.numbers[here],
                    times=piece.times[here],
                    values=piece.values[here],
                    histograms=tuple(natives),
                )

    def close(self) -> None:
        """See ``Recording``."""
        self._whole.close()


def _server(replay: Replay, send: Send | None) -> Recording:
    problems: list[Problem] = []
    if send is None:
        raise InputError([Problem("", 0, 0, "no server can be asked here", "replay files")])
    if not replay.from_.startswith(("http://", "https://")):
        problems.append(Problem("", 0, 0, f"from: expected an http address, found {replay.from_!r}"))
    bare, send = logged_in(replay.from_, send)
    if replay.begin is None or replay.end is None:
        text = "a server has to be told from when to when: begin and end"
        problems.append(Problem(bare, 0, 0, text, "on the command line: --start and --end"))
    needs = []
    for text in replay.match or (_EVERYTHING,):
        try:
            needs.append(Need(_matchers(text), text, DAY, current=True))
        except PromqlError as error:
            problems.append(Problem(f"match {text!r}", 0, 0, str(error), 'write a selector such as up{job="api"}'))
    if problems or replay.begin is None or replay.end is None:
        raise InputError(problems)
    history = RemoteHistory(bare, send)
    return ServerRecording(bare, history, needs, replay.begin, replay.end, replay.step)


def _matchers(text: str) -> tuple[_Matcher, ...]:
    found = parse(text)
    if not isinstance(found, VectorSelector) or found.offset or found.at is not None:
        raise PromqlError(f"not a plain selector: {text}")
    return found.matchers
