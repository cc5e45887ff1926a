"""The command line. Each command is thin: it parses, calls one function of a room, prints, and gives the exit code.

Only the module of the command that is asked for is loaded: the server's rooms take a second, ``hypercare oncall`` must
not. Commands that need a room only in one of their ways import it there.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hypercare import __version__
from hypercare.cli.failure import ServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = {
    "serve": ("serve", "serve", "Watch a platform until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew."),
    "check": ("check", "check", "Look over all services, targets, alerts and thresholds."),
    "query": ("ask", "query", "Evaluate a PromQL expression now (or at --time), or over a range (--from, --to)."),
    "alerts": (
        "alerts",
        "app",
        "List the firing alerts; exit code 1 if there is an active one. Or ask why: alerts why LABELS.",
    ),
    "targets": ("ask", "targets", "List what is scraped; exit code 1 if something is down."),
    "oncall": (
        "oncall",
        "app",
        "Who is on call; schedules, shifts, coverage, changes, calendars, escalations, audit.",
    ),
    "channels": ("channels", "app", "The ways to people: list, test, fake."),
    "incidents": ("incidents", "app", "Incidents: list, ack, note, resolve; rooms, post-mortems, statistics."),
    "statuspage": ("statuspage", "app", "The status page: show, post, maintenance, cancel."),
    "runbooks": ("runbooks", "app", "Runbooks: list, show, check."),
    "deploy": ("deploy", "app", "Deployments under watch: start, list, show, sign, answer, note, action, cancel."),
    "actions": ("actions", "app", "Actions on the platform: list, show, run, approve, refuse."),
    "silences": ("silences", "app", "Silences: list, add, expire."),
    "users": ("users", "app", "Users: list, add, role, password, disable, enable, log-out."),
    "tokens": ("tokens", "app", "Tokens of programs: list, add, revoke."),
    "audit": ("audit", "audit", "Who changed what, when, from where."),
    "rules": ("rules", "app", "Rules before they are trusted: check, test, backtest."),
    "simulate": (
        "simulate",
        "simulate",
        "Run a scenario under the virtual clock: the production program in a virtual world.",
    ),
    "replay": (
        "replay",
        "replay",
        "Let recorded metrics (CSV, a Prometheus range) pass again: rules, alerts, pages and a watch judge them.",
    ),
    "drill": (
        "drill",
        "drill",
        "Score the response in a scenario: detection, pages, acknowledgement, escalation, repair, what follows.",
    ),
    "judge": ("judge", "app", "Canaries and analyses judged as other tools do it: kayenta, argo."),
    "tsdb": ("tsdb", "app", "The metrics store, without a server: check, analyze, list, export, import."),
    "config": ("config", "app", "Configuration: check, schema."),
    "demo": ("demo", "app", "A small real AI platform, watched by hypercare. Break it and see."),
}
"""Name: module, function or group in it, and the first line of its help."""


def application(only: str = "") -> typer.Typer:
    """The commands, ready to run.

    Args:
        only: load this command, and of the others just name and help; empty: load all.

    """
    app = typer.Typer(
        name="hypercare",
        help="Post-launch operations of an AI platform: metrics, rules, alerts, on-call, incidents.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, (module, attribute, text) in COMMANDS.items():
        if only not in {"", name}:
            app.command(name, help=text)(_named_only)
            continue
        found = getattr(importlib.import_module(f"hypercare.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    app.command("version")(version)
    return app


def _loaded(only: str) -> typer.Typer:
    """``application`` without the collector of cycles, a tenth of the time: modules stay."""
    gc.disable()
    try:
        return application(only)
    finally:
        gc.enable()


def _named_only() -> None:
    """Stands for a command that is not asked for."""


def version() -> None:
    """Print the version."""
    print(f"hypercare {__version__}")


def _version_asked(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


def _options(
    *,
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version_asked, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Flags before the command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: 2 for usage errors (typer's own), 3 where the server cannot be reached or refuses."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    completing = any(name.startswith("_HYPERCARE") for name in os.environ)
    # Options before the command are flags, so that the first other word is the command.
    asked = next((word for word in given if not word.startswith("-")), "version")
    try:
        _loaded("" if completing else asked)(given, prog_name="hypercare")
    except ServerError as error:
        print(f"hypercare: {error}", file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:
        # Whoever read our output has seen enough (``| head``); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
