"""Templates within nested values, such as the fields of a ticket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable


def render_deep(value: Any, render: Callable[[str], str]) -> Any:
    """Render every text in a value; one that renders to JSON or YAML becomes what that says.

    Args:
        value: texts, lists, maps (keys that are not texts are dropped), other values (kept as they are).
        render: renders one text; its errors are passed on.

    """
    if isinstance(value, str):
        return _typed(render(value), render)
    if isinstance(value, list):
        return [render_deep(v, render) for v in value]
    if isinstance(value, dict):
        return {render(k): render_deep(v, render) for k, v in value.items() if isinstance(k, str)}
    return value


def _typed(text: str, render: Callable[[str], str]) -> Any:
    try:
        # The leaves of JSON are what they are: nothing in them is to be read as YAML or rendered again.
        return json.loads(text)
    except ValueError:
        pass
    try:
        parsed = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    if isinstance(parsed, list | dict):
        return render_deep(parsed, render)
    return parsed if isinstance(parsed, bool | int | float) or parsed is None else text
