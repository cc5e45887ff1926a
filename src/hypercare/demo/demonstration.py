"""The whole demonstration at one terminal: the platform, hypercare beside it, and what happens, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import signal
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hypercare.demo import config, layout
from hypercare.demo.faults import FAULTS
from hypercare.demo.platform import Event, Managed, Supervisor
from hypercare.demo.state import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

READY_TIMEOUT = 120.0
_POLL = 0.5
_TAGS = {"platform": "cyan", "incident": "bold yellow", "hypercare": "magenta", "alert": "red", "webhook": "blue"}
_SHOWN_ELSEWHERE = {"alert_joined", "alert_resolved", "page_sent", "page_delivered"}
_STATES = {"pending": "yellow", "firing": "bold red", "resolved": "green"}


class Screen:
    """Prints lines with a clock time and a coloured tag."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, tag: str, text: str, style: str = "", at: float | None = None) -> None:
        """One line (or several); ``at`` in unix seconds, now without it."""
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        shown = f"[{style}]{escape(text)}[/]" if style else escape(text)
        self._console.print(
            f"[dim]{clock}[/] [{_TAGS.get(tag, 'white')}]{tag:<9}[/] {shown}", highlight=False, soft_wrap=True
        )

    def event(self, event: Event) -> None:
        """Something the supervisor did."""
        self.line("platform", f"{event.source}: {event.text}", "red" if event.bad else "", event.at)

    def overview(self, supervisor: Supervisor, address: str) -> None:
        """Where everything is and what one can do."""
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for name in layout.MODULES:
            managed = supervisor.processes[name]
            table.add_row(f"[cyan]{name}[/]", layout.url(supervisor.ports[name], "/metrics"), f"pid {managed.pid}")
        postgres = supervisor.processes[layout.POSTGRES]
        table.add_row(
            f"[cyan]{layout.POSTGRES}[/]", f"{layout.HOST}:{supervisor.ports[layout.POSTGRES]}", f"pid {postgres.pid}"
        )
        out = functools.partial(self._console.print, highlight=False, soft_wrap=True)
        out("\n[bold]A real AI platform is running[/], with real traffic; hypercare watches it.\n")
        out(table)
        out(
            f"\n  hypercare   [bold underline]{address}/[/]   (status, alerts, incidents; acknowledge here)",
        )
        out(f"  files       {supervisor.directory.root}")
        out("\nBreak something from another terminal (in this directory):\n")
        for fault in FAULTS.values():
            out(f"  [bold]hypercare demo break {fault.name:<12}[/] [dim]{fault.text}[/]")
        out("  [bold]hypercare demo heal[/]               [dim]undo it (all, or the named one)[/]")
        url = "" if address.endswith(":9600") else f" --url {address}"
        out(f"\nThen acknowledge: on the web page, or [bold]hypercare incidents ack ID{url}[/].")
        out("Ctrl-C stops everything.\n")


@dataclasses.dataclass(slots=True)
class AlertWatch:
    """Which alerts hypercare reports, to tell what changed."""

    known: dict[tuple[tuple[str, str], ...], str] = dataclasses.field(default_factory=dict)

    def changes(self, alerts: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """(state, text) of each alert that is new, changed its state, or is gone."""
        told: list[tuple[str, str]] = []
        now: dict[tuple[tuple[str, str], ...], str] = {}
        for alert in alerts:
            key = tuple(sorted((str(name), str(value)) for name, value in alert["labels"].items()))
            now[key] = state = str(alert["state"])
            if self.known.get(key) != state:
                summary = str(alert.get("annotations", {}).get("summary", ""))
                told.append((state, f"{state:<8} {_title(key)}" + (f": {summary}" if summary else "")))
        # A pending alert that went away was never told to anybody: no news.
        told += [
            ("resolved", f"resolved {_title(key)}")
            for key, state in self.known.items()
            if key not in now and state == "firing"
        ]
        self.known = now
        return told


@dataclasses.dataclass(slots=True)
class IncidentWatch:
    """How much of each incident's timeline was told, by the incident's number."""

    told: dict[int, int] = dataclasses.field(default_factory=dict)
    resolved: set[int] = dataclasses.field(default_factory=set)

    def wanted(self, incidents: list[dict[str, Any]]) -> list[int]:
        """Numbers of the incidents whose timeline may have grown, oldest first."""
        return sorted(int(incident["number"]) for incident in incidents if incident["number"] not in self.resolved)

    def news(self, incident: dict[str, Any]) -> list[str]:
        """Lines for what the timeline has more than the last time, but for what other tags show anyway."""
        number, timeline = int(incident["number"]), incident["timeline"]
        fresh = timeline[self.told.get(number, 0) :]
        self.told[number] = len(timeline)
        if incident["status"] == "resolved":
            self.resolved.add(number)
        return [
            f"#{number} {entry['text']}"
            + ("" if entry["by"] == "hypercare" or entry["by"] in entry["text"] else f" (by {entry['by']})")
            for entry in fresh
            if entry["kind"] not in _SHOWN_ELSEWHERE
        ]


def _title(key: tuple[tuple[str, str], ...]) -> str:
    labels = dict(key)
    service = labels.get("service") or labels.get("job", "")
    return labels.get("alertname", "?") + (f" ({service})" if service else "")


class Demonstration:
    """One run: start, watch, stop."""

    def __init__(self, run_directory: Path, listen: str, program: Sequence[str], console: Console) -> None:
        host, _, port = listen.rpartition(":")
        self._port = int(port)
        self._address = f"http://{layout.HOST if host in {'', '0.0.0.0', '[::]'} else host}:{port}"  # noqa: S104  # compared, not bound
        self._command = config.serve_command(program, run_directory, listen)
        self._screen = Screen(console)
        self._supervisor = Supervisor(run_directory, on_event=self._screen.event)

    async def run(self) -> int:
        """Everything, until a signal or hypercare's own end; returns an exit code."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._screen.line("platform", "stopping everything")
            return 0 if stop.is_set() else work.result()
        except DemoError as error:
            self._screen.line("platform", str(error), "bold red")
            return 1
        finally:
            for task in (work, stopped):
                task.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
            await self._supervisor.stop()

    async def _work(self) -> int:
        # Otherwise we would watch, and announce, whatever answers there instead of our own hypercare.
        if not layout.port_is_free(self._port):
            msg = f"port {self._port} is taken, perhaps by another hypercare; choose one: --listen 127.0.0.1:PORT"
            raise DemoError(msg)
        self._screen.line("platform", "starting PostgreSQL and the services")
        await self._supervisor.start()
        config.write(self._supervisor.directory, self._supervisor.ports)
        self._screen.line("platform", "all processes are healthy; starting hypercare")
        served = await self._supervisor.run_beside("hypercare", self._command)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            asyncio.TaskGroup() as group,
        ):
            output = group.create_task(self._relay(served))
            if not await self._ready(session, served):
                if served.pid:
                    self._screen.line("hypercare", f"does not answer at {self._address}/-/ready", "bold red")
                    output.cancel()
                else:
                    self._screen.line("hypercare", f"ended by itself (exit code {await output})", "bold red")
                return 1
            self._supervisor.announce_hypercare(self._address)
            self._screen.overview(self._supervisor, self._address)
            jobs = (self._alerts(session), self._incidents(session), self._received(session))
            watchers = [group.create_task(job) for job in jobs]
            code = await output
            self._screen.line("hypercare", f"ended by itself (exit code {code})", "bold red")
            for watcher in watchers:
                watcher.cancel()
        return 1

    async def _relay(self, served: Managed) -> int:
        """Show what hypercare prints, until it ends; returns its exit code."""
        process = served.process
        if process is None or process.stdout is None:
            return 1
        while chunk := await process.stdout.readline():
            self._screen.line("hypercare", chunk.decode(errors="replace").rstrip())
        return await process.wait()

    async def _ready(self, session: aiohttp.ClientSession, served: Managed) -> bool:
        """Wait for /-/ready; false when hypercare ended first or takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT
        while served.pid and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(self._address + "/-/ready") as response:
                    if response.status == 200:
                        return True
            await asyncio.sleep(0.1)
        return False

    async def _alerts(self, session: aiohttp.ClientSession) -> None:
        watch = AlertWatch()
        while True:
            answer = await _get(session, self._address + "/api/v1/alerts")
            if answer is not None:
                for state, text in watch.changes(answer["data"]["alerts"]):
                    self._screen.line("alert", text, _STATES.get(state, ""))
            await asyncio.sleep(_POLL)

    async def _incidents(self, session: aiohttp.ClientSession) -> None:
        address = self._address + "/api/hypercare/v1/incidents"
        watch, first = IncidentWatch(), True
        while True:
            for number in watch.wanted(await _get(session, f"{address}?limit=20") or []):
                incident = await _get(session, f"{address}/{number}")
                for text in watch.news(incident) if incident else ():
                    # What an earlier run has left behind is no news.
                    if not first:
                        self._screen.line("incident", text)
            first = False
            await asyncio.sleep(_POLL)

    async def _received(self, session: aiohttp.ClientSession) -> None:
        address = layout.url(self._supervisor.ports[layout.WEBHOOK], "/received")
        first = await _get(session, address)
        count = len(first["received"]) if first else 0  # what an earlier run received is no news
        while True:
            answer = await _get(session, f"{address}?after={count}")
            for entry in answer["received"] if answer else ():
                count = entry["number"]
                self._screen.line("webhook", f"{entry['path']}: {entry['summary']}", at=entry["at"])
            await asyncio.sleep(_POLL)


async def _get(session: aiohttp.ClientSession, address: str) -> Any:
    """What JSON says, or none while there is no answer."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(address) as response:
            if response.status == 200:
                return await response.json(content_type=None)
    return None


def run(run_directory: Path, listen: str, program: Sequence[str]) -> int:
    """Run until a signal; see ``hypercare.demo.run``."""

    async def whole() -> int:
        return await Demonstration(run_directory, listen, program, Console()).run()

    return asyncio.run(whole())
