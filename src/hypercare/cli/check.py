"""One look over the whole platform, with honest exit codes (R3.2)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hypercare.adapters.realtime import pause
from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.failure import ServerError
from hypercare.cli.show import as_json, clean, local, table
from hypercare.model.errors import InputError

Config = Annotated[Path | None, typer.Option("--config", help="Look by yourself, without a running hypercare.")]
_UNKNOWN = 3
_EVERY_SECONDS = 300.0


def check(
    once: Annotated[bool, typer.Option("--once", help="One look (the default).")] = False,
    continuous: Annotated[bool, typer.Option("--continuous", help="Look again and again, until Ctrl-C.")] = False,
    report: Annotated[bool, typer.Option("--report", help="One look as a Markdown report.")] = False,
    seconds: Annotated[
        float | None, typer.Argument(help="Pause between looks with --continuous (300).", min=1, show_default=False)
    ] = None,
    config: Config = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Look over all services, targets, alerts and thresholds.

    Exit code 0: healthy; 1: warnings; 2: critical; 3: could not tell. With --continuous that of the last look.
    """
    if once + continuous + report > 1:
        raise typer.BadParameter("choose one of --once, --continuous, --report")
    if seconds is not None and not continuous:
        raise typer.BadParameter("SECONDS goes with --continuous")
    code = _UNKNOWN
    try:
        while True:
            found = _look(url, config)
            # Known before it is shown, so that Ctrl-C at any time gives the code of what was shown.
            code = _UNKNOWN if found is None else int(found["exit_code"])
            if found is not None:
                _show(found, json=json, report=report, lines=continuous)
            if not continuous:
                break
            pause(seconds or _EVERY_SECONDS)
            if not json:
                print(flush=True)
    except KeyboardInterrupt:
        pass
    raise typer.Exit(code)


def _look(url: str, config: Path | None) -> dict[str, Any] | None:
    """What there is to see; none where nothing could be seen, and why is said."""
    try:
        found: dict[str, Any] = request(url, "/api/hypercare/v1/check", text=True) if config is None else _alone(config)
    except ServerError as error:
        print(f"hypercare: {error}\n  or look without a server: --config FILE", file=sys.stderr)
        return None
    except InputError as error:
        print(error, file=sys.stderr)
        return None
    return found


def _show(found: dict[str, Any], *, json: bool, report: bool, lines: bool) -> None:
    if json:
        _json({k: v for k, v in found.items() if k != "text"}, lines=lines)
    elif report:
        print(clean(found["text"], lines=True))
    else:
        print(f"{clean(found['platform'])}: {found['status']}   {local(found['at'])}")
        rows = [(x["status"], x["kind"], x["name"], x["detail"]) for x in found["lines"]]
        table(("status", "", "name", "detail"), rows, "There is nothing to look at: no services, no targets.")


def _json(value: dict[str, Any], *, lines: bool) -> None:
    """One document, or with --continuous one line a look."""
    if lines:
        print(json.dumps(value, ensure_ascii=False), flush=True)
    else:
        as_json(value)


def _alone(config: Path) -> dict[str, Any]:
    """Scrape and judge everything once in this process."""
    from hypercare.cli.load import load_config
    from hypercare.cli.once import look_once
    from hypercare.cli.serve import real_ports

    loaded = load_config(config)
    ports, close = real_ports()
    try:
        return look_once(loaded, ports)
    finally:
        close()
