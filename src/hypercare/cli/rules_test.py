"""``hypercare rules test``: unit tests of rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypercare.cli.show import clean

if TYPE_CHECKING:
    from hypercare.rehearse.unit_results import CaseResult, FileResult

Files = Annotated[
    list[str], typer.Argument(help="Unit test files or patterns; - is the standard input.", metavar="FILE...")
]
Junit = Annotated[Path | None, typer.Option(help="Write the results as JUnit XML to this file.")]


def unit_test(
    files: Files,
    run: Annotated[
        list[str] | None, typer.Option(help="Run only tests whose name this regular expression finds; may be repeated.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what differs line by line.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show what the alerts of each test went through.")] = False,
    junit: Junit = None,
    ignore_unknown_fields: Annotated[
        bool, typer.Option("--ignore-unknown-fields", help="Keys that rule files do not have are no errors.")
    ] = False,
) -> None:
    """Run unit tests of rules, in promtool's file format.

    Exit code 0: all tests passed; 1: some failed or could not be run.
    """
    import re2

    from hypercare.adapters.system import SystemFiles
    from hypercare.rehearse.rule_files import STDIN_NAME, expand
    from hypercare.rehearse.unit_results import junit as junit_xml
    from hypercare.rehearse.unit_run import Choice, run_file

    try:
        options = re2.Options()
        options.log_errors = False
        patterns = tuple(re2.compile(pattern, options) for pattern in run or ())
    except re2.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--run") from error
    disk = SystemFiles()
    names, missing = expand(files, disk)
    for problem in missing:
        print(clean(str(problem), lines=True), file=sys.stderr)
    stdin = sys.stdin.buffer.read() if STDIN_NAME in names else b""
    results: list[FileResult] = []
    for name in names:
        print(f"Unit Testing:  {clean(name)}", flush=True)
        results.append(run_file(name, disk, Choice(patterns, ignore_unknown_fields), stdin))
        _show(results[-1], diff=diff, debug=debug)
    if junit is not None:
        _write(junit, junit_xml(results))
    raise typer.Exit(int(bool(missing) or not all(result.ok for result in results)))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"hypercare: cannot write {path}: {error.strerror or error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _show(result: FileResult, *, diff: bool, debug: bool) -> None:
    for warning in result.warnings:
        print(f"  WARNING: {clean(warning)}", file=sys.stderr)
    if debug:
        for case in result.cases:
            _log(case)
    if result.ok:
        count = len(result.cases)
        skipped = f", {len(result.skipped)} not asked for" if result.skipped else ""
        print(f"  SUCCESS: {count} test{'s' * (count != 1)} passed{skipped}\n", flush=True)
        return
    print("  FAILED:", flush=True)
    for problem in result.problems:
        print(f"    {clean(str(problem), lines=True)}", file=sys.stderr)
    for case in result.cases:
        for failure in case.failures:
            first, *rest = failure.lines(diff=diff)
            lines = [f"{case.name}: {first}", *rest]
            print("\n".join(f"    {clean(line)}" for line in lines), file=sys.stderr)
    failed = sum(bool(case.failures) for case in result.cases)
    if not result.problems:
        print(f"  {failed} of {len(result.cases)} tests failed", flush=True)
    print(flush=True)


def _log(case: CaseResult) -> None:
    print(f"  DEBUG: {clean(case.name)}")
    for line in case.log:
        print(f"    {clean(line)}")
