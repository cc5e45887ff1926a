"""The parts of a condition, and its problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


class ConditionError(Exception):
    """A condition that cannot be read or evaluated; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, truth value or nil."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """``#``: the element that a closure looks at."""


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x``, ``+x``, ``not x``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """``x operator y``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Index:
    """``x[key]`` and ``x.key``; `optional` where a missing x gives nil."""

    operand: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments)``."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """``{body}``, evaluated for each element."""

    body: Node


@dataclass(frozen=True, slots=True)
class Array:
    """``[x, y]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``{key: value}``."""

    items: tuple[tuple[str, Node], ...]


Node: TypeAlias = Literal | Name | Pointer | Unary | Binary | Choice | Index | Call | Closure | Array | Table
