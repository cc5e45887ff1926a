"""Whether new data speak about an alert that was left pending before a break: by an earlier process, or by a sleep.

"Not yielded" has two meanings right after it: the condition is over, or its data were not scraped again yet. In the
first case the alert is over too; in the second it waits. Samples taken since the break tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.labels import METRIC_NAME
from hypercare.model.samples import is_absent
from hypercare.promql import selectors
from hypercare.promql.ast import MatrixSelector, Subquery, walk

if TYPE_CHECKING:
    from collections.abc import Collection

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.promql import Expr
    from hypercare.rules.evaluation import Round


class Evidence:
    """What an expression reads, and how many samples of a series it needs to answer.

    Args:
        expr: the rule's, or none if it is not valid.
        own: names of labels that the rule sets; they say nothing about the series it reads.

    """

    __slots__ = ("_needed", "_own", "_selections")

    def __init__(self, expr: Expr | None, own: Collection[str]) -> None:
        self._own = frozenset((METRIC_NAME, "alertname", *own))
        # What is read at another time than the tick's says nothing about the time since the break.
        self._selections: tuple[tuple[Matcher, ...], ...] = ()
        # A rate or a change has a value from the second sample on.
        self._needed = 1
        if expr is not None:
            self._selections = tuple(s.matchers for s in selectors(expr) if s.offset == 0 and s.at is None)
            if any(isinstance(node, MatrixSelector | Subquery) for node in walk(expr)):
                self._needed = 2

    def about(self, alerts: Collection[Labels], tick: Round) -> frozenset[Labels]:
        """Those of the alerts for which a series of theirs has enough samples since the break.

        A series is taken for an alert's if they agree in the labels that both have.
        """
        if not alerts:
            return frozenset()
        fresh: dict[Labels, None] = {}
        for matchers in self._selections:
            for matrix in tick.fresh(matchers):
                counts = np.count_nonzero(~is_absent(matrix.values), axis=0)
                series = zip(matrix.labels, counts.tolist(), strict=True)
                fresh.update((labels.without(self._own), None) for labels, count in series if count >= self._needed)
        return frozenset(alert for alert in alerts if any(_agree(labels, alert) for labels in fresh))


def _agree(series: Labels, alert: Labels) -> bool:
    return all(alert.get(name, value) == value for name, value in series.pairs)
