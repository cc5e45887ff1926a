"""A template function: Python code with the kinds of its arguments."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.gotime import Time
from hypercare.gotemplate.values import go_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.gotemplate.values import Value


def _is_number(value: Value) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


_KINDS: Final[dict[str, tuple[str, Callable[[Value], bool]]]] = {
    "s": ("string", lambda v: isinstance(v, str)),
    "i": ("int", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "f": ("float64", _is_number),
    "t": ("time.Time", lambda v: isinstance(v, Time)),
    "l": ("[]interface {}", lambda v: isinstance(v, list | tuple)),
    "m": ("map[string]interface {}", lambda v: isinstance(v, dict)),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Func:
    """A function and its signature.

    Attributes:
        run: called with the arguments; raises FunctionError.
        kinds: one letter an argument: ``s`` text, ``i`` integer, ``f`` number, ``t`` time, ``l`` slice, ``m`` map,
            ``a`` anything; ``+`` at the end: the last kind any number of times.
        executor: ``run`` gets the running template first (to call other templates).

    """

    run: Callable[..., Value]
    kinds: str = ""
    executor: bool = False

    def call(self, name: str, args: Sequence[Value], executor: object = None) -> Value:
        """Check the arguments and run.

        Raises:
            FunctionError: too few or too many arguments, one of the wrong type, or the function's own error.
        """
        kinds = self.kinds
        if kinds.endswith("+"):
            fixed = len(kinds) - 2
            if len(args) < fixed:
                msg = f"wrong number of args for {name}: want at least {fixed} got {len(args)}"
                raise FunctionError(msg)
            kinds = kinds[:fixed] + kinds[-2] * (len(args) - fixed)
        elif len(args) != len(kinds):
            msg = f"wrong number of args for {name}: want {len(kinds)} got {len(args)}"
            raise FunctionError(msg)
        for kind, value in zip(kinds, args, strict=True):
            if kind != "a":
                wanted, fits = _KINDS[kind]
                if not fits(value):
                    got = f"expected {wanted}; got {go_type(value)}"
                    msg = f"wrong type for value; {got}" if value is not None else f"invalid value; expected {wanted}"
                    raise FunctionError(msg)
        return self.run(executor, *args) if self.executor else self.run(*args)
