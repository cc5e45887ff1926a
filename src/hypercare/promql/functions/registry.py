"""What a PromQL function is: one row with its types and its implementation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hypercare.promql.ast import ValueType

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Bools, Floats
    from hypercare.promql.context import CallContext
    from hypercare.promql.values import Value
    from hypercare.promql.windows import Windows

    RangeImpl: TypeAlias = Callable[["Windows", "RangeArgs"], "tuple[Floats, Bools | None]"]
    MapImpl: TypeAlias = Callable[..., "Floats"]
    SpecialImpl: TypeAlias = Callable[["CallContext"], "Value"]

SCALAR, VECTOR, MATRIX, STRING = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING


class RangeArgs(NamedTuple):
    """What a function over ranges is given besides the windows.

    Attributes:
        times: evaluation times in ms, ``[K, 1]``.
        start, end: bounds of the ranges in ms, ``[K, 1]``; a range holds ``start < t <= end``.
        scalars: the other arguments, each ``[K, 1]``.

    """

    times: Floats
    start: Floats
    end: Floats
    scalars: tuple[Floats, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """A function; exactly one of the implementations is given.

    Attributes:
        args: types of the arguments; with ``variadic`` the last one may be left out (1: at most once, 2: twice)
            or, where ``variadic`` is -1, be given any number of times, zero included.
        over_range: on windows: result ``[K, N]`` and where there is one.
        mapped: on arrays: values ``[K, S]`` and scalars ``[K, 1]`` to values.
        special: on the evaluated or not yet evaluated call.
        keeps_name: whether the metric name stays.
        stacks: the implementation looks at every sample of every window at once, so that memory has to be bounded.
        extended: which of the modes ``anchored`` and ``smoothed`` it takes.
        counter: the result is meaningful for counters only; other metrics get an annotation.

    """

    name: str
    args: tuple[ValueType, ...]
    returns: ValueType
    doc: str
    variadic: int = 0
    experimental: bool = False
    over_range: RangeImpl | None = None
    mapped: MapImpl | None = None
    special: SpecialImpl | None = None
    keeps_name: bool = False
    stacks: bool = False
    extended: tuple[str, ...] = ()
    counter: bool = False

    @property
    def fewest(self) -> int:
        """The smallest number of arguments."""
        return len(self.args) - (1 if self.variadic == -1 else self.variadic)

    @property
    def most(self) -> int | None:
        """The largest number of arguments; none where there is no limit."""
        return None if self.variadic == -1 else len(self.args)


def over_range(name: str, impl: RangeImpl, doc: str, *scalars: ValueType, **flags: bool | tuple[str, ...]) -> Function:
    """A row for a function of a range vector and scalars."""
    return Function(name, (MATRIX, *scalars), VECTOR, doc, over_range=impl, **flags)  # type: ignore[arg-type]


def mapped(name: str, impl: MapImpl, doc: str, *scalars: ValueType, variadic: int = 0) -> Function:
    """A row for a function of one instant vector and scalars, sample by sample."""
    return Function(name, (VECTOR, *scalars), VECTOR, doc, variadic=variadic, mapped=impl)
