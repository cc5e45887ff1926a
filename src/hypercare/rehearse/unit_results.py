"""What running unit tests came to, for people and for machines."""

from __future__ import annotations

import dataclasses
import difflib
import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET  # only writes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.errors import Problem

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met, or an error on the way.

    Attributes:
        what: the expectation, with its instant.
        expected, got: line by line; both empty for an error.
        error: what went wrong, or empty.
        place: ``file:line:column`` of the expectation.

    """

    what: str
    place: str
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()
    error: str = ""

    def lines(self, *, diff: bool = False) -> list[str]:
        """For people."""
        head = f"{self.place}: {self.what}"
        if self.error:
            first, *rest = self.error.split("\n")
            return [f"{head}: {first}", *(f"    {line}" for line in rest)]
        if diff:
            compared = difflib.ndiff(self.expected, self.got)
            return [head, *(f"    {line}" for line in compared if not line.startswith("?"))]
        return [
            head,
            "    expected: " + ("nothing" if not self.expected else ""),
            *(f"        {line}" for line in self.expected),
            "    got: " + ("nothing" if not self.got else ""),
            *(f"        {line}" for line in self.got),
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class CaseResult:
    """One test.

    Attributes:
        name: as written, or ``test 3`` by its place.
        log: what happened on the way, for debugging.

    """

    name: str
    failures: tuple[Failure, ...]
    log: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class FileResult:
    """One test file.

    Attributes:
        problems: why it could not be run, or not all of it.
        warnings: what is odd, but no reason to fail.
        cases: the tests that were run.
        skipped: names of tests that were not asked for.

    """

    name: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all that was run has passed."""
        return not self.problems and not any(case.failures for case in self.cases)


def junit(results: Iterable[FileResult]) -> str:
    """All of it as JUnit XML, one suite a file."""
    root = ET.Element("testsuites")
    for result in results:
        failed = sum(bool(case.failures) for case in result.cases)
        counts = {"tests": len(result.cases) + len(result.skipped), "failures": failed}
        counts |= {"errors": int(bool(result.problems)), "skipped": len(result.skipped)}
        suite = ET.SubElement(
            root, "testsuite", {"name": _legal(result.name), **{k: str(v) for k, v in counts.items()}}
        )
        if result.problems:
            case = ET.SubElement(suite, "testcase", {"name": "the file", "classname": _legal(result.name)})
            error = ET.SubElement(case, "error", {"message": _legal(str(result.problems[0].message))})
            error.text = _legal("\n".join(str(p) for p in result.problems))
        for done in result.cases:
            case = ET.SubElement(suite, "testcase", {"name": _legal(done.name), "classname": _legal(result.name)})
            for failure in done.failures:
                inner = ET.SubElement(case, "failure", {"message": _legal(failure.what)})
                inner.text = _legal("\n".join(failure.lines()))
        for name in result.skipped:
            case = ET.SubElement(suite, "testcase", {"name": _legal(name), "classname": _legal(result.name)})
            ET.SubElement(case, "skipped")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _legal(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
