"""What a store tells about itself."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from hypercare.model.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

Table: TypeAlias = "tuple[tuple[str, int], ...]"


@dataclasses.dataclass(frozen=True, slots=True)
class Cardinality:
    """Tables of (name, count), greatest first: what ``/api/v1/status/tsdb`` shows.

    Attributes:
        series_by_metric: series of each metric name.
        values_by_label: distinct values of each label name.
        bytes_by_label: bytes of all values of each label name.
        series_by_pair: series of each ``name=value``.

    """

    series_by_metric: Table
    values_by_label: Table
    bytes_by_label: Table
    series_by_pair: Table
    label_pairs: int


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """Size and counters of a store.

    Attributes:
        head_series: series of the rows in memory.
        total_series: series of all stored rows, blocks included.
        head_min_time: oldest row in memory, ms; none where there is no row.
        min_time: oldest row stored, ms.
        samples_appended: since the store was opened (what the log brought back is not counted).
        out_of_order: samples refused since the store was opened.

    """

    head_series: int
    head_groups: int
    head_min_time: Ms | None
    head_max_time: Ms | None
    min_time: Ms | None
    max_time: Ms | None
    blocks: int
    total_series: int
    samples_appended: int
    out_of_order: int
    bytes_on_disk: int
    bytes_in_memory: int
    cardinality: Cardinality


def count_series(series: Iterable[Labels], limit: int) -> Cardinality:
    """Count label sets into tables of the ``limit`` greatest."""
    pairs: Counter[tuple[str, str]] = Counter()
    for labels in series:
        pairs.update(labels.pairs)
    values: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for (name, value), count in pairs.items():
        values[name] += 1
        sizes[name] += len(value.encode("utf-8", "surrogatepass")) * count
    metrics = Counter({value: count for (name, value), count in pairs.items() if name == METRIC_NAME})
    joined = Counter({f"{name}={value}": count for (name, value), count in pairs.items()})
    return Cardinality(
        series_by_metric=_top(metrics, limit),
        values_by_label=_top(values, limit),
        bytes_by_label=_top(sizes, limit),
        series_by_pair=_top(joined, limit),
        label_pairs=len(pairs),
    )


def _top(counts: Counter[str], limit: int) -> Table:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
