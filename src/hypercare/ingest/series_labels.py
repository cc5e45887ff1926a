"""Label sets of series that others send: judged once, remembered by their bytes."""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_PAIRS: Final = 200_000
_CACHE_BYTES: Final = 64 << 20
"""Bytes of keys in one generation of the cache: about 250,000 series."""


class BadLabelsError(ValueError):
    """A label set that no series can have."""


def make_labels(pairs: Sequence[tuple[str, str]]) -> Labels:
    """The label set, judged as Prometheus does: any order, but no name twice, none empty, and a metric name.

    Raises:
        BadLabelsError: it cannot be that of a series.

    """
    names = dict(pairs)
    if len(names) != len(pairs):
        seen = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(seen) if name in seen[:i])
        msg = f"the label {twice!r} stands twice in {_show(pairs)}"
        raise BadLabelsError(msg)
    if "" in names:
        msg = f"a label without a name in {_show(pairs)}"
        raise BadLabelsError(msg)
    labels = Labels(pairs)
    if not labels.name:
        msg = f"a series without a metric name: {_show(pairs)}"
        raise BadLabelsError(msg)
    return labels


def _show(pairs: Sequence[tuple[str, str]]) -> str:
    inside = ", ".join(f"{name}={value!r}" for name, value in pairs)
    return f"{{{inside[:200]}{'…' if len(inside) > 200 else ''}}}"


class LabelCache:
    """From the bytes of a label set in a message to the one object; two generations, so that it stays bounded.

    Any thread may use it: two that learn the same set at once make two equal objects, of which one stays.
    """

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self.young: dict[bytes, Labels] = {}
        self._old: dict[bytes, Labels] = {}

    def get(self, key: bytes) -> Labels | None:
        """The label set of these bytes, where they were learned."""
        found = self.young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.learn(key, found)
        return found

    def learn(self, key: bytes, labels: Labels) -> None:
        """Remember what the bytes mean."""
        if self._size > self._limit:
            self._old, self.young, self._size = self.young, {}, 0
        self.young[key] = labels
        self._size += len(key) + 100


class V1Cache:
    """What version 1 of remote write remembers.

    Attributes:
        sets: by the bytes of the labels.
        valued: by the same bytes and the first two of the one sample behind them, which has a value.
        zeros: the same for a sample whose value is left out. Each has a cache of its own, because the same bytes in
            another place say nothing of how many follow them.
        pairs: single labels by their bytes: new series mostly have labels that others have.

    """

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self.sets = LabelCache(limit)
        self.valued = LabelCache(limit)
        self.zeros = LabelCache(limit)
        self.pairs: dict[bytes, tuple[str, str]] = {}

    def learn_pair(self, key: bytes, pair: tuple[str, str]) -> None:
        """Remember what the bytes of a label mean."""
        if len(self.pairs) >= _MAX_PAIRS:
            self.pairs = {}
        self.pairs[key] = (intern(pair[0]), intern(pair[1]))
