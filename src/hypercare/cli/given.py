"""What commands are given: instants, lengths of time, a source of history, a configuration."""

from __future__ import annotations

import datetime as dt
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hypercare.model.time import from_datetime, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.config import Config
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest, HttpResponse, PortError
    from hypercare.rehearse.history import History
    from hypercare.rehearse.remote import Send


def instant(text: str, now: Ms, option: str) -> Ms:
    """An instant as people write it.

    ``now``; ``-7d`` or ``7d`` (so long before now); unix seconds; RFC 3339; ``2026-01-05`` or ``2026-01-05T09:00`` in
    local time.

    Raises:
        BadParameter: it is none of these.
    """
    word = text.strip()
    if word == "now":
        return now
    if re.fullmatch(r"\d{9,}(\.\d+)?", word):
        return round(float(word) * 1000)
    try:
        return now - parse_duration(word.removeprefix("-"))
    except ValueError:
        pass
    try:
        # Without an offset: the zone of whoever asks.
        return from_datetime(dt.datetime.fromisoformat(word).astimezone())
    except (ValueError, OverflowError) as error:
        hint = "write -7d, now, 2026-01-05T09:00, 2026-01-05T09:00:00Z or unix seconds"
        msg = f"not an instant: {text!r}; {hint}"
        raise typer.BadParameter(msg, param_hint=option) from error


def duration(text: str, option: str) -> Ms:
    """A length of time.

    Raises:
        BadParameter: it is none.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def routes_config(path: Path) -> Config:
    """A hypercare.yml, or an alertmanager.yml on its own; the secrets that they name need not be here.

    Raises:
        InputError: all problems at once.
    """
    from hypercare.adapters.system import SystemFiles
    from hypercare.channels.registry import INTEGRATIONS
    from hypercare.config import load
    from hypercare.config.source import read_yaml
    from hypercare.rehearse.rule_files import read_file
    from hypercare.rules import check_template
    from hypercare.sim.ports import VirtualFiles

    files = SystemFiles()
    root = read_yaml(read_file(str(path), files), str(path)).root
    if root.at("route") is None or root.at("receivers") is None:
        return load(path, files, os.environ, INTEGRATIONS, check_template, check_files=False)
    whole = path.absolute()
    wrapper = whole.parent / "hypercare.yml (made for the backtest)"
    quoted = str(whole).replace("'", "''")
    held = VirtualFiles({wrapper: f"alertmanager: '{quoted}'\n".encode()})
    return load(wrapper, held, os.environ, INTEGRATIONS, check_template, check_files=False)


@contextmanager
def history(source: str, step: Ms) -> Iterator[tuple[History, str]]:
    """The history in a directory or of a server, and what to call it.

    Raises:
        InputError: there is no store in the directory.
        BadParameter: neither a directory nor a URL.
    """
    from hypercare.rehearse.history import StoreHistory

    if source.startswith(("http://", "https://")):
        with _remote(source, step) as found:
            yield found
        return
    if "://" in source:
        msg = f"{source!r} is neither a directory nor an http address"
        raise typer.BadParameter(msg, param_hint="--source")
    from hypercare.tsdbtools import read_only, store_directory

    with read_only(store_directory(Path(source))) as db:
        for problem in db.problems:
            typer.echo(f"hypercare: {problem}", err=True)
        yield StoreHistory(db.snapshot()), source


@contextmanager
def _remote(url: str, step: Ms) -> Iterator[tuple[History, str]]:
    from hypercare.rehearse.remote import RemoteHistory, logged_in

    with asking() as send:
        bare, logged = logged_in(url, send)
        yield RemoteHistory(bare, logged, step=step), bare


@contextmanager
def asking() -> Iterator[Send]:
    """What makes one exchange with a server and waits for the answer; a token in HYPERCARE_TOKEN logs in."""
    import dataclasses
    from queue import SimpleQueue

    from hypercare.adapters.http import HttpClient
    from hypercare.adapters.ioloop import IoLoop

    token = os.environ.get("HYPERCARE_TOKEN", "").strip()
    headers = (("Authorization", f"Bearer {token}"),) if token else ()
    loops: list[tuple[IoLoop, HttpClient]] = []

    def send(request: HttpRequest) -> HttpResponse | PortError:
        if not loops:
            # Only now: most commands that might ask a server do not.
            io = IoLoop()
            loops.append((io, HttpClient(io)))
        answers: SimpleQueue[HttpResponse | PortError] = SimpleQueue()
        if request.basic_auth is None:
            request = dataclasses.replace(request, headers=(*request.headers, *headers))
        loops[0][1].submit(request, answers.put)
        return answers.get()

    try:
        yield send
    finally:
        for io, _ in loops:
            io.close()
