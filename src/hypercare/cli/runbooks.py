"""Runbooks beside the configuration: list, show, check."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.show import as_json, clean, table

app = typer.Typer(help="Runbooks: list, show, check.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/runbooks"


@app.command("list")
def list_(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """All runbooks, and what they are for."""
    found = request(url, _BASE)
    if json:
        as_json(found)
        return
    rows = [(r["name"], r["title"], ", ".join(r["alerts"]), ", ".join(r["services"])) for r in found]
    table(("name", "title", "alerts", "services"), rows, "No runbooks; name a folder: runbooks: DIR in hypercare.yml.")


@app.command()
def show(name: str, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """One runbook."""
    found: dict[str, Any] = request(url, f"{_BASE}/{quote(name)}")
    if json:
        as_json(found)
    else:
        print(clean(found["text"], lines=True).strip())


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Markdown files.", exists=True, dir_okay=False)],
) -> None:
    """Check runbooks without a server: every problem with its line; exit code 1 if there is one."""
    from hypercare.config.runbooks import parse_runbook

    wrong = 0
    for file in files:
        runbook, problems = parse_runbook(file.read_bytes(), str(file), file.stem)
        for problem in problems:
            print(problem, file=sys.stderr)
        wrong += bool(problems)
        if runbook is not None:
            steps = sum(len(phase.steps) for phase in runbook.phases)
            print(f"{file}: {clean(runbook.title)}: {len(runbook.phases)} phases, {steps} steps")
    if wrong:
        raise typer.Exit(1)
