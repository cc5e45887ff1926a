"""Annotations: what a user should know about a result, in Prometheus' form ``PromQL warning: … (line:column)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.promql import ast


class Notes:
    """Collects warnings and infos, each once, in order of appearance."""

    def __init__(self) -> None:
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}

    def warn(self, message: str, node: ast.Expr) -> None:
        """The result may be wrong."""
        self._warnings[f"PromQL warning: {message}{_place(node)}"] = None

    def info(self, message: str, node: ast.Expr) -> None:
        """The result may not be what was meant."""
        self._infos[f"PromQL info: {message}{_place(node)}"] = None

    def absorb(self, other: Notes) -> None:
        """Take over all of another collection."""
        self._warnings.update(other._warnings)
        self._infos.update(other._infos)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings."""
        return tuple(self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        """All infos."""
        return tuple(self._infos)

    def __bool__(self) -> bool:
        return bool(self._warnings or self._infos)


def _place(node: ast.Expr) -> str:
    return f" ({node.span.line}:{node.span.column})" if node.span.line else ""
