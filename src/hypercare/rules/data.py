"""What rules read from and write to: the store, as far as this room needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Floats, Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.options import AppendResult


class RuleData(Protocol):
    """The tsdb, or history with an empty tsdb on top of it."""

    def snapshot(self) -> SampleSource:
        """What there is now; it changes no more."""
        ...

    def group(self, key: str) -> Group:
        """The group of series of this name."""
        ...

    def append(
        self,
        group: Group,
        at: Ms,
        columns: Ints | Sequence[int],
        values: Floats | Sequence[float],
        *,
        stale: Sequence[int] = (),
        histograms: Sequence[tuple[int, Histogram]] = (),
    ) -> AppendResult:
        """Append one row; see ``tsdb.Tsdb.append``."""
        ...
