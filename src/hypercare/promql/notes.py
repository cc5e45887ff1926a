"""Annotations: what a user should know about a result, in Prometheus' form ``PromQL warning: … (line:column)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.time import Ms
    from hypercare.promql import ast

_FORCED: Final = (
    "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)


class _Forced(NamedTuple):
    """Classic histograms that were not monotonic: when, which buckets, by how much at most."""

    samples: int
    first: Ms
    last: Ms
    lowest: float
    highest: float
    most: float

    def joined(self, other: _Forced) -> _Forced:
        return _Forced(
            self.samples + other.samples,
            min(self.first, other.first),
            max(self.last, other.last),
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            max(self.most, other.most),
        )


class Notes:
    """Collects warnings and infos, each once, in order of appearance."""

    def __init__(self) -> None:
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}
        self._forced: dict[tuple[str, str], _Forced] = {}

    def warn(self, message: str, node: ast.Expr) -> None:
        """The result may be wrong."""
        self._warnings[f"PromQL warning: {message}{_place(node)}"] = None

    def info(self, message: str, node: ast.Expr) -> None:
        """The result may not be what was meant."""
        self._infos[f"PromQL info: {message}{_place(node)}"] = None

    def forced(self, name: str, fallen: Iterable[tuple[Ms, float, float]], node: ast.Expr) -> None:
        """Buckets of classic histograms were raised to the count of the bucket before; told once a metric.

        Args:
            name: what the message says of the metric.
            fallen: time, upper bound and by how much, for every bucket.
            node: the expression concerned.
        """
        cells = list(fallen)
        if not cells:
            return
        times, bounds = [at for at, _, _ in cells], [bound for _, bound, _ in cells]
        most = max(by for _, _, by in cells)
        found = _Forced(len(set(times)), min(times), max(times), min(bounds), max(bounds), most)
        self._join((name, _place(node)), found)

    def _join(self, key: tuple[str, str], found: _Forced) -> None:
        known = self._forced.get(key)
        self._forced[key] = found if known is None else known.joined(found)

    def absorb(self, other: Notes) -> None:
        """Take over all of another collection."""
        self._warnings.update(other._warnings)
        self._infos.update(other._infos)
        for key, found in other._forced.items():
            self._join(key, found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings."""
        return tuple(self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        """All infos."""
        if not self._forced:
            return tuple(self._infos)
        return (*self._infos, *(_told(*key, found) for key, found in self._forced.items()))

    def __bool__(self) -> bool:
        return bool(self._warnings or self._infos or self._forced)


def _told(name: str, place: str, found: _Forced) -> str:
    from hypercare.promql.printer import format_number  # noqa: PLC0415  # the printer knows expressions, too

    buckets = f"from buckets {format_number(found.lowest)} to {format_number(found.highest)}"
    span = f"from {_utc(found.first)} to {_utc(found.last)}"
    most = f"with a max diff of {_two_digits(found.most)}"
    return f"{_FORCED}{name}, {buckets}, {most}, over {found.samples} samples {span}{place}"


def _two_digits(value: float) -> str:
    """As Go prints with ``%.2g``."""
    return f"{value:.2g}"


def _utc(at: Ms) -> str:
    return f"{np.datetime_as_string(np.datetime64(at // 1000, 's'))}Z"


def _place(node: ast.Expr) -> str:
    return f" ({node.span.line}:{node.span.column})" if node.span.line else ""
