"""Answers for rules from what was evaluated over a whole span at a stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.promql import Expr, RangeResult
    from hypercare.rules.answers import Elements, Value


class Stretch:
    """The value of one expression at each tick of a span; a ``rules.answers.Source``.

    Attributes:
        column: the tick that rules are told of.

    """

    def __init__(self, result: RangeResult) -> None:
        self.column = 0
        self._labels = result.labels
        self._values = np.ascontiguousarray(result.values.T)
        self._present = np.ascontiguousarray(result.present.T)
        self._everything: list[bool] = np.asarray(self._present.all(axis=1)).tolist()
        self._memo: dict[bytes, tuple[Labels, ...]] = {}
        self.anything: list[bool] = np.asarray(self._present.any(axis=1)).tolist()

    def renew(self) -> None:
        """See ``Source``; nobody writes what this expression reads."""

    def elements(self, expr: Expr | str, at: Ms) -> Elements:
        """See ``Source``."""
        del at
        if isinstance(expr, str):
            raise EvaluationError("a template's query cannot be answered for a whole span")
        column = self.column
        if not self.anything[column]:
            return (), []
        if self._everything[column]:
            whole: list[Value] = self._values[column].tolist()
            return self._labels, whole
        here = self._present[column]
        key = here.tobytes()
        labels = self._memo.get(key)
        if labels is None:
            labels = self._memo[key] = tuple(self._labels[i] for i in np.flatnonzero(here).tolist())
        some: list[Value] = self._values[column][here].tolist()
        return labels, some

    def samples(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """See ``Source``; asked only after a break, and there is none."""
        del matchers, start, end
        return ()
