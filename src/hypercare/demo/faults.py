"""The faults one can cause, and how to cause and heal them from any terminal."""

from __future__ import annotations

import dataclasses
import http.client
import json
from typing import TYPE_CHECKING, Any

from hypercare.demo import layout
from hypercare.demo.state import DemoError, DemoNotRunningError, DemoState, read_state

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 150.0


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One fault and how it is made.

    Attributes:
        name: as one types it.
        process: what it happens to.
        text: what really happens.
        expect: the alerts that follow.
        admin: name and value for the process' own /admin/fault; None: the process is stopped.

    """

    name: str
    process: str
    text: str
    expect: tuple[str, ...]
    admin: tuple[str, float] | None = None


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "api-errors",
            layout.API,
            "the API gateway answers 35 % of its requests with 500",
            ("HighApiErrorRate",),
            ("errors", 0.35),
        ),
        Fault(
            "llm-latency",
            layout.ATLAS,
            "the first LLM provider takes 1 to 5 s for its first token; half of its requests time out and fall back",
            ("HighLLMLatency", "LLMFallbackRate"),
            ("latency", 2.3),
        ),
        Fault("vector-down", layout.VECTOR, "the vector search process is killed", ("VectorSearchDown",)),
        Fault("db-down", layout.POSTGRES, "PostgreSQL is shut down; everything that needs it fails", ("DatabaseDown",)),
        Fault(
            "memory-leak",
            layout.WORKER,
            "the workflow worker takes 16 MiB more every second, up to 400 MiB",
            ("WorkerMemoryLeak",),
            ("leak", 400.0),
        ),
    )
}


class UnknownFaultError(DemoError):
    """There is no fault of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown fault {name!r}; there are: {', '.join(FAULTS)}")


def break_fault(run_directory: Path, name: str) -> Fault:
    """Cause a fault in the running platform; returns once it is in effect. Doing so twice changes nothing.

    Raises:
        UnknownFaultError: no such fault.
        DemoNotRunningError: no platform runs there.
        DemoError: the supervisor refused.
    """
    fault = FAULTS.get(name)
    if fault is None:
        raise UnknownFaultError(name)
    _control(run_directory, "PUT", f"/faults/{name}")
    return fault


def heal(run_directory: Path, name: str | None = None) -> tuple[str, ...]:
    """Undo one fault or all; returns the healed ones' names once what was stopped answers again.

    Raises:
        UnknownFaultError: no such fault.
        DemoNotRunningError: no platform runs there.
        DemoError: the supervisor refused, or something did not come back.
    """
    if name is not None and name not in FAULTS:
        raise UnknownFaultError(name)
    answer = _control(run_directory, "DELETE", "/faults" if name is None else f"/faults/{name}")
    return tuple(answer["healed"])


def status(run_directory: Path) -> dict[str, Any]:
    """The supervisor's view: ``faults`` (names) and ``processes`` (name → pid, url, running, stopped_by).

    Raises:
        DemoNotRunningError: no platform runs there.
    """
    return _control(run_directory, "GET", "/status")


def _control(run_directory: Path, method: str, path: str) -> dict[str, Any]:
    state: DemoState = read_state(layout.RunDirectory(run_directory).state)
    connection = http.client.HTTPConnection(layout.HOST, state.ports[layout.CONTROL], timeout=_TIMEOUT)
    try:
        connection.request(method, path, headers={"X-Demo-Token": state.token})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except ConnectionRefusedError:
        raise DemoNotRunningError(run_directory) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        msg = f"the demo's supervisor does not answer: {error}"
        raise DemoError(msg) from error
    finally:
        connection.close()
    if response.status != 200:
        raise DemoError(str(answer.get("error", answer)))
    return answer
