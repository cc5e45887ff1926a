"""Look-up by a path in nested mappings and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def find(data: Any, path: Sequence[str], default: Any = None) -> Any:
    """What a path leads to; through a list, the results of all elements that have one; else the default."""
    if not path:
        return data
    if isinstance(data, dict):
        return find(data[path[0]], path[1:], default) if path[0] in data else default
    if isinstance(data, list):
        found = [value for value in (find(element, path) for element in data) if value is not None]
        return found or default
    return default


def find_number(data: Any, path: Sequence[str], default: float) -> float:
    """The number that a path leads to; the default where there is none.

    Raises:
        TypeError, ValueError: there is something else.

    """
    value = find(data, path)
    return default if value is None else float(value)
