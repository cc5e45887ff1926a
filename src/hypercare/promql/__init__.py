"""PromQL: parser, canonical printer, type rules and an evaluator on arrays."""

from __future__ import annotations

from hypercare.promql.ast import Expr, VectorSelector, selectors
from hypercare.promql.engine import Engine, Tick
from hypercare.promql.errors import EvaluationError, LimitError, NotEnabledError, PromqlError, StoppedError
from hypercare.promql.features import Features
from hypercare.promql.functions import FUNCTIONS, Function
from hypercare.promql.limits import Limits
from hypercare.promql.parser import parse, parse_selector
from hypercare.promql.results import HistogramElement, InstantResult, RangeResult, Series
from hypercare.promql.together import Together
from hypercare.promql.typecheck import type_of

__all__ = [
    "FUNCTIONS",
    "Engine",
    "EvaluationError",
    "Expr",
    "Features",
    "Function",
    "HistogramElement",
    "InstantResult",
    "LimitError",
    "Limits",
    "NotEnabledError",
    "PromqlError",
    "RangeResult",
    "Series",
    "StoppedError",
    "Tick",
    "Together",
    "VectorSelector",
    "parse",
    "parse_selector",
    "selectors",
    "type_of",
]
