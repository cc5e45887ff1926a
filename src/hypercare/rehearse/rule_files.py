"""Reading rule files that nobody's configuration names: all problems of all files, each with its place."""

from __future__ import annotations

import dataclasses
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hypercare.config.problems import validate
from hypercare.config.rule_check import check_rules
from hypercare.config.rule_files import RuleFile, RuleGroups
from hypercare.config.source import read_yaml
from hypercare.model.errors import InputError, Problem
from hypercare.rules import check_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.config.base import StrictModel
    from hypercare.config.source import Document
    from hypercare.ports import Files

ModelT = TypeVar("ModelT", bound="StrictModel")
STDIN_NAME = "-"
_MAGIC = frozenset("*?[")


@dataclasses.dataclass(frozen=True, slots=True)
class ReadRules:
    """One file that was looked at.

    Attributes:
        name: as the user named it.
        rules: its content, or none where it cannot be used.
        document: its text with places, or none where it is not YAML.
        problems: what is wrong, in reading order; empty where all is well.

    """

    name: str
    rules: RuleFile | None
    document: Document | None
    problems: tuple[Problem, ...]


def expand(patterns: Sequence[str], files: Files, base: str = "") -> tuple[list[str], list[Problem]]:
    """The files that paths and shell patterns name, each once, and a problem for every one that names none.

    Args:
        patterns: paths; one that exists as it is written is no pattern.
        files: where to look.
        base: the folder that relative ones start from.

    """
    found: dict[str, None] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        path = posixpath.join(base, pattern)
        if pattern == STDIN_NAME or not _MAGIC & set(path) or files.stamp(Path(path)) != (0, 0):
            found[pattern if pattern == STDIN_NAME else path] = None
            continue
        names = [str(each) for each in files.glob(path)]
        if not names:
            problems.append(Problem(path, 0, 0, "no file fits this pattern"))
        found.update(dict.fromkeys(names))
    return list(found), problems


def read_rules(name: str, files: Files, stdin: bytes = b"", *, ignore_unknown: bool = False) -> ReadRules:
    """Read and check one rule file.

    Args:
        name: its path; ``-`` for the standard input.
        files: where it is read from.
        stdin: what came on the standard input.
        ignore_unknown: take keys that rule files do not have for notes of somebody else's.

    """
    shown = "<stdin>" if name == STDIN_NAME else name
    try:
        data = stdin if name == STDIN_NAME else read_file(name, files)
        document = read_yaml(data, shown, posixpath.dirname(name))
    except InputError as error:
        return ReadRules(shown, None, None, error.problems)
    groups, problems = validated(RuleGroups, document, ignore_unknown=ignore_unknown)
    problems += check_rules(document, check_template)
    rules = None if groups is None or problems else RuleFile(path=shown, groups=groups.groups)
    return ReadRules(shown, rules, document, tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.message))))


def read_file(name: str, files: Files) -> bytes:
    """The content of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return files.read(Path(name))
    except FileNotFoundError as error:
        raise InputError([Problem(name, 0, 0, "no such file")]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError([Problem(name, 0, 0, f"cannot be read: {reason}")]) from error


def validated(
    model: type[ModelT], document: Document, *, ignore_unknown: bool = False
) -> tuple[ModelT | None, list[Problem]]:
    """The document as a model, or none; and what is wrong with it."""
    problems: list[Problem] = []
    found = validate(model, document, problems)
    if not ignore_unknown:
        return found, problems
    unknown = [p for p in problems if p.message.startswith("unknown key ")]
    while unknown:
        for problem in unknown:
            _drop(document, problem.line, problem.column)
        problems = []
        found = validate(model, document, problems)
        unknown = [p for p in problems if p.message.startswith("unknown key ")]
    return found, problems


def _drop(document: Document, line: int, column: int) -> None:
    """Remove the key that stands at a place."""
    pending = [document.root]
    while pending:
        node = pending.pop()
        for key, place in list(node.keys.items()):
            if place == (line, column) and node.items is not None:
                node.items.pop(key, None)
                del node.keys[key]
        pending += [*(node.items or {}).values(), *(node.elements or ())]
