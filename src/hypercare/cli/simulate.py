"""``hypercare simulate``: a scenario under the virtual clock."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hypercare.cli.failure import ServerError
from hypercare.cli.show import as_json, clean
from hypercare.model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.rehearse.stories.reading import Book

_BAD_INPUT = 2


def simulate(
    scenario: Annotated[Path, typer.Argument(help="The scenario.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option("--config", help="Rehearse this hypercare.yml instead of the one that it names.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all chance, instead of the scenario's.")] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Write the event log: one JSON line an event.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write story and summary as Markdown.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the summary and the expectations.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Run a scenario under the virtual clock: the production program in a virtual world.

    Exit code 0: all expectations are met; 1: one is not; 2: the scenario or the configuration is
    wrong; 3: the server of a replay cannot be read.
    """
    with opened(scenario, config) as book:
        play(book, scenario.name, seed, log=log, report=report, quiet=quiet, json=json)


def play(
    book: Book, name: str, seed: int | None, *, log: Path | None, report: Path | None, quiet: bool, json: bool
) -> NoReturn:
    """Run a story, write and print what came of it, and end the command."""
    from hypercare.rehearse.stories import expectations, facts, telling
    from hypercare.rehearse.stories.stage import Stage

    stage = Stage(book, seed)
    stage.run()
    found = facts.facts_of(stage.events)
    judged = expectations.judge(stage.book.scenario.expect, found, stage.book.scenario.start)
    summary = telling.summary(stage, found, judged)
    lines = telling.story(stage, found)
    stage.close()
    told, checked = telling.summary_text(summary), telling.expectations_text(judged)
    if log is not None:
        _write(log, "".join(f"{line}\n" for line in stage.log.lines))
    if report is not None:
        title = stage.book.scenario.title or name
        body = "\n".join(lines)
        _write(report, f"# {title}\n\n```\n{told}\n\n{checked}\n```\n\n## Story\n\n```\n{body}\n```\n")
    if json:
        as_json(summary)
    else:
        parts = [] if quiet else ["\n".join(lines), ""]
        print(clean("\n".join([*parts, told, *(["", checked] if judged else [])]), lines=True))
    raise typer.Exit(0 if all(j.met for j in judged) and not summary["failed_steps"] else 1)


@contextmanager
def opened(scenario: Path, config: Path | None) -> Iterator[Book]:
    """Read a scenario; what is wrong with it, and a server of a replay that fails, is said, and ends the command."""
    from hypercare.cli.given import asking
    from hypercare.rehearse.stories.reading import read
    from hypercare.sim.ports import VirtualFiles

    with saying(), asking() as send:
        yield read(scenario, VirtualFiles(), os.environ, config, send)


@contextmanager
def saying() -> Iterator[None]:
    """Within, what is wrong with the input, or with a server that is asked, is said and ends the command."""
    from hypercare.rehearse.history import SourceError

    # What the server would log is in the story; on a terminal it would be told twice.
    logging.getLogger("hypercare").setLevel(logging.CRITICAL)
    try:
        yield
    except InputError as error:
        print(clean(str(error), lines=True), file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None
    except SourceError as error:
        raise ServerError(str(error)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"hypercare: {path} cannot be written: {error.strerror or error}", file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None
