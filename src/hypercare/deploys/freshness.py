"""How new the samples are that an expression reads: what an action did shows only in samples from after it.

A look at an instant reads samples that may be minutes older: instant selectors look back, and targets are scraped at
intervals of their own. So the times of the samples are asked for, not those of the looks.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.time import MINUTE, SECOND, format_duration
from hypercare.promql import PromqlError, parse
from hypercare.promql.ast import MatrixSelector, Subquery, VectorSelector, children
from hypercare.promql.printer import format_expr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypercare.deploys.meter import Curves
    from hypercare.model.time import Ms
    from hypercare.promql import Expr

LOOK_BACK: Final = 5 * MINUTE
"""How far back an instant selector sees, as Prometheus has it."""


@functools.lru_cache(maxsize=1024)
def sources(*exprs: str) -> tuple[str, ...]:
    """An expression for each selector in these: when the oldest of its series had its newest sample, in s.

    Selectors of the past (``offset``, ``@``) are left out: they stay as they were, whatever is done. Where an instant
    selector sees nothing but the range is longer (scraped seldom), the newest sample within the range counts.
    """
    found: dict[str, None] = {}
    for selector, span in _read(exprs):
        text = format_expr(dataclasses.replace(selector, mode=""))
        asked = f"min(timestamp({text}))"
        if span > LOOK_BACK:
            asked += f" or max(max_over_time(timestamp({text})[{format_duration(span)}:1m]))"
        found[asked] = None
    return tuple(found)


def reach(*exprs: str) -> Ms:
    """The longest time between two samples with which these expressions still have a value."""
    return max((span for _, span in _read(exprs)), default=LOOK_BACK)


def newest(answers: Iterable[Curves], at: Ms) -> Ms | None:
    """When the newest sample was that a look had for all its sources, ms; None: that cannot be told.

    Args:
        answers: what ``sources`` gave at the look.
        at: the look: what reads no sample at all is as new as the look.

    """
    times: list[int] = []
    for curves in answers:
        if curves.error:
            return None
        value = float(curves.alone()[-1]) if len(curves.times) else np.nan
        if np.isfinite(value):
            times.append(round(value * SECOND))
    return min(times, default=at)


def _read(exprs: Iterable[str]) -> Iterator[tuple[VectorSelector, Ms]]:
    for text in exprs:
        try:
            tree = parse(text)
        except PromqlError:
            continue  # measuring it says what is wrong
        yield from _selectors(tree, LOOK_BACK)


def _selectors(expr: Expr, span: Ms) -> Iterator[tuple[VectorSelector, Ms]]:
    """The selectors that read the present, with how far back they see."""
    if isinstance(expr, (MatrixSelector, Subquery)):
        span = max(span, expr.range) if isinstance(expr.range, int) else span
    if isinstance(expr, (VectorSelector, Subquery)) and (expr.offset or expr.at is not None):
        return
    if isinstance(expr, VectorSelector):
        yield expr, span
    for child in children(expr):
        yield from _selectors(child, span)
