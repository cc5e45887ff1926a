"""Environment variables in configuration texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypercare.config.problems import did_you_mean
from hypercare.config.source import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.config.source import Document, Node
    from hypercare.model.errors import Problem

_OURS: Final = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^}]*))?\})")
_GO: Final = re.compile(r"\$(?:(\$)|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def expand_ours(document: Document, env: Mapping[str, str], skip: frozenset[str]) -> list[Problem]:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in all values of hypercare.yml; ``$$`` is a dollar sign.

    Args:
        document: changed in place.
        env: the variables.
        skip: top-level keys whose mappings are other people's formats and stay as they are.

    Returns:
        A problem for each variable that is not set and has no default.
    """
    problems: list[Problem] = []

    def replace(node: Node, text: str) -> str:
        def one(match: re.Match[str]) -> str:
            if match[1]:
                return "$"
            name = match[2]
            value = env.get(name)
            if match[3]:
                return value or match[4]
            if value is None:
                hint = did_you_mean(name, env) if len(env) < 10_000 else ""
                hint = hint if hint.startswith("did") else f"set it, or write ${{{name}:-default}}"
                problems.append(document.problem(node, f"the environment variable {name} is not set", hint))
                return ""
            return value

        return _OURS.sub(one, text)

    for key, node in (document.root.items or {}).items():
        if key not in skip or node.items is None:
            _each(node, replace, set())
    return problems


def _each(node: Node, replace: Callable[[Node, str], str], done: set[int]) -> None:
    if id(node) in done:
        return
    done.add(id(node))
    if node.scalar is not None and "$" in node.scalar:
        text = replace(node, node.scalar)
        node.scalar = Plain(text) if isinstance(node.scalar, Plain) else text
    for inner in (*(node.elements or ()), *(node.items or {}).values()):
        _each(inner, replace, done)


def expand_go(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """Replace ``$NAME`` and ``${NAME}`` as Prometheus does in external labels: unknown ones are empty.

    Returns:
        The text, and the names that are not set.
    """
    unknown: list[str] = []

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] if match[2] is not None else match[3]
        if name not in env:
            unknown.append(name)
        return env.get(name, "")

    return _GO.sub(one, text), unknown
