"""Unit tests of rules: the server's own rule groups, ticked over written series."""

from __future__ import annotations

import dataclasses
import posixpath
from typing import TYPE_CHECKING, Any, Final

from hypercare.config.source import read_yaml
from hypercare.model.errors import InputError, Problem
from hypercare.promql import Engine
from hypercare.rehearse.rule_files import expand, read_file, read_rules, validated
from hypercare.rehearse.unit_case import CaseRun
from hypercare.rehearse.unit_files import UnitFile
from hypercare.rehearse.unit_results import FileResult
from hypercare.rules.spec import from_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.config.source import Document
    from hypercare.ports import Files
    from hypercare.rules.spec import GroupSpec

_STDIN: Final = "-"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """How to run.

    Attributes:
        run: compiled regular expressions; a test runs whose name one of them finds; none: all run.
        ignore_unknown: unknown keys in rule files are no errors.

    """

    run: tuple[Any, ...] = ()
    ignore_unknown: bool = False


def run_file(name: str, files: Files, choice: Choice, stdin: bytes = b"") -> FileResult:
    """Run the tests of one file."""
    shown = "<stdin>" if name == _STDIN else name
    try:
        data = stdin if name == _STDIN else read_file(name, files)
        document = read_yaml(data, shown, posixpath.dirname(name))
    except InputError as error:
        return FileResult(shown, error.problems)
    unit, problems = validated(UnitFile, document)
    specs, more, warnings = _groups(unit, document, files, choice)
    problems += more
    if unit is None or problems:
        return FileResult(shown, tuple(problems), warnings)
    engine = Engine()
    cases, skipped = [], []
    for index, case in enumerate(unit.tests):
        title = case.name or f"test {index + 1}"
        if choice.run and not any(pattern.search(case.name) for pattern in choice.run):
            skipped.append(title)
            continue
        cases.append(CaseRun(unit, index, title, document, specs, engine).result())
    return FileResult(shown, (), warnings, tuple(cases), tuple(skipped))


def _groups(
    unit: UnitFile | None, document: Document, files: Files, choice: Choice
) -> tuple[tuple[GroupSpec, ...], list[Problem], tuple[str, ...]]:
    """The groups of the named rule files in the order of their evaluation; problems; warnings."""
    if unit is None:
        return (), [], ()
    problems: list[Problem] = []
    warnings: list[str] = []
    names: dict[str, None] = {}
    for index, pattern in enumerate(unit.rule_files):
        found, missing = expand([pattern], files, document.base)
        names.update(dict.fromkeys(found))
        line, column = document.find(("rule_files", index))
        warnings += [f"{document.file}:{line}:{column}: {problem.message}: {pattern}" for problem in missing]
    read = [read_rules(name, files, ignore_unknown=choice.ignore_unknown) for name in names]
    problems += [problem for each in read for problem in each.problems]
    specs = from_files((each.rules for each in read if each.rules is not None), unit.evaluation_interval)
    specs = tuple(dataclasses.replace(spec, interval=unit.evaluation_interval) for spec in specs)
    known = {spec.name for spec in specs}
    for index, name in enumerate(unit.group_eval_order):
        if name not in known and not problems:
            line, column = document.find(("group_eval_order", index))
            warnings.append(f"{document.file}:{line}:{column}: no rule file has the group {name!r}")
    return _ordered(specs, unit.group_eval_order), problems, tuple(warnings)


def _ordered(specs: Sequence[GroupSpec], order: Sequence[str]) -> tuple[GroupSpec, ...]:
    places = {name: place for place, name in enumerate(order)}
    return tuple(sorted(specs, key=lambda spec: places.get(spec.name, len(places))))
