"""The syntax tree of a template."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias


@dataclasses.dataclass(slots=True)
class Node:
    """Base: where the node starts and ends in the text."""

    pos: int
    end: int


# -- operands ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class Literal(Node):
    """A string, number, character or boolean."""

    value: str | int | float | bool


@dataclasses.dataclass(slots=True)
class Nil(Node):
    """The word ``nil``."""


@dataclasses.dataclass(slots=True)
class Dot(Node):
    """The value under the cursor."""


@dataclasses.dataclass(slots=True)
class Ident(Node):
    """The name of a function."""

    name: str


@dataclasses.dataclass(slots=True)
class Field(Node):
    """``.A.B``, a chain that begins at the cursor."""

    names: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Variable(Node):
    """``$x`` or ``$x.A.B``."""

    slot: int
    name: str
    names: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Chain(Node):
    """``(pipeline).A.B``."""

    inner: Pipe
    names: tuple[str, ...]


Operand: TypeAlias = "Literal | Nil | Dot | Ident | Field | Variable | Chain | Pipe"


@dataclasses.dataclass(slots=True)
class Command(Node):
    """An operand with its arguments."""

    args: list[Operand]


@dataclasses.dataclass(slots=True)
class Pipe(Node):
    """Commands joined by ``|``; the value may be kept in variables.

    Attributes:
        slots: where the value goes; two for ``range $i, $e``.
        declares: ``:=`` rather than ``=``, which shows: a declaration prints nothing, nor does an assignment.

    """

    slots: tuple[int, ...]
    declares: bool
    commands: list[Command]


# -- statements --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class Text(Node):
    """Text outside of actions."""

    text: str


@dataclasses.dataclass(slots=True)
class Action(Node):
    """A pipeline whose value is printed."""

    pipe: Pipe


@dataclasses.dataclass(slots=True)
class Branch(Node):
    """``if``, ``with`` or ``range``."""

    keyword: str
    pipe: Pipe
    body: list[Statement]
    otherwise: list[Statement] | None


@dataclasses.dataclass(slots=True)
class Call(Node):
    """``{{template "name" pipeline}}``."""

    name: str
    pipe: Pipe | None


@dataclasses.dataclass(slots=True)
class Jump(Node):
    """``break`` or ``continue``."""

    keyword: str


Statement: TypeAlias = "Text | Action | Branch | Call | Jump"


@dataclasses.dataclass(slots=True)
class Tree:
    """One named template.

    Attributes:
        name: its own.
        source_name: of the text in which it is defined.
        source: that text.
        slots: how many variables it needs, ``$`` included.

    """

    name: str
    source_name: str
    source: str
    body: list[Statement]
    slots: int

    def is_empty(self) -> bool:
        """Whether it holds nothing but white space; such a definition replaces no other."""
        return all(isinstance(s, Text) and not s.text.strip() for s in self.body)
