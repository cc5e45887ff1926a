"""Real servers on loopback for the length of a benchmark: ours, Debian's Prometheus and Alertmanager, a farm of targets."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urlsplit

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager")
VICTORIA = shutil.which("victoria-metrics")
VMALERT = shutil.which("vmalert")


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def progress(text: str) -> None:
    """Say what takes so long, beside the table."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """What the condition gives once it is true.

    Raises:
        TimeoutError: it did not become true.

    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s: {what}")


_AS_USERS: Final = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""A start is measured with compiled modules, as an installed program has them."""


class Server:
    """One process with an HTTP address."""

    def __init__(self, name: str, command: list[str], port: int, log: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._log = log
        self.began = time.perf_counter()
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=_AS_USERS)
        self._watched = psutil.Process(self.process.pid)

    def ready(self, path: str = "/-/ready", seconds: float = 120) -> float:
        """Wait for the first 200; seconds since the process was started.

        Raises:
            RuntimeError: the process ended, with what it wrote.
            TimeoutError: it never was ready.

        """
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        end = self.began + seconds
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.output()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                connection.sendall(request)
                if b" 200 " in connection.recv(64):
                    return time.perf_counter() - self.began
            time.sleep(0.005)
        raise TimeoutError(f"{self.name} is not ready after {seconds} s:\n{self.output()}")

    def output(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-4000:]

    def _all(self) -> list[psutil.Process]:
        return [self._watched, *self._watched.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system."""
        return sum(sum(process.cpu_times()[:2]) for process in self._all())

    def rss(self) -> float:
        """Resident memory, MB."""
        return sum(process.memory_info().rss for process in self._all()) / 1e6

    def body(self, path: str, **parameters: Any) -> bytes:
        """The body of a GET."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.url}{path}{query}", timeout=120) as answer:
            return bytes(answer.read())

    def get(self, path: str, **parameters: Any) -> Any:
        """``data`` of an answer of the Prometheus API."""
        return json.loads(self.body(f"/api/v1/{path}", **parameters))["data"]

    def metric(self, name: str) -> float:
        """The sum over all series of one of its own metrics; NaN where there is none."""
        text = self.body("/metrics").decode()
        found = re.findall(rf"^{name}(?:\{{[^\n]*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found)) if found else math.nan

    def stop(self) -> None:
        """End it: asked first, then forced."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Lab:
    """A temporary folder and the processes that live in it; leaving it ends them all, whatever happened."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hypercare-bench-"))
        self._servers: list[Server] = []
        self._farms: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.process.terminate()
        for server in self._servers:
            server.stop()
        for farm in self._farms:
            farm.kill()
            farm.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, name: str, command: list[str], port: int) -> Server:
        """Start a process that listens on a port."""
        server = Server(name, command, port, self.folder / f"{name}.log")
        self._servers.append(server)
        return server

    def farm(self, targets: int, series: int, *, gzip: bool = False) -> list[str]:
        """Addresses of so many targets, all served by one process; ``gzip``: they compress for whoever asks."""
        command = [sys.executable, "-m", "benchmarks.farm", str(targets), str(series), *(["gzip"] if gzip else [])]
        farm = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        self._farms.append(farm)
        output: IO[str] | None = farm.stdout
        assert output is not None
        return [f"127.0.0.1:{port}" for port in json.loads(output.readline())]

    def write(self, files: dict[str, str]) -> Path:
        """Put configuration files into the folder."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self.folder

    def hypercare(self, data: str = "hypercare-data") -> Server:
        """``hypercare serve`` with the folder's hypercare.yml."""
        port = free_port()
        command = [
            sys.executable, "-m", "hypercare", "serve", "--config", str(self.folder / "hypercare.yml"),
            "--data", str(self.folder / data), "--listen", f"127.0.0.1:{port}", "--log-level", "warning",
        ]  # fmt: skip
        return self.run("hypercare", command, port)

    def prometheus(
        self, data: str = "prometheus-data", config: str = "prometheus.yml", extra: tuple[str, ...] = ()
    ) -> Server | None:
        """Debian's Prometheus with the folder's prometheus.yml; none where it is not installed."""
        if PROMETHEUS is None:
            return None
        port = free_port()
        command = [
            PROMETHEUS, f"--config.file={self.folder / config}", f"--storage.tsdb.path={self.folder / data}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", "--web.enable-remote-write-receiver", *extra,
        ]  # fmt: skip
        return self.run("prometheus", command, port)

    def victoria(self, data: str = "victoria-data", config: str = "") -> Server | None:
        """Debian's VictoriaMetrics, scraping where a prometheus.yml of the folder is named; none where not installed."""
        if VICTORIA is None:
            return None
        port = free_port()
        command = [
            VICTORIA, f"-storageDataPath={self.folder / data}", f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=12", "-loggerLevel=WARN", "-search.maxUniqueTimeseries=1000000",
        ]  # fmt: skip
        if config:
            scrape = f"-promscrape.config={self.folder / config}"
            command += [scrape, "-promscrape.config.strictParse=false", "-search.latencyOffset=0s"]
        return self.run("victoria", command, port)

    def vmalert(self, victoria: Server, interval: int) -> Server | None:
        """Debian's vmalert with the folder's rules.yml on a VictoriaMetrics; none where it is not installed."""
        if VMALERT is None:
            return None
        port = free_port()
        command = [
            VMALERT, f"-rule={self.folder / 'rules.yml'}", f"-datasource.url={victoria.url}",
            f"-remoteWrite.url={victoria.url}", f"-evaluationInterval={interval}s", "-notifier.url=http://127.0.0.1:1",
            f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=WARN",
        ]  # fmt: skip
        return self.run("vmalert", command, port)

    def alertmanager(self) -> Server | None:
        """Debian's Alertmanager with the folder's alertmanager.yml; none where it is not installed."""
        if ALERTMANAGER is None:
            return None
        port = free_port()
        command = [
            ALERTMANAGER, f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager-data'}", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=", "--log.level=warn",
        ]  # fmt: skip
        return self.run("alertmanager", command, port)


def address(server: Server) -> str:
    """``host:port``."""
    return urlsplit(server.url).netloc


def both(ours: Server, theirs: Server | None) -> Iterator[Server]:
    """The servers that are there."""
    yield ours
    if theirs is not None:
        yield theirs
