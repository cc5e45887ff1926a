"""Parsing at speed: the text before a line's last blank is the same at every scrape.

Three ways, each falling back to the next:

1. The body has the lines of the last one, in order: take each line's known prefix off and read what is left as a
   number, all in C.
2. Look each line's prefix up in a dict.
3. The full parser, for lines never seen.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from pydantic_core import from_json

from hypercare.collectors.exposition.lines import ExpositionError, Meta, Series
from hypercare.collectors.exposition.metadata import Metadata
from hypercare.collectors.exposition.parser import Parser, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.histograms import Histogram
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms

DROPPED: Final = -1
"""Column of a series that relabelling drops."""
_NO_INTS: Final[Ints] = np.zeros(0, np.int64)
_PLAIN_NUMBERS: Final = b"0123456789.+-eENa,"
"""Bytes of numbers as JSON has them, and of NaN."""


class TooManySamples(ExpositionError):  # noqa: N818 - reads as what happened
    """More samples than the limit, after relabelling."""


class Parsed(NamedTuple):  # made at every scrape: a tuple is the cheapest record
    """One body in columns.

    Attributes:
        columns: of the samples without a timestamp of their own, no column twice.
        timed: samples with a timestamp, as (timestamp, column, value).
        scraped: samples in the body.
        kept: those left after relabelling.
        added: series that the last good scrape did not have.
        vanished: columns of the last scrape that this one lacks.
        histograms: native histograms without a timestamp, as (column, histogram); their columns are not in ``columns``.
        timed_histograms: those with one, as (timestamp, column, histogram).
        starts: when the counting of a column began, as (column, ms), where the target tells.

    """

    columns: Ints
    values: Floats
    timed: tuple[tuple[Ms, int, float], ...]
    scraped: int
    kept: int
    added: int
    vanished: Ints
    histograms: tuple[tuple[int, Histogram], ...] = ()
    timed_histograms: tuple[tuple[Ms, int, Histogram], ...] = ()
    starts: tuple[tuple[int, Ms], ...] = ()


_ShapeKey: TypeAlias = "tuple[bool, tuple[int, ...], tuple[bytes, ...], tuple[bytes, ...]]"


class _Shape:
    """The lines of a body whose samples all have the plain form ``series value``, but for the values."""

    __slots__ = (
        "__weakref__", "at", "comments", "get_comments", "line_count", "openmetrics", "overhead", "prefixes", "samples",
    )  # fmt: skip

    def __init__(self, lines: Sequence[bytes], at: Sequence[int], *, openmetrics: bool) -> None:
        self.openmetrics = openmetrics
        self.line_count = len(lines)
        self.at = tuple(at)
        self.samples = _getter(at)
        self.get_comments = _getter(sorted(set(range(len(lines))) - set(at)))
        self.comments = self.get_comments(lines)
        self.prefixes = tuple(lines[i].rpartition(b" ")[0] + b" " for i in at)
        self.overhead = len(lines) - 1 + sum(map(len, self.prefixes)) + sum(map(len, self.comments))

    @property
    def key(self) -> _ShapeKey:
        """What equal shapes have in common."""
        return self.openmetrics, self.at, self.comments, self.prefixes


_SHAPES: Final[WeakValueDictionary[_ShapeKey, _Shape]] = WeakValueDictionary()
"""Targets of one job mostly write the same lines: they share a shape, which is then in the processor's caches, too."""


class _Layout:
    """A shape and the columns of its lines in one target."""

    __slots__ = ("columns", "keep", "kept", "of_lines", "shape", "shared")

    def __init__(self, shape: _Shape, columns: Sequence[int]) -> None:
        self.shape = shape
        self.shared = False
        first: dict[int, int] = {}
        for i, column in enumerate(columns):
            if column != DROPPED:
                first.setdefault(column, i)
        # Readers may keep the arrays; they are shared by all scrapes of this layout.
        self.columns = np.fromiter(first.keys(), np.int64, len(first))
        self.columns.flags.writeable = False
        self.keep = None if len(first) == len(columns) else np.fromiter(first.values(), np.int64, len(first))
        self.of_lines = self.columns if self.keep is None else np.array(columns, np.int64)
        self.kept = sum(c != DROPPED for c in columns)

    def share(self) -> None:
        """Use the shape of another target that writes the same lines."""
        self.shape = _SHAPES.setdefault(self.shape.key, self.shape)
        self.shared = True

    def lines(self) -> dict[bytes, int]:
        """Columns by series text."""
        return dict(zip((p[:-1] for p in self.shape.prefixes), self.of_lines.tolist(), strict=True))


def _getter(at: Sequence[int]) -> Callable[[Sequence[bytes]], tuple[bytes, ...]]:
    """Items at given places, as a tuple whatever their number."""
    if len(at) > 1:
        getter: Any = itemgetter(*at)
        return getter  # type: ignore[no-any-return]
    if not at:
        return lambda _lines: ()
    only = at[0]
    return lambda lines: (lines[only],)


class ScrapeCache:
    """What is known of one target's lines.

    Args:
        resolve: column of a label set that was not seen before (relabelled by whoever resolves), or ``DROPPED``. What
            it raises ends the parse.

    Attributes:
        metadata: families that the target described; replaced as a whole when one changes.
        part: asked first about series of histogram families: the number of a part of a histogram, or none.
        known: columns by series text; empty while bodies are read by their layout, which has them, too.
        comments: metadata by line.

    """

    def __init__(self, resolve: Callable[[Labels], int]) -> None:
        self.resolve = resolve
        self.part: Callable[[Labels, str], int | None] | None = None
        self._layout: _Layout | None = None
        self._metas: list[Meta] = []
        self._live: Ints = _NO_INTS
        self._unmarked: Ints = _NO_INTS
        self.known: dict[bytes, int] = {}
        self.comments: dict[bytes, Meta] = {}
        self.metadata: dict[str, Metadata] = {}

    def forget_lines(self) -> None:
        """Resolve every line anew, when unused columns were given up or relabelling is another.

        Which columns live stays known, so that those which do not come again get their staleness markers.
        """
        self.known.clear()
        self._layout = None

    def failed(self) -> Ints:
        """Note a failed scrape; the columns that now need a staleness marker."""
        gone, self._unmarked = self._unmarked, _NO_INTS
        return np.sort(gone)

    def parse(
        self, body: bytes, *, openmetrics: bool = False, sample_limit: int = 0, honor_timestamps: bool = True
    ) -> Parsed:
        """Read a body.

        Args:
            body: as received, decompressed.
            openmetrics: the format.
            sample_limit: most samples after relabelling; 0: any number.
            honor_timestamps: false takes timestamps off.

        Raises:
            ExpositionError: not in the format, or too many samples. The state is then as before; call ``failed``.

        """
        lines = body.split(b"\n")
        layout = self._layout
        if layout is not None and layout.shape.openmetrics is openmetrics:
            values = _read_as(layout.shape, lines, len(body))
            if values is not None:
                check_limit(layout.kept, sample_limit)
                return self._from_layout(layout, values)
        if layout is not None and layout.shared and not self.known:
            self.known = layout.lines()
        return _Slow(self, openmetrics=openmetrics, limit=sample_limit, honor=honor_timestamps).run(lines)

    def learn(self, text: bytes, labels: Labels, parser: Parser) -> int:
        """Resolve a new series and remember it."""
        part = None
        if self.part is not None and parser.type == "histogram":
            part = self.part(labels, parser.family)
        column = self.known[text] = self.resolve(labels) if part is None else part
        return column

    def take(self, layout: _Layout, metas: list[Meta], timed: Ints, *, odd: bool) -> tuple[int, Ints]:
        """Take over what a good pass found; ``odd``: some lines have more than ``series value``."""
        self._layout = None if odd else layout
        self._describe(metas)
        if len(self.comments) > 2 * len(metas) + 100:
            self.comments.clear()
        if len(self.known) > 2 * layout.shape.line_count + 100:
            # Lines that no longer come outnumber those that do; the next pass learns the rest again.
            self.known = {p[:-1]: self.known[p[:-1]] for p in layout.shape.prefixes if p[:-1] in self.known}
        return self._turn(layout.columns, timed)

    def take_columns(self, plain: Ints, stamped: Ints, metas: list[Meta]) -> tuple[int, Ints]:
        """Take over what a good pass over another format found: how many columns are new, which have vanished."""
        self._layout = None
        self._describe(metas)
        return self._turn(plain, stamped)

    def _describe(self, metas: list[Meta]) -> None:
        if metas != self._metas:
            self._metas = metas
            self.metadata = _families(metas)

    def _from_layout(self, layout: _Layout, values: Floats) -> Parsed:
        scraped = len(values)
        if layout.keep is not None:
            values = values[layout.keep]
        if not layout.shared:
            # The second body with the same lines: there will be more of them.
            layout.share()
            self.known = {}
        added, vanished = self._turn(layout.columns, _NO_INTS)
        return Parsed(layout.columns, values, (), scraped, layout.kept, added, vanished)

    def _turn(self, plain: Ints, timed: Ints) -> tuple[int, Ints]:
        """Take the columns of a good scrape over: how many are new, which need a staleness marker.

        Series with their own timestamps get no marker: nobody knows when they would have had their next sample.
        """
        if self._live is plain and self._unmarked is plain:
            return 0, _NO_INTS
        live = np.union1d(plain, timed) if len(timed) else plain
        added = len(np.setdiff1d(live, self._live))
        vanished = np.setdiff1d(self._unmarked, live)
        self._live, self._unmarked = live, plain
        return added, vanished


def _families(metas: list[Meta]) -> dict[str, Metadata]:
    found: dict[str, Metadata] = {}
    for meta in metas:
        found[meta.metric] = found.get(meta.metric, Metadata(meta.metric)).with_(meta.kind, meta.text)
    return found


def check_limit(kept: int, limit: int) -> None:
    """Refuse more samples than the limit, where there is one.

    Raises:
        TooManySamples: there are more.

    """
    if limit and kept > limit:
        msg = f"sample limit exceeded: more than {limit} samples after relabelling"
        raise TooManySamples(msg)


def _read_as(shape: _Shape, lines: list[bytes], size: int) -> Floats | None:
    """The values, if the lines are those of the shape."""
    if len(lines) != shape.line_count or shape.get_comments(lines) != shape.comments:
        return None
    texts = list(map(bytes.removeprefix, shape.samples(lines), shape.prefixes))
    joined = b",".join(texts)
    # Every prefix has come off only if the values are what is left of the body.
    if size - (len(joined) - max(len(texts) - 1, 0)) != shape.overhead:
        return None
    return _read_numbers(joined, texts)


def _read_numbers(joined: bytes, texts: list[bytes]) -> Floats | None:
    """Numbers from their texts, which are also given joined by commas; none where one is not a number."""
    whole_zero = b"-" in joined and (b"-0," in joined or joined.endswith(b"-0"))
    if not whole_zero and not joined.translate(None, _PLAIN_NUMBERS):
        # Most bodies: as JSON they are read in one go. (JSON has no whole negative zero.)
        try:
            read = from_json(b"[" + joined + b"]")
            found = np.fromiter(read, np.float64, len(read))
        except (ValueError, OverflowError):
            pass
        else:
            if len(found) == len(texts):
                return found
    # What float() would take and the format does not.
    if b"_" in joined or b"\r" in joined or b" " in joined or b"\t" in joined:
        return None
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None


class _Slow:
    """One pass over a body line by line, filling the cache."""

    def __init__(self, cache: ScrapeCache, *, openmetrics: bool, limit: int, honor: bool) -> None:
        self.cache = cache
        self.parser = Parser(openmetrics=openmetrics)
        self.limit = limit
        self.honor = honor
        self.columns: list[int] = []
        self.values: list[float] = []
        self.at: list[int] = []
        self.timed: list[tuple[Ms, int, float]] = []
        self.metas: list[Meta] = []
        self.odd = False
        self.dropped = self.counted = 0

    def run(self, lines: list[bytes]) -> Parsed:
        known = self.cache.known
        add_column, add_value, add_at = self.columns.append, self.values.append, self.at.append
        for i in range(len(lines) - (lines[-1] == b"")):
            line = lines[i]
            key, _, text = line.rpartition(b" ")
            column = known.get(key)
            value = None if column is None else _number(text)
            if column is None or value is None:
                self._other(line, i)
            else:
                add_value(value)
                add_column(column)
                add_at(i)
        # Known series behind an end mark are caught here too: then the last line is no end mark, or the second one.
        if self.parser.openmetrics and lines[-1 - (lines[-1] == b"" and len(lines) > 1)] != b"# EOF":
            msg = "data does not end with # EOF"
            raise ExpositionError(msg)
        return self._done(lines)

    def _done(self, lines: list[bytes]) -> Parsed:
        layout = _Layout(_Shape(lines, self.at, openmetrics=self.parser.openmetrics), self.columns)
        timed = tuple(sorted(t for t in self.timed if t[1] != DROPPED))
        check_limit(layout.kept + len(timed), self.limit)
        values = np.array(self.values, np.float64)
        scraped = len(values) + len(self.timed)
        if layout.keep is not None:
            values = values[layout.keep]
        stamped = np.array([t[1] for t in timed], np.int64)
        added, vanished = self.cache.take(layout, self.metas, stamped, odd=self.odd)
        return Parsed(layout.columns, values, timed, scraped, layout.kept + len(timed), added, vanished)

    def _other(self, line: bytes, i: int) -> None:
        """A line that is not ``known-series value``."""
        comment = self.cache.comments.get(line)
        if comment is not None:
            self._meta(comment)
            return
        if self._known_with_more(line, i):
            return
        entry = parse_line(self.parser, line, i + 1)
        if isinstance(entry, Series):
            self._series(line, entry, i)
        elif isinstance(entry, Meta):
            self.cache.comments[line] = entry
            self._meta(entry)

    def _meta(self, meta: Meta) -> None:
        self.metas.append(meta)
        if meta.kind == "type":
            self.parser.type, self.parser.family = meta.text, meta.metric

    def _known_with_more(self, line: bytes, i: int) -> bool:
        """A series seen before, with an exemplar or a timestamp in ms after its value."""
        head, mark, _ = line.partition(b" # {") if self.parser.openmetrics else (line, b"", b"")
        key, _, text = head.rpartition(b" ")
        column = self.cache.known.get(key) if mark else None
        found = None if column is None else _number(text)
        if column is not None and found is not None:
            # The exemplar was checked when the series was new; nothing of it is kept.
            self._plain(column, found, i)
            return True
        if self.parser.openmetrics or not text.isdigit():
            return False
        key, _, value = key.rpartition(b" ")
        column = self.cache.known.get(key) if value else None
        found = None if column is None else _number(value)
        if column is None or found is None:
            return False
        self._stamped(column, found, int(text), i)
        return True

    def _series(self, line: bytes, series: Series, i: int) -> None:
        text = series.text.encode()
        column = self.cache.known.get(text)
        if column is None:
            # Before the column exists: a target that sends millions must not fill the store.
            if self.limit:
                self.dropped += self.columns[self.counted :].count(DROPPED)
                self.counted = len(self.columns)
                check_limit(self.counted + len(self.timed) - self.dropped, self.limit)
            column = self.cache.learn(text, series.labels, self.parser)
        if series.timestamp is not None:
            self._stamped(column, series.value, series.timestamp, i)
        elif line.startswith(text + b" ") and series.exemplar is None and line.count(b" ", len(text)) == 1:
            self.columns.append(column)
            self.values.append(series.value)
            self.at.append(i)
        else:
            self._plain(column, series.value, i)

    def _plain(self, column: int, value: float, i: int) -> None:
        """A sample in a line of unusual form: the next body cannot be read by layout."""
        self.odd = True
        self.columns.append(column)
        self.values.append(value)
        self.at.append(i)

    def _stamped(self, column: int, value: float, stamp: Ms, i: int) -> None:
        if not self.honor:
            self._plain(column, value, i)
            return
        self.odd = True
        self.timed.append((stamp, column, value))


def _number(text: bytes) -> float | None:
    """The value, where nothing but a value is left of the line; what else may stand there is for the full parser."""
    if b"_" not in text and text.strip() == text:
        try:
            return float(text)
        except ValueError:
            pass
    return None
