"""The ``stats`` of a query: what it looked at, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql import parse
from hypercare.promql.ast import MatrixSelector, Subquery, VectorSelector, children
from hypercare.web.api.encode import plain_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.samples import Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.promql import Engine, Expr
    from hypercare.web.api.parameters import Parameters


def _counters(expr: Expr) -> Iterator[str]:
    """Expressions for the number of samples that each selector looks at, at each step."""
    match expr:
        case VectorSelector():
            yield f"count({expr})"
        case MatrixSelector() | Subquery():
            # What is selected within a subquery counts where its windows look at it.
            yield f"sum(count_over_time({expr}))"
        case _:
            for child in children(expr):
                yield from _counters(child)


def counted(engine: Engine, source: SampleSource, text: str, start: Ms, end: Ms, step: Ms) -> Ints:
    """How many samples an expression looks at, at each step; counted anew, so that other queries pay nothing for it."""
    total = np.zeros((end - start) // step + 1, dtype=np.int64)
    for counter in _counters(parse(text)):
        result = engine.range(source, counter, start, end, step)
        for values, present in zip(result.values, result.present, strict=True):
            total += np.where(present, values, 0).astype(np.int64)
    return total


def statistics(p: Parameters, counts: Ints, start: Ms, step: Ms, took: Ms) -> bytes:
    """The object; with ``stats=all`` the counts of each step are told, too.

    Args:
        p: of the request.
        counts: of ``counted``.
        start: of the first step.
        step: between steps.
        took: the whole evaluation.

    """
    spent = took / 1000
    timings = {
        "evalTotalTime": spent,
        "resultSortTime": 0,
        "queryPreparationTime": 0,
        "innerEvalTime": spent,
        "execQueueTime": 0,
        "execTotalTime": spent,
    }
    samples: dict[str, object] = {}
    if p.text("stats") == "all":
        at = (start + step * np.arange(len(counts))) / 1000
        samples["totalQueryableSamplesPerStep"] = [
            [int(t) if t == int(t) else t, n] for t, n in zip(at.tolist(), counts.tolist(), strict=True)
        ]
    # All steps are evaluated at once, so all of it is held at once.
    samples |= {"totalQueryableSamples": int(counts.sum()), "peakSamples": int(counts.sum())}
    return plain_json({"timings": timings, "samples": samples})
