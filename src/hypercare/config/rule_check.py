"""What a rule file's texts must satisfy: expressions parse, templates parse; problems at their place in the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from hypercare.config.source import Node, Plain
from hypercare.promql import NotEnabledError, PromqlError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.config.source import Document
    from hypercare.model.errors import Problem
    from hypercare.promql import Features

TemplateCheck: TypeAlias = "Callable[[str], str | None]"
"""Takes a template text; says what is wrong with it (``line:column: …`` where it knows the place), or none."""


def check_rules(
    document: Document, check_template: TemplateCheck | None, features: Features | None = None
) -> list[Problem]:
    """Problems of all expressions and templates of a rule file, whether or not the rest of it is valid.

    Args:
        document: the file.
        check_template: checks a template.
        features: the experimental parts of PromQL that are switched on; none: all are allowed.

    """
    found: list[Problem] = []
    for rule in (rule for group in document.root.each("groups") for rule in group.each("rules")):
        found += _expression(document, rule.at("expr"), features)
        if check_template is not None and rule.at("alert") is not None:
            for node in _texts(rule, "labels", "annotations"):
                error = check_template(str(node.scalar))
                if error:
                    found.append(_template_problem(document, node, error))
    return found


def _template_problem(document: Document, node: Node, error: str) -> Problem:
    match = re.match(r"(\d+):(\d+): ", error)
    if match is None:
        return document.problem(node, f"not a valid template: {error}")
    place = Node(*document.inside(node, int(match[1]), int(match[2])))
    return document.problem(place, f"not a valid template: {error[match.end() :]}")


def _texts(rule: Node, *keys: str) -> Iterator[Node]:
    for key in keys:
        mapping = rule.at(key)
        for node in (mapping.items or {}).values() if mapping is not None else ():
            if node.scalar is not None:
                yield node


def _expression(document: Document, node: Node | None, features: Features | None) -> list[Problem]:
    if node is None or node.scalar is None or not node.scalar.strip():
        return []
    try:
        parse(str(node.scalar), features)
    except PromqlError as err:
        line, column = document.inside(node, err.line or 1, err.column or 1)
        hint = "quote the expression if it holds ' #' or ': '" if isinstance(node.scalar, Plain) else ""
        if isinstance(err, NotEnabledError):
            hint = f"metrics: {{query: {{enable_features: [{err.feature}]}}}} in hypercare.yml"
            return [document.problem(Node(line, column), err.message, hint)]
        hint = hint if "#" in document.text.split("\n")[node.line - 1] else ""
        return [document.problem(Node(line, column), f"not a valid expression: {err.message}", hint)]
    return []
