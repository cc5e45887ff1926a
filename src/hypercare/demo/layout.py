"""Which processes the platform has, where they listen, and where their files are."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
BASE_PORT = 9610
"""The first of the fixed ports, right after hypercare's own 9600; a taken one is replaced by a free one."""

API = "api-gateway"
WORKER = "workflow-worker"
LLM = "llm-gateway"
ATLAS = "llm-atlas"
BEACON = "llm-beacon"
VECTOR = "vector-search"
EXPORTER = "postgres-exporter"
LOAD = "load-generator"
WEBHOOK = "webhook-receiver"
POSTGRES = "postgres"
CONTROL = "control"

MODULES: dict[str, str] = {
    API: "api",
    WORKER: "worker",
    LLM: "llm_gateway",
    ATLAS: "llm_provider",
    BEACON: "llm_provider",
    VECTOR: "vector",
    EXPORTER: "exporter",
    LOAD: "load",
    WEBHOOK: "webhook",
}
"""Our Python processes and their modules in ``services``; all of them serve /metrics and /healthz."""

PROVIDERS = (ATLAS, BEACON)
"""The LLM providers, the preferred one first."""

_ORDER = (CONTROL, *MODULES, POSTGRES)


def port_is_free(port: int) -> bool:
    """Whether a listener could bind this port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            # With SO_REUSEADDR two sockets may be bound to one port; only one may listen.
            probe.listen(1)
        except OSError:
            return False
        return True


def _any_free_port(taken: set[int]) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def choose_ports(base_port: int | None = BASE_PORT) -> dict[str, int]:
    """A port for each process: fixed ones from ``base_port`` where free, else any free one; None: any free ones."""
    ports: dict[str, int] = {}
    for index, name in enumerate(_ORDER):
        wanted = base_port + index if base_port is not None else 0
        if wanted and wanted not in ports.values() and port_is_free(wanted):
            ports[name] = wanted
        else:
            ports[name] = _any_free_port(set(ports.values()))
    return ports


def url(port: int, path: str = "") -> str:
    """The loopback address of a process."""
    return f"http://{HOST}:{port}{path}"


@dataclasses.dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one platform, all below ``root`` (``.demo`` by default)."""

    root: Path

    @property
    def state(self) -> Path:
        """Who runs where; readable by the owner alone, since it holds the control token."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the running supervisor."""
        return self.root / "lock"

    @property
    def config(self) -> Path:
        """The hypercare.yml."""
        return self.root / "hypercare.yml"

    @property
    def data(self) -> Path:
        """Hypercare's data."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def pages(self) -> Path:
        """What the webhook receiver got, JSON lines."""
        return self.root / "received.jsonl"
