"""What is allowed in a rule file, but seldom meant: duplicates, labels that cannot be there, hasty alerts."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from hypercare.promql import parse
from hypercare.rehearse.label_sets import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypercare.config import Rule, RuleGroup
    from hypercare.config.source import Document
    from hypercare.model.errors import Problem
    from hypercare.rehearse.rule_files import ReadRules

DUPLICATES: Final = "duplicate-rules"
TEMPLATE_LABELS: Final = "template-labels"
LINTS: Final = (DUPLICATES, TEMPLATE_LABELS)
_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LABEL: Final = re.compile(r"(?:\$labels|\$?\.Labels)\.([A-Za-z_]\w*)|index\s+(?:\$labels|\$?\.Labels)\s+\"([^\"]+)\"")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One remark.

    Attributes:
        lint: one of ``LINTS``, or ``hint`` for advice that never fails a check.

    """

    lint: str
    problem: Problem


def wanted(text: str) -> frozenset[str]:
    """The lints that a comma-separated list names.

    Raises:
        ValueError: a name is unknown, or ``all`` and ``none`` stand beside others.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names in (["all"], []):
        return frozenset((*LINTS, "hint"))
    if names == ["none"]:
        return frozenset()
    for name in names:
        if name not in (*LINTS, "hint"):
            msg = f"unknown lint {name!r}; choose all, none, or some of {', '.join((*LINTS, 'hint'))}"
            raise ValueError(msg)
    return frozenset(names)


def lint(file: ReadRules, names: frozenset[str]) -> tuple[Finding, ...]:
    """What is to be said about a good file, in reading order."""
    if file.rules is None or file.document is None:
        return ()
    found = [
        *_duplicates(file.rules.groups, file.document),
        *_unknown_labels(file.rules.groups, file.document),
        *_hints(file.rules.groups, file.document),
    ]
    return tuple(sorted((f for f in found if f.lint in names), key=lambda f: (f.problem.line, f.problem.column)))


def _each(groups: Iterable[RuleGroup]) -> Iterator[tuple[tuple[str | int, ...], RuleGroup, Rule]]:
    for number, group in enumerate(groups):
        for index, rule in enumerate(group.rules):
            yield ("groups", number, "rules", index), group, rule


def _at(document: Document, path: tuple[str | int, ...], message: str, hint: str = "", *, key: bool = False) -> Problem:
    line, column = document.find(path, key=key)
    return dataclasses.replace(document.problem(None, message, hint), line=line, column=column)


def _duplicates(groups: Iterable[RuleGroup], document: Document) -> Iterator[Finding]:
    """Rules that write the same series: name and labels agree, those of the group included."""
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for path, group, rule in _each(groups):
        labels = {**group.labels, **rule.labels}
        key = (rule.name, tuple(sorted(labels.items())))
        place = (*path, "record" if rule.record else "alert")
        if key in seen:
            inner = ", ".join(f'{n}="{v}"' for n, v in key[1])
            text = f"duplicate rule: {rule.name}{{{inner}}} is in line {seen[key]} too"
            hint = "both write the same series; give one of them a label of its own, or remove it"
            yield Finding(DUPLICATES, _at(document, place, text, hint))
        else:
            seen[key] = document.find(place)[0]


def _unknown_labels(groups: Iterable[RuleGroup], document: Document) -> Iterator[Finding]:
    """Labels that a template asks for and that the expression's result cannot have."""
    for path, _, rule in _each(groups):
        if not rule.alert:
            continue
        labels = labels_of(parse(rule.expr))
        for key, texts in (("labels", rule.labels), ("annotations", rule.annotations)):
            for name, asked in _asked(texts):
                if not labels.may_have(asked):
                    text = f"the result of the expression never has the label {asked!r}: it renders as an empty text"
                    yield Finding(TEMPLATE_LABELS, _at(document, (*path, key, name), text, labels.hint))


def _asked(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in texts.items():
        asked = [m[1] or m[2] for action in _ACTION.findall(text) for m in _LABEL.finditer(action)]
        for label in dict.fromkeys(asked):
            yield name, label


def _hints(groups: Iterable[RuleGroup], document: Document) -> Iterator[Finding]:
    for path, group, rule in _each(groups):
        if not rule.alert:
            continue
        if not rule.for_ and not rule.keep_firing_for:
            text = f"{rule.alert} fires at the first evaluation that yields it"
            yield Finding("hint", _at(document, (*path, "alert"), text, "for: 5m waits until it lasts"))
        if "severity" not in {**group.labels, **rule.labels}:
            text = f"{rule.alert} has no severity label"
            hint = "routes and incidents tell by it whom to wake"
            yield Finding("hint", _at(document, (*path, "alert"), text, hint))
