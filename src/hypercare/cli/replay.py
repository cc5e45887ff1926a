"""``hypercare replay``: recorded hours, judged as if they came again."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hypercare.cli.given import asking, duration, instant
from hypercare.cli.simulate import play, saying
from hypercare.model.errors import InputError, Problem
from hypercare.model.time import format_rfc3339, parse_duration

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.rehearse.remote import Send
    from hypercare.rehearse.stories.reading import Book
    from hypercare.sim.scenario import Happening, Replay

_PAIR: Final = re.compile(r"([^=]+)=(.*)", re.DOTALL)


def replay(  # noqa: PLR0917 - options of a command
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV, OpenMetrics text (.om, .prom, .txt), data folders.", metavar="[FILE]..."),
    ] = None,
    config: Annotated[Path, typer.Option("--config", help="What judges.")] = Path("hypercare.yml"),
    from_: Annotated[str, typer.Option("--from", help="A server with Prometheus' HTTP API, instead of files.")] = "",
    match: Annotated[list[str] | None, typer.Option("--match", help="Which series of the server; none: all.")] = None,
    start: Annotated[str, typer.Option("--start", help="-6h, 2026-01-05T09:00, RFC 3339 or unix seconds.")] = "",
    end: Annotated[str, typer.Option("--end", help="The same; now by default for a server.")] = "",
    step: Annotated[str, typer.Option("--step", help="Take the server's values at steps, not its samples.")] = "",
    until: Annotated[str, typer.Option("--until", help="Go on until then: 6h after the beginning, or a time.")] = "",
    deploy: Annotated[
        tuple[str, str] | None, typer.Option("--deploy", help="Start a watch.", metavar="SERVICE VERSION")
    ] = None,
    at: Annotated[str, typer.Option("--at", help="When it went out: 2h after the beginning, or a time.")] = "0s",
    plan: Annotated[str, typer.Option("--plan", help="Of the watch.")] = "",
    previous: Annotated[str, typer.Option("--previous", help="The version before.")] = "",
    color: Annotated[str, typer.Option("--color", help="Of the new version.")] = "",
    shift_to: Annotated[str, typer.Option("--shift-to", help="As if it began then (now, or a time).")] = "",
    table: Annotated[
        Path | None, typer.Option("--table", help="YAML: time, metric, value, timezone, columns, rename, labels.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="name=value: a label of all series.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Of times without an offset.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Of the virtual world's chance.")] = 1,
    log: Annotated[Path | None, typer.Option("--log", help="Write the event log: one JSON line an event.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write story and summary as Markdown.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the summary.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Let recorded metrics (CSV, a Prometheus range) pass again: rules, alerts, pages and a watch judge them.

    The production program runs under the virtual clock.

    A scenario with replay: has people who answer and expectations, too; hypercare simulate runs it.

    Exit code 0: done; 2: the recording or the configuration is wrong; 3: the server cannot be read.
    """
    with saying(), asking() as send:
        now = _now()
        given = _table(table, label or [], timezone)
        times = {"begin": instant(start, now, "--start") if start else None}
        times["end"] = instant(end, now, "--end") if end else (now if from_ else None)
        times["shift_to"] = instant(shift_to, now, "--shift-to") if shift_to else None
        files = tuple(str(path.absolute()) for path in recordings or [])
        every = duration(step, "--step") if step else None
        wanted = _replay({**given, **times, "files": files, "from": from_, "match": tuple(match or ()), "step": every})
        book = _book(wanted, config, seed, send)
        if until:
            length = _offset(until, book, "--until")
            book = _with(book, length=length)
        if deploy is not None:
            book = _with(book, happens=(_deployed(deploy, book, at, plan, previous, color),))
        play(book, book.scenario.title, seed, log=log, report=report, quiet=quiet, json=json)


def _now() -> Ms:
    from hypercare.adapters.system import SystemClock

    return SystemClock().now()


def _table(path: Path | None, labels: list[str], timezone: str) -> dict[str, Any]:
    """What a file and options say of tables, as the keys of a scenario's ``replay``."""
    from hypercare.config.problems import validate
    from hypercare.config.source import read_yaml
    from hypercare.sim.scenario import Table

    found = Table()
    if path is not None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from None
        problems: list[Problem] = []
        read = validate(Table, read_yaml(data, str(path)), problems)
        if read is None:
            raise InputError(problems)
        found = read
    pairs = {}
    for text in labels:
        match = _PAIR.fullmatch(text)
        if match is None:
            msg = f"expected name=value, found {text!r}"
            raise typer.BadParameter(msg, param_hint="--label")
        pairs[match[1]] = match[2]
    given = found.model_dump()
    return {**given, "labels": {**found.labels, **pairs}, "timezone": timezone or found.timezone}


def _replay(given: dict[str, Any]) -> Replay:
    from pydantic import ValidationError

    from hypercare.sim.scenario import Replay

    try:
        return Replay.model_validate({key: value for key, value in given.items() if value})
    except ValidationError as error:
        problems = [
            Problem("", 0, 0, f"--{'.'.join(map(str, each['loc'])) or 'FILE'}: {each['msg']}")
            for each in error.errors(include_url=False)
        ]
        raise InputError(problems) from None


def _book(wanted: Replay, config: Path, seed: int, send: Send) -> Book:
    from hypercare.channels.registry import INTEGRATIONS
    from hypercare.config import load
    from hypercare.rehearse.stories.reading import Book, recorded_by
    from hypercare.rules import check_template
    from hypercare.sim.ports import VirtualFiles
    from hypercare.sim.scenario import Scenario

    problems: list[Problem] = []
    loaded = recorded = None
    try:
        loaded = load(config, VirtualFiles(), os.environ, INTEGRATIONS, check_template, check_files=False)
    except InputError as error:
        problems += error.problems
    try:
        recorded = recorded_by(Scenario(replay=wanted, seed=seed), wanted, Path(), send)
    except InputError as error:
        problems += error.problems
    if loaded is None or recorded is None:
        raise InputError(problems)
    scenario, recording, shift = recorded
    title = f"Replay of {recording.name}"
    return Book(scenario.model_copy(update={"title": title}), loaded, {}, recording, shift)


def _with(book: Book, **changes: Any) -> Book:
    import dataclasses

    return dataclasses.replace(book, scenario=book.scenario.model_copy(update=changes))


def _offset(text: str, book: Book, option: str) -> Ms:
    """How long after the beginning; an instant is one of the recorded time."""
    begun = book.scenario.start - book.shift
    try:
        found = parse_duration(text)
    except ValueError:
        found = instant(text, begun, option) - begun
    if found < 0:
        msg = f"{text} is before the recording, which begins at {format_rfc3339(begun)}"
        raise typer.BadParameter(msg, param_hint=option)
    return found


def _deployed(deploy: tuple[str, str], book: Book, at: str, plan: str, previous: str, color: str) -> Happening:
    from hypercare.config.problems import did_you_mean
    from hypercare.sim.scenario import Happening, Release

    service, version = deploy
    plans = book.config.hypercare.deployments
    if plans.plan(plan, service) is None:
        names = [each.name for each in plans.plans]
        if not names:
            msg = "the configuration has no plan: write deployments: {plans: […]}"
            raise typer.BadParameter(msg, param_hint="--deploy")
        msg = f"there is no plan {plan!r}; {did_you_mean(plan, names)}"
        raise typer.BadParameter(msg, param_hint="--plan")
    after = _offset(at, book, "--at")
    if after > book.scenario.length:
        msg = f"{at} is after the end, at {format_rfc3339(book.scenario.start - book.shift + book.scenario.length)}"
        raise typer.BadParameter(msg, param_hint="--at")
    release = Release(version=version, previous=previous, color=color, plan=plan)
    return Happening(at=after, service=service, deploy=release)
