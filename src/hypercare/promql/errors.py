"""What can go wrong with an expression: where it stands, and a picture of the place."""

from __future__ import annotations


class PromqlError(Exception):
    """An expression that cannot be parsed, typed or evaluated.

    Attributes:
        message: what is wrong.
        line: from 1; 0 where no place is known.
        column: from 1, in characters; 0 where no place is known.
        length: how many characters are concerned, at least 1 where a place is known.

    """

    def __init__(self, message: str, line: int = 0, column: int = 0, length: int = 0) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.length = length
        super().__init__(f"{line}:{column}: {message}" if line else message)

    def render(self, text: str) -> str:
        """The message, the line of ``text`` concerned, and carets under the place."""
        lines = text.split("\n")
        if not 0 < self.line <= len(lines):
            return str(self)
        shown = lines[self.line - 1]
        lead = "".join("\t" if char == "\t" else " " for char in shown[: self.column - 1])
        width = max(1, min(self.length, len(shown) - self.column + 1))
        return f"{self}\n    {shown}\n    {lead}{'^' * width}"


class NotEnabledError(PromqlError):
    """An expression that uses an experimental part of the language which is not switched on.

    Attributes:
        feature: the name to switch it on by.

    """

    def __init__(self, message: str, feature: str, line: int, column: int, length: int) -> None:
        super().__init__(message, line, column, length)
        self.feature = feature


class EvaluationError(PromqlError):
    """A sound expression that has no result on the data at hand."""


class LimitError(EvaluationError):
    """A query refused because it would need more than its limits allow."""


class StoppedError(EvaluationError):
    """An evaluation given up because nobody waits for its result any more."""

    def __init__(self) -> None:
        super().__init__("query timed out in expression evaluation")
