"""What a special function is given: its call, not yet evaluated, and the means to evaluate parts of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hypercare.promql.values import Grid, Scalar, Text, Value, Vector

if TYPE_CHECKING:
    from hypercare.model.samples import Floats
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes


class Evaluates(Protocol):
    """The evaluator, as functions see it."""

    notes: Notes
    delayed: bool

    def eval(self, expr: ast.Expr, grid: Grid) -> Value:
        """The value of an expression on a grid."""
        ...

    def sample_times(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """A selector's samples with their timestamps in seconds as values."""
        ...

    def start_times(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """A selector's samples that have a start timestamp, with it in seconds as value."""
        ...

    def series(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """The value of a vector selector."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class CallContext:
    """One call at hand."""

    evaluator: Evaluates
    call: ast.Call
    grid: Grid

    @property
    def given(self) -> int:
        """The number of arguments."""
        return len(self.call.args)

    def value(self, index: int) -> Value:
        """An argument of any type."""
        return self.evaluator.eval(self.call.args[index], self.grid)

    def vector(self, index: int) -> Vector:
        """An argument that is an instant vector."""
        value = self.value(index)
        if not isinstance(value, Vector):
            raise TypeError(value)
        return value

    def scalar(self, index: int) -> Floats:
        """An argument that is a scalar: ``[K]``."""
        value = self.value(index)
        if not isinstance(value, Scalar):
            raise TypeError(value)
        return value.values

    def text(self, index: int) -> str:
        """An argument that is a string."""
        value = self.value(index)
        if not isinstance(value, Text):
            raise TypeError(value)
        return value.text

    def column(self, index: int) -> Floats:
        """A scalar argument as ``[K, 1]``, to be combined with values."""
        return self.scalar(index)[:, None]

    def warn(self, message: str, index: int) -> None:
        """Add a warning about an argument."""
        self.evaluator.notes.warn(message, self.call.args[index])

    def info(self, message: str, index: int) -> None:
        """Add a remark about an argument."""
        self.evaluator.notes.info(message, self.call.args[index])

    def seconds(self) -> Floats:
        """The steps in seconds: ``[K]``."""
        return np.asarray(self.grid.times / 1000.0)
