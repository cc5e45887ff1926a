"""Reading of nested data (from JSON or YAML) that gathers every problem with its path."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any, TypeVar

from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Path = tuple[str | int, ...]

_T = TypeVar("_T")


def path_text(path: Path) -> str:
    """A path as people write it: ``metrics[2].query.type``; the whole document is ``document``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "document"


def _nowhere(_path: Path) -> tuple[int, int]:
    return 0, 0


class Fields:
    """Reads a document; wrong values are noted and replaced by the default, so that all problems come at once.

    Attributes:
        file: what the document is called.
        problems: found so far, in the order of reading.

    """

    def __init__(self, data: Any, file: str, find: Callable[[Path], tuple[int, int]] = _nowhere) -> None:
        self.data = data
        self.file = file
        self.problems: list[Problem] = []
        self._find = find

    def note(self, path: Path, message: str, hint: str = "") -> None:
        """Note a problem at a path."""
        self.problems.append(Problem(self.file, *self._find(path), f"{path_text(path)}: {message}", hint))

    def finish(self) -> None:
        """Raise what was noted.

        Raises:
            InputError: there were problems.

        """
        if self.problems:
            raise InputError(self.problems)

    def get(self, path: Path) -> Any:
        """The value at a path; None where there is none."""
        value = self.data
        for part in path:
            if isinstance(part, int):
                value = value[part] if isinstance(value, list) and part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, dict) else None
        return value

    def mapping(self, path: Path) -> Mapping[str, Any]:
        """A mapping; empty where there is none."""
        return self._typed(path, dict, "a mapping {…}", {})

    def items(self, path: Path) -> Sequence[Any]:
        """A list; empty where there is none."""
        return self._typed(path, list, "a list […]", [])

    def text(self, path: Path, default: str = "") -> str:
        """A text."""
        return self._typed(path, str, "a text", default)

    def flag(self, path: Path, *, default: bool = False) -> bool:
        """True or false; the texts "true" and "false" count, too."""
        value = self.get(path)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        return self._typed(path, bool, "true or false", default)

    def number(self, path: Path, default: float, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within bounds; a text that is one counts, too."""
        value = self.get(path)
        if value is None:
            return default
        number = _number(value)
        if number is None:
            self.note(path, f"expected a number, found {shown(value)}", "write it without quotes and units")
            return default
        if not low <= number <= high:
            self.note(path, f"expected a number from {low:g} to {high:g}, found {number:g}")
            return default
        return number

    def choice(self, path: Path, known: Sequence[str], default: str) -> str:
        """One of these words."""
        word = self.text(path, default)
        if word.lower() in known:
            return word.lower()
        near = difflib.get_close_matches(word.lower(), known, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"left out it means {default}"
        self.note(path, f"expected one of {', '.join(known)}, found {shown(word)}", hint)
        return default

    def required(self, path: Path, what: str) -> str:
        """A text that must be there and not be empty."""
        if self.get(path) is None:
            self.note(path, f"expected {what}, found nothing")
            return ""
        found = self.text(path)
        if not found and isinstance(self.get(path), str):
            self.note(path, f"expected {what}, found an empty text")
        return found

    def _typed(self, path: Path, kind: type[_T], words: str, default: _T) -> _T:
        value = self.get(path)
        if value is None:
            return default
        if isinstance(value, kind):
            return value
        self.note(path, f"expected {words}, found {shown(value)}")
        return default


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: Any) -> str:
    """What was found, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
