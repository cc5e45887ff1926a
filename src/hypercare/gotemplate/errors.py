"""What can go wrong with a template: while it is read, and while it is rendered."""

from __future__ import annotations


class FunctionError(Exception):
    """Raised by template functions and value operations; the renderer adds the place."""


class TemplateError(Exception):
    """A template that cannot be read or rendered; ``str()`` words it as Go does.

    Attributes:
        message: what is wrong, without the place.
        line: from 1; 0 where no place is known.
        column: from 1, in characters; 0 where only the line is known.
        name: of the text in which the place is.
        executing: the template that was being rendered; none for an error of reading.
        snippet: the part of the template concerned, may be empty.

    """

    def __init__(
        self,
        message: str,
        line: int = 0,
        column: int = 0,
        name: str = "",
        executing: str | None = None,
        snippet: str = "",
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.name = name
        self.executing = executing
        self.snippet = snippet
        super().__init__(self._text())

    def _text(self) -> str:
        if not self.line:
            return f"template: {self.message}"
        # Go counts columns from 0 and gives them only for errors of rendering.
        place = f"template: {self.name}:{self.line}"
        if self.executing is None:
            return f"{place}: {self.message}"
        at = f" at <{self.snippet}>" if self.snippet else ""
        return f'{place}:{self.column - 1}: executing "{self.executing}"{at}: {self.message}'


def place_of(text: str, pos: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset into ``text``."""
    start = text.rfind("\n", 0, pos) + 1
    return text.count("\n", 0, pos) + 1, pos - start + 1
