"""Functions of single samples: rounding, logarithms, trigonometry, clamping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.functions.registry import SCALAR, VECTOR, Function, mapped
from hypercare.promql.values import Scalar, Value

if TYPE_CHECKING:
    from hypercare.model.samples import Floats
    from hypercare.promql.context import CallContext


def _sgn(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def _round(values: Floats, to: Floats | float = 1.0) -> Floats:
    # Ties go up. Dividing by the inverse is exact for 0.1, 0.01, …, unlike multiplying.
    inverse = 1.0 / to
    rounded: Floats = np.floor(values * inverse + 0.5) / inverse
    return rounded


def _clamp(ctx: CallContext) -> Value:
    vector, low, high = ctx.vector(0), ctx.column(1), ctx.column(2)
    present = None if not (high < low).any() else np.broadcast_to(high >= low, vector.values.shape)
    return vector.with_values(np.maximum(low, np.minimum(high, vector.values)), present)


def _clamp_min(values: Floats, low: Floats) -> Floats:
    return np.maximum(low, values)


def _clamp_max(values: Floats, high: Floats) -> Floats:
    return np.minimum(high, values)


def _pi(ctx: CallContext) -> Value:
    return Scalar(np.full(ctx.grid.size, np.pi))


_UNARY: tuple[tuple[str, np.ufunc, str], ...] = (
    ("abs", np.absolute, "Absolute value."),
    ("ceil", np.ceil, "Rounded up."),
    ("floor", np.floor, "Rounded down."),
    ("exp", np.exp, "e to the power of the value."),
    ("ln", np.log, "Natural logarithm."),
    ("log2", np.log2, "Binary logarithm."),
    ("log10", np.log10, "Decimal logarithm."),
    ("sqrt", np.sqrt, "Square root."),
    ("sin", np.sin, "Sine."),
    ("cos", np.cos, "Cosine."),
    ("tan", np.tan, "Tangent."),
    ("asin", np.arcsin, "Arcsine."),
    ("acos", np.arccos, "Arccosine."),
    ("atan", np.arctan, "Arctangent."),
    ("sinh", np.sinh, "Hyperbolic sine."),
    ("cosh", np.cosh, "Hyperbolic cosine."),
    ("tanh", np.tanh, "Hyperbolic tangent."),
    ("asinh", np.arcsinh, "Inverse hyperbolic sine."),
    ("acosh", np.arccosh, "Inverse hyperbolic cosine."),
    ("atanh", np.arctanh, "Inverse hyperbolic tangent."),
    ("deg", np.degrees, "Radians to degrees."),
    ("rad", np.radians, "Degrees to radians."),
)

ROWS: tuple[Function, ...] = (
    *(mapped(name, ufunc, doc) for name, ufunc, doc in _UNARY),
    mapped("sgn", _sgn, "Sign: -1, 0 or 1."),
    mapped("round", _round, "Rounded to the nearest multiple of the second argument (default 1).", SCALAR, variadic=1),
    mapped("clamp_min", _clamp_min, "Not below a bound.", SCALAR),
    mapped("clamp_max", _clamp_max, "Not above a bound.", SCALAR),
    Function(
        "clamp", (VECTOR, SCALAR, SCALAR), VECTOR, "Held between two bounds; empty if they cross.", special=_clamp
    ),
    Function("pi", (), SCALAR, "The number pi.", special=_pi),
)
