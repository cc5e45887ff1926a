"""Values for the places of texts: checked, so that no value can be more than a name, a version or a number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from hypercare.config.actions import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SAFE: Final = re.compile(r"[A-Za-z0-9._:/@+][A-Za-z0-9._:/@+-]*", re.ASCII)
"""A value cannot begin with a hyphen: a program would take it for an option."""
_LONGEST: Final = 256
_SPOT: Final = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*))")


class FillError(Exception):
    """A value that is missing, or must not be used; the text is for people."""


class Values(dict[str, str]):
    """Values of places that may be used; ``refused`` says of others why not, by their name."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, str] = {}


def checked(context: Iterable[tuple[str, str]]) -> Values:
    """The values of places; one with characters that are not allowed refuses what uses it, and nothing else."""
    found = Values()
    for name, value in context:
        if name not in PLACES or not value:
            continue
        if len(value) > _LONGEST or not _SAFE.fullmatch(value):
            shown = value if len(value) <= 60 else f"{value[:60]}…"
            msg = f"the value of ${name} is refused: {shown!r}; allowed are letters, digits and ._:/@+- (not first)"
            found.refused[name] = msg
            continue
        found[name] = value
    return found


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """The text with its places replaced; ``$$`` becomes a dollar sign.

    Raises:
        FillError: there is no value for one of them.

    """

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2]
        if name not in values:
            refused = values.refused if isinstance(values, Values) else {}
            raise FillError(refused.get(name, f"there is no value for ${name}"))
        return escape(values[name])

    return _SPOT.sub(put, text)


def fill_url(url: str, values: Mapping[str, str]) -> str:
    """A URL with its places replaced; a value stays within its part of the path.

    Raises:
        FillError: there is no value for one of them.

    """
    return fill(url, values, lambda value: quote(value, safe=""))


def fill_json(value: Any, values: Mapping[str, str]) -> Any:
    """A JSON value with the places in its texts replaced.

    Raises:
        FillError: there is no value for one of them.

    """
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, dict):
        return {key: fill_json(inner, values) for key, inner in value.items()}
    return [fill_json(inner, values) for inner in value] if isinstance(value, (list, tuple)) else value


def environment(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The values as environment variables: HYPERCARE_SERVICE and so on."""
    return tuple((f"HYPERCARE_{name.upper()}", values[name]) for name in PLACES if name in values)
