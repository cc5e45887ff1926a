"""``/federate``: the newest sample of each selected series, in the text format, for another Prometheus to scrape."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.collectors.exposition.render import series_text
from hypercare.gotemplate.gofmt import format_float
from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.samples import ABSENT_BITS, STALE_BITS
from hypercare.model.time import MINUTE
from hypercare.web.api.answers import ApiError
from hypercare.web.api.endpoint import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypercare.model.samples import SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.web.api.endpoint import Asked

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_LOOKBACK: Final = 5 * MINUTE
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
# Within these bounds Go writes no exponent.
_SMALL: Final = 1e-4
_LARGE: Final = 1e6
_Newest = tuple["Ms", float]


def newest(matrix: SampleMatrix) -> Iterator[tuple[Labels, _Newest]]:
    """The last sample of each series, those that ended left out."""
    bits = np.ascontiguousarray(matrix.values).view(np.int64)
    there = bits != ABSENT_BITS
    rows = len(bits) - 1 - there[::-1].argmax(axis=0)
    columns = np.arange(bits.shape[1])
    shown = there.any(axis=0) & (bits[rows, columns] != STALE_BITS)
    times, values = matrix.times[rows].tolist(), matrix.values[rows, columns].tolist()
    for i in shown.nonzero()[0].tolist():
        yield matrix.labels[i], (times[i], values[i])


def _plain(name: str, more: str = "") -> str:
    """A name that the text format can carry: underscores for what it cannot, as Prometheus escapes names."""
    if _PLAIN.issuperset(name):
        return name
    return "".join(char if char in _PLAIN or char in more else "_" for char in name)


@functools.lru_cache(maxsize=100_000)
def _series(labels: Labels, added: tuple[tuple[str, str], ...]) -> str:
    """What stands before the value, which is the same at every scrape; empty where there is no name."""
    name = _plain(labels.name, ":")
    own = [(_plain(label), text) for label, text in labels.pairs if label != METRIC_NAME]
    more = [pair for pair in added if pair[0] not in labels]
    return series_text(name, [*own, *more]) if name else ""


def _value(value: float) -> str:
    """A number as Go's text format has it, which knows no negative zero."""
    if value == 0:
        return "0"
    if _SMALL <= abs(value) < _LARGE:
        return repr(value).removesuffix(".0")
    return format_float(value)


def lines(found: Iterable[tuple[Labels, _Newest]], external: Mapping[str, str]) -> Iterator[str]:
    """The text: series by name, and labels of this server where a series lacks them.

    A series without an instance gets an empty one, so that the server that federates does not add its own.
    """
    added = tuple(sorted({"instance": "", **external}.items()))
    known = ""
    for labels, (at, value) in sorted(found, key=lambda each: (each[0].name, each[0].pairs)):
        series = _series(labels, added)
        if not series:
            continue
        if labels.name != known:
            known = labels.name
            yield f"# TYPE {_plain(known, ':')} untyped"
        yield f"{series} {_value(value)} {at}"


def federate(asked: Asked) -> Page:
    """Tell the newest samples of the series that fit the selectors."""
    p, app = asked.parameters, asked.app
    try:
        selectors = p.matchers(everything=True)
    except ApiError as error:
        return Page(f"{error}\n".encode("utf-8", "replace"), "text/plain; charset=utf-8", 400)
    if not selectors:
        return Page(b"match[] must name at least one selector\n", "text/plain; charset=utf-8", 400)
    source = app.tsdb.snapshot()
    found: dict[Labels, _Newest] = {}
    for matchers in selectors:
        for matrix in source.select(matchers, p.now - _LOOKBACK, p.now):
            for labels, sample in newest(matrix):
                if labels not in found or found[labels][0] <= sample[0]:
                    found[labels] = sample
    external = app.config.prometheus.global_.external_labels
    text = "".join(f"{line}\n" for line in lines(found.items(), external))
    return Page(text.encode("utf-8", "replace"), _TEXT)
