"""What a query may use."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.time import MINUTE, Ms

if TYPE_CHECKING:
    from collections.abc import Callable


def never() -> bool:
    """Nobody stops the evaluation."""
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one query, so that none takes the process down.

    Attributes:
        max_samples: cells fetched from the store or held by the result.
        max_scanned: cells read from the store, a few at a time, for results that are within ``max_samples``.
        max_series: series that one selector may find.
        max_bytes: memory that one query may take, as estimated from the samples and results that it holds.
        max_points: steps of a range query after its first, as Prometheus counts them.
        lookback: how old a sample may be to count as current, ms.
        subquery_step: the step of subqueries that name none, ms.
        stopped: asked again and again during an evaluation; once it is true nobody waits for the result.

    """

    max_samples: int = 50_000_000
    max_scanned: int = 1_000_000_000
    max_series: int = 1_000_000
    max_bytes: int = 2 << 30
    max_points: int = 11_000
    lookback: Ms = 5 * MINUTE
    subquery_step: Ms = MINUTE
    stopped: Callable[[], bool] = never
