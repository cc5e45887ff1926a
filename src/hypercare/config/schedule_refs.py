"""Where hypercare.yml writes schedules down, and where it names them; schedules can also be made while it runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.config.cross_check import targets_of
from hypercare.config.problems import did_you_mean
from hypercare.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hypercare.config.source import Document

_KIND: Final = "schedule"


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A place that has to do with the schedule ``name``; line and column count from 1.

    Attributes:
        what: in words, as ``step 2 of the escalation default``.

    """

    name: str
    file: str
    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.file}, line {self.line})"


def schedules_written(document: Document) -> tuple[Place, ...]:
    """The schedules of the file."""
    return tuple(
        Place(str(node.scalar), document.file, node.line, node.column, f"the schedule {node.scalar}")
        for item in document.root.each("oncall", "schedules")
        if (node := item.at("name")) is not None and node.scalar
    )


def schedules_named(document: Document) -> tuple[Place, ...]:
    """Every ``schedule:NAME`` of the file."""
    found: list[Place] = []
    for what, node in targets_of(document.root):
        kind, colon, name = str(node.scalar).partition(":")
        if colon and kind == _KIND and name.strip():
            found.append(Place(name.strip(), document.file, node.line, node.column, what))
    return tuple(found)


def name_problems(written: Iterable[Place], named: Iterable[Place], made: Collection[str]) -> list[Problem]:
    """What does not fit the schedules that were made while hypercare ran.

    Args:
        written: by the file.
        named: by the file.
        made: the names of those that were made on the page, through the API or the command line.

    """
    written = tuple(written)
    hint = "give one of the two another name, or delete the one that was made: hypercare oncall schedules delete"
    found = [
        Problem(p.file, p.line, p.column, f"a schedule {p.name!r} was made on the page, too", f"{hint} {p.name}")
        for p in written
        if p.name in made
    ]
    known = [*(p.name for p in written), *made]
    for place in named:
        if place.name not in known:
            near = did_you_mean(place.name, known) or "there is none, neither in this file nor made on the page"
            found.append(Problem(place.file, place.line, place.column, f"unknown schedule {place.name!r}", near))
    return found
