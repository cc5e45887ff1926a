"""Classic and native histograms side by side in one vector."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.printer import quote
from hypercare.promql.values import Cells, LabelSets, Vector, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.model.samples import Bools, Floats


@dataclasses.dataclass(frozen=True, slots=True)
class Apart:
    """The native histograms of a vector that no classic one with the same labels stands beside.

    Attributes:
        hists: ``[K, S]``, as of the vector.
        lost: ``[K, H]``, the classic histograms beside which a native one stood: neither counts.

    """

    vector: Vector
    hists: Cells
    lost: Bools


def apart(vector: Vector, classic: LabelSets, present: Bools, warn: Callable[[str], None]) -> Apart:
    """Drop both where a classic and a native histogram have the same labels at the same step, and warn."""
    shape = (len(vector.values), len(vector.sets))
    hists = np.full(shape, None, dtype=np.object_) if vector.hists is None else vector.hists
    lost = np.zeros((len(vector.values), len(classic)), dtype=np.bool_)
    places = {labels: i for i, labels in enumerate(classic.labels)}
    for column in np.flatnonzero(filled(hists).any(axis=0)).tolist():
        labels = vector.sets.labels[column]
        place = places.get(labels)
        if place is None:
            continue
        both = filled(hists[:, column]) & present[:, place]
        if both.any():
            tail = f" for metric name {quote(labels.name)}" if labels.name else ""
            warn(f"vector contains a mix of classic and native histograms{tail}")
            lost[:, place] |= both
            hists = hists.copy()
            hists[both, column] = None
    return Apart(vector, hists, lost)


def native_values(found: Apart, measure: Callable[[int, int], float]) -> Floats:
    """A number for every histogram, ``[K, S]``, by step and column."""
    values = np.zeros(found.hists.shape)
    for step, column in np.argwhere(filled(found.hists)).tolist():
        values[step, column] = measure(step, column)
    return values


def put_together(
    classic: Vector, found: Apart, values: Floats, extra: Mapping[str, str] | None = None, first: int = 0
) -> Vector:
    """The results of classic and native histograms as one vector.

    Args:
        classic: results of the classic ones.
        found: the native ones.
        values: their results, ``[K, S]``.
        extra: labels to set on the native ones.
        first: from which column of ``classic`` on the results stand that ``found.lost`` is about.

    """
    present = classic.mask.copy()
    if found.lost.shape[1] and present.shape[1]:
        present[:, first : first + found.lost.shape[1]] &= ~found.lost
    there = filled(found.hists)
    columns = np.flatnonzero(there.any(axis=0))
    labels = [found.vector.sets.labels[int(column)] for column in columns]
    if extra:
        labels = [each.with_(extra) for each in labels]
    sets = LabelSets((*classic.sets.labels, *labels))
    return Vector(
        sets,
        np.concatenate([classic.values, values[:, columns]], axis=1),
        np.concatenate([present, there[:, columns]], axis=1),
        unnamed=True,
    )
