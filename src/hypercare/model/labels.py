"""Label sets: sorted, immutable, hashable."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

METRIC_NAME: Final = "__name__"


class Labels:
    """A set of label pairs sorted by name; an empty value means that the label is absent (as in Prometheus)."""

    __slots__ = ("_hash", "_map", "pairs")

    pairs: tuple[tuple[str, str], ...]

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(sorted({name: value for name, value in pairs if value}.items()))
        self._hash = hash(self.pairs)
        # Made when it is first asked for: most series that are stored are never looked into.
        self._map: dict[str, str] | None = None

    @property
    def _by_name(self) -> dict[str, str]:
        found = self._map
        if found is None:
            found = self._map = dict(self.pairs)
        return found

    def share(self, pool: dict[tuple[str, str], tuple[str, str]]) -> None:
        """Use the pairs of a pool in place of equal ones of our own, to take less memory."""
        self.pairs = tuple([pool.setdefault(pair, pair) for pair in self.pairs])

    @classmethod
    def _of_sorted(cls, pairs: tuple[tuple[str, str], ...]) -> Labels:
        """Labels of pairs that came out of a label set in its order: nothing is to be sorted or left out."""
        self = cls.__new__(cls)
        self.pairs = pairs
        self._hash = hash(pairs)
        self._map = None
        return self

    @classmethod
    def of(cls, mapping: Mapping[str, str] | None = None, /, **labels: str) -> Labels:
        """Build from a mapping and keyword arguments: ``Labels.of(job="api")``."""
        return cls({**(mapping or {}), **labels}.items())

    def get(self, name: str, default: str = "") -> str:
        """The value of a label, or ``default`` where it is absent."""
        found = self._map
        return (self._by_name if found is None else found).get(name, default)

    @staticmethod
    def column(sets: Iterable[Labels], name: str) -> list[str]:
        """The value of one label in each of many sets, empty where it is absent."""
        return [(labels._map or labels._by_name).get(name, "") for labels in sets]  # noqa: SLF001 - its own kind

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Labels):
            return NotImplemented
        return self._hash == other._hash and self.pairs == other.pairs

    def __lt__(self, other: Labels) -> bool:
        return self.pairs < other.pairs

    def __hash__(self) -> int:
        return self._hash

    @property
    def name(self) -> str:
        """The metric name, or an empty string."""
        # It stands at the front but where a label name begins with a capital letter, or is no word.
        for name, value in self.pairs:
            if name == METRIC_NAME:
                return value
        return ""

    def as_dict(self) -> dict[str, str]:
        """A new dict, sorted by name."""
        return dict(self.pairs)

    def with_(self, mapping: Mapping[str, str]) -> Labels:
        """A copy with labels set or, by an empty value, removed."""
        return Labels({**dict(self.pairs), **mapping}.items())

    def without(self, names: Iterable[str]) -> Labels:
        """A copy that lacks the given labels."""
        drop = frozenset(names)
        return self._of_sorted(tuple([pair for pair in self.pairs if pair[0] not in drop]))

    def keep(self, names: Iterable[str]) -> Labels:
        """A copy with only the given labels."""
        wanted = frozenset(names)
        return self._of_sorted(tuple([pair for pair in self.pairs if pair[0] in wanted]))

    def without_name(self) -> Labels:
        """A copy that lacks the metric name."""
        return self.without((METRIC_NAME,)) if self.name else self

    def fingerprint(self) -> str:
        """16 hex digits that are equal for equal sets, on every machine and in every run."""
        text = "\xff".join(f"{n}\xfe{v}" for n, v in self.pairs)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def __str__(self) -> str:
        """As in the exposition format: ``up{job="api"}``."""
        inner = ", ".join(f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in self.pairs if n != METRIC_NAME)
        return f"{self.name}{{{inner}}}" if inner or not self.name else self.name

    def __repr__(self) -> str:
        return f"Labels({self!s})"


EMPTY: Final = Labels()
