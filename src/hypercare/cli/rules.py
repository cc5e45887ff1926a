"""Rules before they are trusted: check, test, backtest."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hypercare.cli.rules_backtest import backtest
from hypercare.cli.rules_test import unit_test
from hypercare.cli.show import clean

if TYPE_CHECKING:
    from hypercare.rehearse.rule_files import ReadRules

app = typer.Typer(help="Rules before they are trusted: check, test, backtest.", no_args_is_help=True)
app.command("test")(unit_test)
app.command()(backtest)

Files = Annotated[list[str], typer.Argument(help="Rule files or patterns; - is the standard input.", metavar="FILE...")]
_FATAL = 3


@app.command()
def check(
    files: Files,
    lint: Annotated[
        str,
        typer.Option(
            help="What to look for beyond errors: all, none, or some of duplicate-rules,template-labels,hint."
        ),
    ] = "all",
    lint_fatal: Annotated[bool, typer.Option("--lint-fatal", help="Exit with 3 if a lint finds something.")] = False,
    ignore_unknown_fields: Annotated[
        bool, typer.Option("--ignore-unknown-fields", help="Keys that rule files do not have are no errors.")
    ] = False,
) -> None:
    """Check rule files: every error with its place, then duplicates and other oddities.

    Exit code 0: good; 1: errors; 3: with --lint-fatal, something that a lint found (hints never count).
    """
    from hypercare.adapters.system import SystemFiles
    from hypercare.rehearse import lint as lints
    from hypercare.rehearse.rule_files import STDIN_NAME, expand, read_rules

    try:
        wanted = lints.wanted(lint)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--lint") from error
    disk = SystemFiles()
    names, missing = expand(files, disk)
    stdin = sys.stdin.buffer.read() if STDIN_NAME in names else b""
    for problem in missing:
        print(clean(str(problem), lines=True), file=sys.stderr)
    bad, found = bool(missing), False
    for name in names:
        read = read_rules(name, disk, stdin, ignore_unknown=ignore_unknown_fields)
        print(f"Checking {clean(read.name)}")
        findings = lints.lint(read, wanted)
        serious = [finding for finding in findings if finding.lint != "hint"]
        _verdict(read, failed=bool(serious) and lint_fatal)
        for finding in findings:
            told = dataclasses.replace(finding.problem, hint="")
            advice = f": {finding.problem.hint}" if finding.problem.hint else ""
            print(f"  {finding.lint}: {clean(f'{told}{advice}')}", file=sys.stderr, flush=True)
        bad, found = bad or read.rules is None, found or bool(serious)
        print(flush=True)
    raise typer.Exit(1 if bad else _FATAL if found and lint_fatal else 0)


def _verdict(read: ReadRules, *, failed: bool) -> None:
    if read.rules is None:
        count = len(read.problems)
        print(f"  FAILED: {count} problem{'s' * (count != 1)}", flush=True)
        for problem in read.problems:
            print(f"  {clean(str(problem), lines=True)}", file=sys.stderr, flush=True)
        return
    rules = sum(len(group.rules) for group in read.rules.groups)
    groups = len(read.rules.groups)
    told = f"{rules} rule{'s' * (rules != 1)} found in {groups} group{'s' * (groups != 1)}"
    print(f"  {'FAILED' if failed else 'SUCCESS'}: {told}", flush=True)
