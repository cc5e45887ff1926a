"""Parts of the language that are experimental, under the names Prometheus has for switching them on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.promql import ast
from hypercare.promql.errors import NotEnabledError

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXPERIMENTAL_AGGREGATIONS: Final = frozenset({"limitk", "limit_ratio"})


@dataclasses.dataclass(frozen=True, slots=True)
class Features:
    """What is switched on; nothing by default, as in Prometheus. The attributes are Prometheus' names with ``_``.

    Attributes:
        promql_experimental_functions: functions and aggregations that are marked experimental.
        promql_extended_range_selectors: ``anchored`` and ``smoothed``.
        promql_duration_expr: arithmetic in durations: ``[5m * 2]``.
        promql_binop_fill_modifiers: ``fill``, ``fill_left``, ``fill_right``.
        promql_delayed_name_removal: metric names that operations drop stay visible until the end of the query.

    """

    promql_experimental_functions: bool = False
    promql_extended_range_selectors: bool = False
    promql_duration_expr: bool = False
    promql_binop_fill_modifiers: bool = False
    promql_delayed_name_removal: bool = False

    @classmethod
    def of(cls, names: Iterable[str]) -> Features:
        """Those of Prometheus' names: ``promql-duration-expr``.

        Raises:
            ValueError: there is no such feature.
        """
        chosen = list(names)
        for name in chosen:
            if name not in cls.names():
                msg = f"unknown feature {name!r}, expected one of {', '.join(cls.names())}"
                raise ValueError(msg)
        return cls(**{name.replace("-", "_"): True for name in chosen})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Prometheus' names of all of them."""
        return tuple(field.name.replace("_", "-") for field in dataclasses.fields(cls))

    @classmethod
    def all(cls) -> Features:
        """Everything."""
        return cls(*(True for _ in dataclasses.fields(cls)))

    def refuse(self, expr: ast.Expr) -> None:
        """Hold an expression to what is switched on.

        Raises:
            NotEnabledError: it uses something else.
        """
        for node in ast.walk(expr):
            feature, what = _needs(node)
            if feature and not getattr(self, feature.replace("-", "_")):
                raise not_enabled(what, feature, node.span)


def not_enabled(what: str, feature: str, span: ast.Span) -> NotEnabledError:
    """The error about a part of the language that is not switched on."""
    message = f"{what} is experimental and not enabled: add {feature} to the enabled features"
    return NotEnabledError(message, feature, span.line, span.column, span.length)


def _needs(node: ast.Expr) -> tuple[str, str]:
    """The feature that a node by itself needs, and what of it does; empty where none."""
    from hypercare.promql.functions import FUNCTIONS  # noqa: PLC0415  # functions evaluate, and evaluation asks here

    if isinstance(node, ast.Call) and FUNCTIONS[node.name].experimental:
        return "promql-experimental-functions", f'function "{node.name}"'
    if isinstance(node, ast.Aggregate) and node.op in _EXPERIMENTAL_AGGREGATIONS:
        return "promql-experimental-functions", f'aggregation "{node.op}"'
    if isinstance(node, ast.VectorSelector) and node.mode:
        return "promql-extended-range-selectors", f'modifier "{node.mode}"'
    matching = node.matching if isinstance(node, ast.Binary) else None
    if matching is not None and (matching.fill_left is not None or matching.fill_right is not None):
        return "promql-binop-fill-modifiers", "a fill modifier"
    return "", ""
