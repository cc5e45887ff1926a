"""Run hypercare."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
import uvicorn
from sqlalchemy.exc import DatabaseError

from hypercare.access.store import any_user
from hypercare.adapters.apprised import AppriseLibrary
from hypercare.adapters.election import Election, replica_name
from hypercare.adapters.host import SystemHost, hostname
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.mailer import SmtpMailer
from hypercare.adapters.memory import hold_collector, memory_limit, spare_collector
from hypercare.adapters.network import SystemNetwork
from hypercare.adapters.own_process import SystemProcess
from hypercare.adapters.processes import SystemProcesses
from hypercare.adapters.realtime import RealtimeDriver
from hypercare.adapters.sidelistener import SideListener
from hypercare.adapters.streams import HttpStreams
from hypercare.adapters.system import StreamConsole, SystemClock, SystemFiles, SystemIds
from hypercare.adapters.webserver import QuietServer, bound
from hypercare.adapters.workers import Threads
from hypercare.app import build
from hypercare.cli.load import load_config
from hypercare.model.errors import InputError
from hypercare.ports import Ports
from hypercare.web import create_web
from hypercare.web.auth import is_loopback
from hypercare.web.statuspage import status_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fastapi import FastAPI

    from hypercare.app import App
    from hypercare.config import Config

_log = logging.getLogger("hypercare")
DEFAULT_LISTEN = "127.0.0.1:9600"
_KEEP_ALIVE = 90
"""Seconds for which an idle connection is kept: longer than the minute between the queries of most clients."""


def real_ports() -> tuple[Ports, Callable[[], None]]:
    """The real outside, and how to close it: everybody who still waits gets one answer."""
    io, mailer, host, apprise = IoLoop(), SmtpMailer(), SystemHost(), AppriseLibrary()
    processes, http = SystemProcesses(), HttpClient(io)
    ports = Ports(
        clock=SystemClock(),
        ids=SystemIds(),
        http=http,
        mailer=mailer,
        network=SystemNetwork(io),
        host=host,
        files=SystemFiles(),
        console=StreamConsole(),
        processes=processes,
        workers=Threads(),
        apprise=apprise,
        streams=HttpStreams(io, http),
        process=SystemProcess(),
    )

    def close() -> None:
        processes.close()
        mailer.close()
        apprise.close()
        host.close()
        io.close()

    return ports, close


def serve(
    config: Annotated[Path, typer.Option("--config", help="hypercare.yml, or a prometheus.yml.")] = Path(
        "hypercare.yml"
    ),
    data: Annotated[Path, typer.Option("--data", help="Directory of metrics and state.")] = Path("data"),
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT; web.listen of the file, or 127.0.0.1:9600.")] = "",
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning, error.")] = "info",
    advertise: Annotated[str, typer.Option("--advertise", help="URL under which other replicas reach this one.")] = "",
) -> None:
    """Watch a platform until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew.

    Exit code 2: the configuration has problems (all of them are printed).
    """
    hold_collector()
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        loaded = load_config(config)
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    for announcement in loaded.announcements:
        _log.warning("%s", announcement)
    host, port = _address(listen or loaded.hypercare.web.listen or DEFAULT_LISTEN)
    sockets = _bound(host, port)
    # Migrations are told by the schema's version; alembic would write a line for each step.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    ports, close_ports = real_ports()
    app = _build(loaded, ports, data)
    try:
        _check_names(app)
        _demand_log_in(host, app, data)
    except typer.Exit:
        close_ports()
        raise
    driver = RealtimeDriver(app.kernel)
    if isinstance(ports.clock, SystemClock) and not app.state.shared:
        # Before the first step, which notes its own instant.
        ports.clock.go_on_from(app.state.seen_at())
    ready = app.start()
    driver.start()
    ready.result(60)
    election = _join(app, ports, data, advertise or _url_of(host, port))
    web = create_web(app, lambda: load_config(config), exposed=not is_loopback(host))
    _log.info("watching %s, listening on http://%s:%d", loaded.hypercare.platform, host, port)
    status = _status_page(app)
    try:
        _run_web(web, app, config, sockets)
    finally:
        if status is not None:
            status.stop()
        driver.stop()
        if election is not None:
            election.stop()
        close_ports()
        app.close()


def _join(app: App, ports: Ports, data: Path, address: str) -> Election | None:
    """Lead or stand by, where the state is shared."""
    clock = ports.clock
    if not isinstance(clock, SystemClock):
        return None
    if not app.state.shared:
        return None
    app.replica = replica_name(data)
    election = Election(app.kernel, clock, app.replica, address, app.version)
    app.leader = lambda: election.leader
    app.standing = lambda: election.standing
    election.start()
    return election


def _url_of(host: str, port: int) -> str:
    """Where others reach an address that we listen on."""
    name = hostname() if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - all addresses
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _status_page(app: App) -> SideListener | None:
    """The listener of the status page, where the configuration names one; a taken address does not end the rest."""
    page = app.config.hypercare.status_page
    if page is None or not page.listen:
        return None
    host, port = _address(page.listen)
    listener = SideListener(status_app(app), host, port)
    if not listener.start():
        _log.error("the status page cannot listen on %s; everything else goes on", page.listen)
        return None
    _log.info("status page on http://%s:%d", host, port)
    return listener


def _build(loaded: Config, ports: Ports, data: Path) -> App:
    """Open the stores and say what was lost of them, if anything."""
    try:
        app = build(loaded, ports, data, hostname(), memory_limit())
    except (InputError, DatabaseError, OSError) as error:
        print(f"hypercare: the data in {data} cannot be opened: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    for problem in app.tsdb.problems:
        _log.error("metrics store: %s", problem)
    return app


def _check_names(app: App) -> None:
    """Refuse to start with a schedule that was made on the page under a name of the file."""
    try:
        app.check_names(app.config)
    except InputError as error:
        app.close()
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(f"not an address: {text!r}; expected HOST:PORT such as {DEFAULT_LISTEN}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":9600" means all addresses, as for Prometheus


def _demand_log_in(host: str, app: App, data: Path) -> None:
    web = app.config.hypercare.web
    if is_loopback(host) or web.token or web.token_file or web.users or web.oidc is not None:
        return
    with app.state.read() as db:
        if any_user(db):
            return
    app.close()
    print(
        f"hypercare: {host} can be reached from other machines, and nobody would have to log in.\n"
        f"    hint: make an administrator: hypercare users add NAME --role admin --data {data}\n"
        "          or set web.users, web.oidc or web.token_file in hypercare.yml, or listen on 127.0.0.1",
        file=sys.stderr,
    )
    raise typer.Exit(2)


def _bound(host: str, port: int) -> list[socket.socket]:
    """The address, before anything is opened or begun: another server may run on the same data."""
    try:
        return bound(host, port)
    except OSError as error:
        _refuse_address(f"{host}:{port}", error)


def _refuse_address(address: str, error: OSError) -> NoReturn:
    print(
        f"hypercare: cannot listen on {address}: {error.strerror}\n"
        "    hint: another hypercare may run there; --listen HOST:PORT takes another address",
        file=sys.stderr,
    )
    raise typer.Exit(1) from error


def _run_web(web: FastAPI, app: App, config: Path, sockets: list[socket.socket]) -> None:
    """Serve in this thread until a signal ends it."""
    server = QuietServer(
        uvicorn.Config(web, log_level="warning", access_log=False, lifespan="off", loop="asyncio",
                       timeout_graceful_shutdown=3, timeout_keep_alive=_KEEP_ALIVE, server_header=False),
        # Looking at all that was made takes 0.2 s, for which nobody who waits for the start should wait.
        settled=lambda: _settle(app),
    )  # fmt: skip

    def reload() -> None:
        try:
            app.reload(lambda: load_config(config)).result(60)
        except InputError:
            return
        _log.info("the configuration was read anew")

    def stop(*_: object) -> None:
        web.state.live.close()
        server.should_exit = True

    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=reload, name="reload").start())
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    server.capture_signals = _Quiet  # type: ignore[method-assign,assignment]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        server.run(sockets)
    except OSError as error:
        if server.started:
            raise
        # Somebody else began to listen there since we took the address.
        _refuse_address("{}:{}".format(*sockets[0].getsockname()[:2]), error)


def _settle(app: App) -> None:
    """What is better done before the first page goes out, and that nobody has to wait for at the start."""
    if app.dispatcher.uses_http:
        HttpClient.load()
    spare_collector()


class _Quiet:
    """Keeps uvicorn from taking the signals over: its own handlers end streams only after they end by themselves."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
