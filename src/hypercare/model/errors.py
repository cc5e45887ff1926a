"""Problems in what a user wrote: place, what was expected, a hint."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem at one place.

    Attributes:
        file: as the user named it; empty where there is no file.
        line: from 1; 0 where unknown.
        column: from 1; 0 where unknown.
        message: what is wrong and what was expected.
        hint: what to do about it, may be empty.

    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class InputError(Exception):
    """User input that cannot be taken; carries all problems at once, in reading order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in problems))
