"""The supervisor: starts the platform's processes, keeps them running, breaks and heals them, and stops them.

Everything happens in one asyncio loop of one thread. That is not only simple: the kernel ties a child to the
*thread* that made it (see ``leash``), so all children must come from a thread that lives as long as the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import aiohttp

from hypercare.demo import database as pg
from hypercare.demo import layout
from hypercare.demo.control import ControlServer
from hypercare.demo.faults import FAULTS, Fault
from hypercare.demo.services.base import DATABASE_VARIABLE, TOKEN_HEADER, TOKEN_VARIABLE
from hypercare.demo.state import DemoError, DemoState, write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

START_TIMEOUT = 120.0
"""Seconds in which a process must become healthy: a slow machine takes a while to start all of them at once."""
START_TRIES = 3
"""Ends by itself after which a start is given up at once."""
STOP_TIMEOUT = 6.0
RESTART_PAUSE = 1.0
_MODELS = {layout.ATLAS: ("atlas-large", 55.0), layout.BEACON: ("beacon-small", 80.0)}


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something the supervisor did or saw, for the person at the terminal; ``at`` in unix seconds."""

    at: float
    source: str
    text: str
    bad: bool = False


@dataclasses.dataclass(slots=True)
class Managed:
    """One process and what it should be doing.

    Attributes:
        stop_signal: asks for an orderly end.
        death_signal: the kernel's signal should the supervisor die.
        stopped_by: the fault that keeps it down, or empty.
        watcher: restarts it when it ends unasked.
        ends: how often it has ended unasked since it was last started on purpose.

    """

    name: str
    command: Sequence[str]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: str = "KILL"
    user: str = ""
    log: Path | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    stopped_by: str = ""
    watcher: asyncio.Task[None] | None = None
    ends: int = 0

    @property
    def pid(self) -> int:
        """Its process id, 0 while it does not run."""
        return self.process.pid if self.process is not None and self.process.returncode is None else 0


class Supervisor:
    """The running platform.

    Attributes:
        directory: its files.
        ports: process name → port.
        processes: process name → process.

    """

    def __init__(
        self,
        run_directory: Path,
        *,
        base_port: int | None = layout.BASE_PORT,
        rate: float = 12.0,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        """Plan a platform; ``rate`` is requests a second. Nothing runs before ``start``."""
        self.directory = layout.RunDirectory(run_directory.resolve())
        self.ports: dict[str, int] = {}
        self.processes: dict[str, Managed] = {}
        self.hypercare = ""
        self._base_port = base_port
        self._rate = rate
        self._tell = on_event
        self._token = secrets.token_urlsafe(24)
        self._faults: list[str] = []
        self._changing = asyncio.Lock()
        self._stopping = False
        self._lock: IO[str] | None = None
        self._database: pg.Database | None = None
        self._control = ControlServer(self, self._token)

    async def start(self) -> None:
        """Start everything and wait until all of it is healthy.

        Raises:
            DemoError: another one runs in this directory, or something does not start (its log says why).
        """
        self._take_directory()
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything in order: customers first, the database last. May be called at any time, and twice."""
        self._stopping = True
        await self._control.stop()
        for wave in self._waves_of_stopping():
            await asyncio.gather(*(self._end(managed) for managed in wave))
        # Without the lock the directory is another supervisor's.
        if self._lock is not None:
            self.directory.state.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    async def run_beside(self, name: str, command: Sequence[str], log: Path | None = None) -> Managed:
        """Start one more process (hypercare) on the same leash; without ``log`` its output is in ``process.stdout``.

        It is not restarted when it ends: whoever asked for it watches it.
        """
        managed = Managed(name, command, log=log)
        self.processes[name] = managed
        await self._spawn(managed)
        return managed

    def announce_hypercare(self, address: str) -> None:
        """Write hypercare's address into the state file, for other terminals."""
        self.hypercare = address
        self._save()

    async def break_fault(self, name: str) -> None:
        """Cause a fault; nothing happens if it is on.

        Raises:
            DemoError: the process did not take it.
        """
        fault = FAULTS[name]
        async with self._changing:
            if name in self._faults:
                return
            if fault.admin is not None:
                await self._admin("POST", fault.process, {"fault": fault.admin[0], "value": fault.admin[1]})
            else:
                await self._take_down(fault)
            self._faults.append(name)
            self._say(fault.process, f"broken: {fault.text}", bad=True)
            self._save()

    async def heal(self, name: str | None = None) -> tuple[str, ...]:
        """Undo a fault, or all; returns those that were on, once what was stopped is healthy again.

        Raises:
            DemoError: a process did not come back.
        """
        async with self._changing:
            healed = tuple(fault for fault in self._faults if name in {None, fault})
            for fault_name in healed:
                fault = FAULTS[fault_name]
                if fault.admin is not None:
                    await self._admin("DELETE", fault.process)
                else:
                    await self._bring_up(fault.process)
                self._faults.remove(fault_name)
                self._say(fault.process, f"healed: {fault_name}")
            self._save()
            return healed

    def state(self) -> DemoState:
        """What other terminals may know."""
        return DemoState(
            pid=os.getpid(),
            control=layout.url(self.ports[layout.CONTROL]),
            token=self._token,
            ports=dict(self.ports),
            pids={name: managed.pid for name, managed in self.processes.items()},
            faults=tuple(self._faults),
            hypercare=self.hypercare,
        )

    def _take_directory(self) -> None:
        root = self.directory.root
        root.mkdir(parents=True, exist_ok=True)
        self.directory.logs.mkdir(exist_ok=True)
        (root / ".gitignore").write_text("*\n", encoding="ascii")
        lock = self.directory.lock.open("w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            msg = f"a demo is running in {root} already; stop it with Ctrl-C in its terminal"
            raise DemoError(msg) from None
        self._lock = lock
        # A log covers one run of the platform, with all restarts of its process.
        for old in self.directory.logs.glob("*.log"):
            old.unlink()

    async def _start_all(self) -> None:
        await self._take_ports()
        self._database = database = await asyncio.to_thread(
            pg.prepare_files, self.directory.root, self.ports[layout.POSTGRES]
        )
        await _until(lambda: not pg.running_server(database), 10.0, "another PostgreSQL uses the data directory")
        self._plan(database)
        # The database, and with it all that can start without it.
        first = [layout.POSTGRES, layout.VECTOR, *layout.PROVIDERS, layout.LLM, layout.WEBHOOK]
        for name in first:
            await self._keep(name)
        await self._wait_for_database(database)
        await asyncio.to_thread(pg.prepare_schema, database)
        for name in (layout.API, layout.WORKER, layout.EXPORTER):
            await self._keep(name)
        await asyncio.gather(*(self._wait_healthy(name) for name in layout.MODULES if name != layout.LOAD))
        await self._keep(layout.LOAD)
        await self._wait_healthy(layout.LOAD)
        self._save()

    async def _take_ports(self) -> None:
        """Choose the ports and listen on the control port, which somebody else may take between the two."""
        self.ports = layout.choose_ports(self._base_port)
        try:
            await self._control.start(self.ports[layout.CONTROL])
        except OSError:
            await self._control.stop()
            self.ports = layout.choose_ports(None)
            await self._control.start(self.ports[layout.CONTROL])

    def _plan(self, database: pg.Database) -> None:
        logs = self.directory.logs
        self.processes[layout.POSTGRES] = Managed(
            layout.POSTGRES,
            database.command(),
            # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, which leaves no backend behind.
            stop_signal=signal.SIGINT,
            death_signal="QUIT",
            user=database.user,
            log=logs / "postgres.log",
        )
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            TOKEN_VARIABLE: self._token,
            DATABASE_VARIABLE: database.url,
            "PYTHONUNBUFFERED": "1",
            # A matrix of 3,000 rows needs no threads, and idle ones spin.
            "OPENBLAS_NUM_THREADS": "1",
        }
        for name, module in layout.MODULES.items():
            command = [sys.executable, "-m", f"hypercare.demo.services.{module}", "--port", str(self.ports[name])]
            self.processes[name] = Managed(
                name, [*command, *self._options(name)], log=logs / f"{name}.log", environment=environment
            )

    def _options(self, name: str) -> list[str]:
        address = {service: layout.url(port) for service, port in self.ports.items()}
        if name in {layout.API, layout.WORKER}:
            return ["--llm", address[layout.LLM], "--vector", address[layout.VECTOR]]
        if name == layout.LLM:
            return [f"--provider={each},{model},{address[each]}" for each, (model, _) in _MODELS.items()]
        if name in _MODELS:
            model, pace = _MODELS[name]
            return ["--name", name, "--model", model, "--tokens-per-second", str(pace)]
        if name == layout.LOAD:
            return ["--target", address[layout.API], "--rate", str(self._rate)]
        if name == layout.WEBHOOK:
            return ["--file", str(self.directory.pages)]
        return []

    async def _keep(self, name: str) -> None:
        """Start a process and restart it whenever it ends unasked."""
        managed = self.processes[name]
        managed.ends = 0
        await self._spawn(managed)
        managed.watcher = asyncio.create_task(self._watch(managed))

    async def _watch(self, managed: Managed) -> None:
        while managed.process is not None:
            code = await managed.process.wait()
            if self._stopping or managed.stopped_by:
                return
            managed.ends += 1
            self._say(managed.name, f"ended by itself (exit code {code}), starting it again", bad=True)
            await asyncio.sleep(RESTART_PAUSE)
            if self._stopping or managed.stopped_by:
                return
            await self._spawn(managed)
            self._save()

    async def _spawn(self, managed: Managed) -> None:
        leash = [sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")), "--parent", str(os.getpid())]
        leash += ["--signal", managed.death_signal, *(("--user", managed.user) if managed.user else ()), "--"]
        output: int | IO[bytes] = managed.log.open("ab") if managed.log else asyncio.subprocess.PIPE
        try:
            managed.process = await asyncio.create_subprocess_exec(
                *leash,
                *managed.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(managed.environment) or None,
                # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops all in order.
                start_new_session=True,
                limit=1 << 20,
            )
        finally:
            if not isinstance(output, int):
                output.close()

    async def _wait_for_database(self, database: pg.Database) -> None:
        why = f"PostgreSQL does not start; see {self.directory.logs / 'postgres.log'}"
        managed = self.processes[layout.POSTGRES]
        await _until(lambda: pg.is_ready(database), START_TIMEOUT, why, lambda: managed.ends >= START_TRIES)

    async def _wait_healthy(self, name: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        address = layout.url(self.ports[name], "/healthz")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(address) as response:
                        if response.status == 200:
                            return
                if time.monotonic() > deadline or self.processes[name].ends >= START_TRIES:
                    msg = f"{name} does not become healthy; see {self.directory.logs / name}.log"
                    raise DemoError(msg)
                await asyncio.sleep(0.1)

    def _waves_of_stopping(self) -> list[list[Managed]]:
        last = [self.processes[layout.POSTGRES]] if layout.POSTGRES in self.processes else []
        others = [managed for managed in self.processes.values() if managed not in last]
        first = [managed for managed in others if managed.name == layout.LOAD or managed.name not in layout.MODULES]
        return [first, [managed for managed in others if managed not in first], last]

    async def _end(self, managed: Managed, *, at_once: bool = False) -> None:
        """End a process, by force if it does not listen, with its whole process group."""
        process = managed.process
        if process is not None and process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL if at_once else managed.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                # PostgreSQL's helpers are in groups of their own; SIGQUIT makes the server end them at once.
                _signal_group(process.pid, signal.SIGQUIT if managed.death_signal == "QUIT" else signal.SIGKILL)
                await process.wait()
            # What the process itself may have started.
            _signal_group(process.pid, signal.SIGKILL)
        if managed.watcher is not None:
            managed.watcher.cancel()
            await asyncio.gather(managed.watcher, return_exceptions=True)
            managed.watcher = None

    async def _take_down(self, fault: Fault) -> None:
        managed = self.processes[fault.process]
        managed.stopped_by = fault.name
        await self._end(managed, at_once=fault.process != layout.POSTGRES)

    async def _bring_up(self, name: str) -> None:
        self.processes[name].stopped_by = ""
        await self._keep(name)
        if name == layout.POSTGRES and self._database is not None:
            await self._wait_for_database(self._database)
        else:
            await self._wait_healthy(name)

    async def _admin(self, method: str, name: str, body: dict[str, object] | None = None) -> None:
        address = layout.url(self.ports[name], "/admin/fault")
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers={TOKEN_HEADER: self._token}) as session,
                session.request(method, address, json=body) as response,
            ):
                if response.status != 200:
                    msg = f"{name} refused: {await response.text()}"
                    raise DemoError(msg)
        except (aiohttp.ClientError, TimeoutError) as error:
            msg = f"{name} does not answer: {error}"
            raise DemoError(msg) from error

    def _say(self, source: str, text: str, *, bad: bool = False) -> None:
        self._tell(Event(time.time(), source, text, bad))

    def _save(self) -> None:
        if not self._stopping:
            write_state(self.directory.state, self.state())


async def _until(
    check: Callable[[], bool], seconds: float, otherwise: str, hopeless: Callable[[], bool] = lambda: False
) -> None:
    """Wait until the check holds; it runs in a thread, and waiting can be cancelled between two of its runs.

    Raises:
        DemoError: it does not hold within that time, or there is no hope that it ever will.
    """
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(check):
        if time.monotonic() > deadline or hopeless():
            raise DemoError(otherwise)
        await asyncio.sleep(0.1)


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process group; it may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
