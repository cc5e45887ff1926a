"""Results as Prometheus' JSON, written straight from the arrays: no Python object for a sample, no walk over dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from hypercare.web.api.histogram_json import histogram_json
from hypercare.web.api.numbers import plain_number, rows_of_texts, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Ints
    from hypercare.model.time import Ms
    from hypercare.promql import InstantResult, RangeResult

_CHUNK: Final = 16_384
"""Values written at a time: what fits into the processor's cache is written twice as fast."""


def stamp(at: Ms) -> str:
    """An instant as unix seconds, with three digits behind the point where it is no whole second."""
    whole, rest = divmod(abs(at), 1000)
    sign = "-" if at < 0 else ""
    return f"{sign}{whole}.{rest:03d}" if rest else f"{sign}{whole}"


def plain_json(value: Any) -> bytes:
    """JSON of dicts, lists, texts and numbers; halves of surrogate pairs, which JSON may bring in, become ``?``."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_clean(value))


def _clean(value: Any) -> Any:
    """The same with what UTF-8 and 64 bits can carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63 else value


def labels_json(labels: Labels) -> bytes:
    """The object of a label set."""
    return plain_json(dict(labels.pairs))


def _heads(times: Ints) -> list[bytes]:
    """What stands before each value: the end of the last pair and the beginning of its own."""
    seconds, rest = np.divmod(times, 1000)
    if not rest.any() and (not len(times) or times[0] >= 0):
        return [b'"],[%d,"' % s for s in seconds.tolist()]
    return [f'"],[{stamp(t)},"'.encode() for t in times.tolist()]


def _pairs(heads: list[bytes], values: list[bytes]) -> bytes:
    """``[[time,"value"],…]`` of one series."""
    woven: list[bytes] = [b""] * (2 * len(values))
    woven[0::2] = heads
    woven[1::2] = values
    # The first head ends a pair that is not there.
    return b"".join((b"[", b"".join(woven)[3:], b'"]]'))


def _row(labels: Labels, pairs: bytes, histograms: HistogramSeries | None) -> bytes:
    """One series: its samples of either kind."""
    parts = [b'{"metric":', labels_json(labels)]
    if pairs:
        parts += [b',"values":', pairs]
    if histograms is not None:
        written = (
            b"[%b,%b]" % (stamp(at).encode(), histogram_json(value))
            for at, value in zip(histograms.times.tolist(), histograms.values, strict=True)
        )
        parts += [b',"histograms":[', b",".join(written), b"]"]
    return b"".join((*parts, b"}"))


def _listed(kind: str, rows: list[bytes]) -> list[bytes]:
    """A result in pieces."""
    pieces = [b","] * (2 * len(rows) - 1) if rows else []
    pieces[0::2] = rows
    return [f'{{"resultType":"{kind}","result":['.encode(), *pieces, b"]}"]


def _matrix(rows: Iterable[tuple[Labels, bytes]], histograms: Sequence[HistogramSeries], limit: int) -> list[bytes]:
    """``data`` of a matrix from the pairs of its float series and from its histograms, both sorted by labels."""
    if not histograms:
        found = [_row(labels, pairs, None) for labels, pairs in rows]
    else:
        by_labels = {each.labels: (b"", each) for each in histograms}
        for labels, pairs in rows:
            by_labels[labels] = (pairs, by_labels[labels][1] if labels in by_labels else None)  # type: ignore[assignment]
        found = [_row(labels, *by_labels[labels]) for labels in sorted(by_labels)]
    return _listed("matrix", found[:limit] if limit else found)


def range_json(result: RangeResult, limit: int = 0) -> list[bytes]:
    """``data`` of /api/v1/query_range, in pieces; the grid's times are written once for all series.

    Args:
        result: of the engine.
        limit: most series to tell of; 0: all.

    """
    return _matrix(_range_rows(result, limit), result.histograms, limit)


def _range_rows(result: RangeResult, limit: int) -> Iterable[tuple[Labels, bytes]]:
    if not len(result.labels):
        return
    size, heads = len(result.times), _heads(result.times)
    counts = result.present.sum(axis=1)
    kept = counts.nonzero()[0]
    kept = kept[:limit] if limit else kept
    some = max(1, _CHUNK // size)
    for begin in range(0, len(kept), some):
        rows = kept[begin : begin + some]
        values, present, mine = result.values[rows], result.present[rows], counts[rows]
        whole = bool((mine == size).all())
        written = rows_of_texts(values.ravel() if whole else values[present], mine)
        at = 0
        for row, (index, count) in enumerate(zip(rows.tolist(), mine.tolist(), strict=True)):
            before = heads if count == size else [heads[k] for k in present[row].nonzero()[0].tolist()]
            yield result.labels[index], _pairs(before, written[at : at + count])
            at += count


def instant_json(result: InstantResult, limit: int = 0) -> list[bytes]:
    """``data`` of /api/v1/query, in pieces.

    Args:
        result: of the engine.
        limit: most elements of a vector, or series of a matrix, to tell of; 0: all.

    """
    if result.type == "matrix":
        return _matrix(_instant_rows(result), result.histogram_series, limit)
    at = stamp(result.at)
    if result.type == "vector":
        rows = _elements(result, at)
        return _listed("vector", rows[:limit] if limit else rows)
    # A scalar's time is any JSON number, without zeros at its end.
    short = at.rstrip("0") if "." in at else at
    if result.type == "scalar":
        return [f'{{"resultType":"scalar","result":[{short},"{plain_number(result.scalar)}"]}}'.encode()]
    return [b'{"resultType":"string","result":[%b,%b]}' % (short.encode(), plain_json(result.text))]


def _elements(result: InstantResult, at: str) -> list[bytes]:
    head = f',"value":[{at},"'.encode()
    rows = [
        b'{"metric":%b%b%b"]}' % (labels_json(labels), head, value)
        for labels, value in zip(result.labels, texts(result.values), strict=True)
    ]
    for each in result.histograms:
        shown = (labels_json(each.labels), at.encode(), histogram_json(each.histogram))
        rows.insert(each.place, b'{"metric":%b,"histogram":[%b,%b]}' % shown)
    return rows


def _instant_rows(result: InstantResult) -> Iterable[tuple[Labels, bytes]]:
    # The series of one target share their times.
    known: dict[int, list[bytes]] = {}
    for each in result.series:
        heads = known.get(id(each.times))
        if heads is None:
            heads = known[id(each.times)] = _heads(each.times)
        yield each.labels, _pairs(heads, texts(each.values))
