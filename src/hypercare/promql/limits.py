"""What a query may use."""

from __future__ import annotations

import dataclasses

from hypercare.model.time import MINUTE, Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one query, so that none takes the process down.

    Attributes:
        max_samples: cells fetched from the store or held by the result.
        max_series: series that one selector may find.
        max_points: steps of a range query.
        lookback: how old a sample may be to count as current, ms.
        subquery_step: the step of subqueries that name none, ms.

    """

    max_samples: int = 50_000_000
    max_series: int = 1_000_000
    max_points: int = 11_000
    lookback: Ms = 5 * MINUTE
    subquery_step: Ms = MINUTE
