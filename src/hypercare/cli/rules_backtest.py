"""``hypercare rules backtest``: what rules would have done."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hypercare.cli.client import DEFAULT_URL
from hypercare.cli.failure import ServerError
from hypercare.cli.given import duration, history, instant, routes_config
from hypercare.cli.show import as_json, clean
from hypercare.model.errors import InputError
from hypercare.model.time import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.config import Config, RuleFile
    from hypercare.model.time import Ms
    from hypercare.rehearse.report import Report
    from hypercare.rehearse.run import Order

Files = Annotated[
    list[str] | None,
    typer.Argument(help="Rule files or patterns; none: those that --config names.", metavar="[FILE]..."),
]
Source = Annotated[
    str,
    typer.Option(envvar="HYPERCARE_URL", help="A data directory of hypercare, or a server with Prometheus' HTTP API."),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="hypercare.yml or alertmanager.yml: tells whom the alerts reach.")
]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page with timelines to this file.")]
_GREY: Final = "\x1b[2K\r"
_STOPPED: Final = 130


def backtest(
    files: Files = None,
    *,
    from_: Annotated[str, typer.Option("--from", help="-7d, 2026-01-05T09:00, RFC 3339 or unix seconds.")] = "-7d",
    to: Annotated[str, typer.Option("--to", help="The same; now by default.")] = "now",
    source: Source = DEFAULT_URL,
    interval: Annotated[
        str, typer.Option("--interval", "--step", help="Of groups that name none; that of --config, or 1m.")
    ] = "",
    config: ConfigFile = None,
    ack_after: Annotated[
        str, typer.Option(help="How long after the first page somebody acknowledges; never: nobody does.")
    ] = "5m",
    html: Html = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List alerts, too, that were only pending.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Evaluate each expression instant by instant: slow, and the same result.")
    ] = False,
) -> None:
    """Evaluate rules over history: when each alert would have been pending, firing, resolved, and who would be told.

    Exit code 0: done; 1: problems in the files, or no data in this time; 3: the source cannot be read.
    """
    from hypercare.rehearse.history import SourceError

    now = _now()
    start, end = instant(from_, now, "--from"), min(instant(to, now, "--to"), now)
    if end <= start:
        raise typer.BadParameter("--to is not after --from", param_hint="--to")
    try:
        order = _order(files or [], start, end, interval, config, ack_after, exact=exact)
        report = _run(order, source)
    except InputError as error:
        print(clean(str(error), lines=True), file=sys.stderr)
        raise typer.Exit(1) from error
    except SourceError as error:
        raise ServerError(str(error)) from error
    except OSError as error:
        msg = f"{source}: {error.strerror or error}"
        raise ServerError(msg) from error
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        raise typer.Exit(_STOPPED) from None
    _show(report, html, json=json, everything=everything)
    raise typer.Exit(0 if report.has_data else 1)


def _now() -> Ms:
    from hypercare.adapters.system import SystemClock

    return SystemClock().now()


def _order(
    patterns: Sequence[str], start: Ms, end: Ms, interval: str, config: Path | None, ack_after: str, *, exact: bool
) -> Order:
    from hypercare.rehearse.run import Order

    loaded = None if config is None else routes_config(config)
    defaults = None if loaded is None else loaded.prometheus.global_
    every = duration(interval, "--interval") if interval else (defaults and defaults.evaluation_interval) or MINUTE
    if every < SECOND:
        raise typer.BadParameter("must be a second or more", param_hint="--interval")
    return Order(
        rules=_rules(patterns, loaded),
        start=start,
        end=end,
        interval=every,
        query_offset=0 if defaults is None else defaults.rule_query_offset,
        config=loaded,
        ack_after=None if ack_after == "never" else duration(ack_after, "--ack-after"),
        exact=exact,
    )


def _rules(patterns: Sequence[str], config: Config | None) -> tuple[RuleFile, ...]:
    """The rule files.

    Raises:
        InputError: all their problems at once.
    """
    from hypercare.adapters.system import SystemFiles
    from hypercare.rehearse.rule_files import STDIN_NAME, expand, read_rules

    if not patterns:
        if config is None or not config.rules:
            raise typer.BadParameter("name a rule file, or a --config that names some", param_hint="FILE")
        return config.rules
    disk = SystemFiles()
    names, problems = expand(patterns, disk)
    stdin = sys.stdin.buffer.read() if STDIN_NAME in names else b""
    read = [read_rules(name, disk, stdin) for name in names]
    problems += [problem for each in read for problem in each.problems]
    found = tuple(each.rules for each in read if each.rules is not None)
    if problems:
        raise InputError(problems)
    return found


def _run(order: Order, source: str) -> Report:
    from hypercare.rehearse import run

    step = min((spec.interval for spec in run.groups_of(order)), default=order.interval)
    with history(source, step) as (past, name):
        try:
            return run.run(order, past, name, _progress)
        finally:
            _progress("")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        print(f"{_GREY}{clean(text)[: width - 1]}", end="", file=sys.stderr, flush=True)


def _show(report: Report, html: Path | None, *, json: bool, everything: bool) -> None:
    from hypercare.rehearse.page import Page
    from hypercare.rehearse.text import Look, render

    if html is not None:
        try:
            html.write_text(Page(report).html(), encoding="utf-8")
        except OSError as error:
            print(f"hypercare: cannot write {html}: {error.strerror or error}", file=sys.stderr)
            raise typer.Exit(1) from error
    if json:
        as_json(report.as_json())
        return
    terminal = sys.stdout.isatty()
    plain = not terminal or bool(os.environ.get("NO_COLOR"))
    look = Look(
        width=shutil.get_terminal_size((100, 24)).columns if terminal else 100,
        unicode=not plain and "utf" in (sys.stdout.encoding or "").lower(),
        colour=not plain,
        everything=everything,
    )
    for line in render(report, look):
        print(clean_line(line))
    if html is not None:
        print(f"\nwritten: {html}")


def clean_line(line: str) -> str:
    """A line with our colours and nothing else that a terminal would obey."""
    parts = line.split("\x1b[")
    kept = [clean(parts[0])]
    for part in parts[1:]:
        code, mark, rest = part.partition("m")
        known = mark and code in {"0", "1", "2", "31", "33", "34"}
        kept.append(f"\x1b[{code}m{clean(rest)}" if known else clean(part))
    return "".join(kept)
