"""Programs of the virtual world: a scenario says how each ends, and what it changes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.ports import ProcessRequest, ProcessResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms
    from hypercare.sim.world import World


@dataclasses.dataclass(frozen=True, slots=True)
class Behaviour:
    """How a program behaves.

    Attributes:
        takes: ms until it ends.
        hangs: it never ends by itself.
        error: it does not even start.
        changes: what it does to the world at its end, if it comes to that (not when it hangs or its time is over).

    """

    takes: Ms = 1_000
    exit_code: int = 0
    output: bytes = b""
    hangs: bool = False
    error: str = ""
    changes: Callable[[ProcessRequest], None] | None = None


class VirtualProcesses:
    """Runs nothing; answers as told, by the ``name`` of the request, in virtual time.

    Attributes:
        started: all requests, in order.

    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._behaviours: dict[str, list[Behaviour]] = {}
        self.started: list[ProcessRequest] = []

    def script(self, name: str, *behaviours: Behaviour) -> None:
        """Let programs of a name behave so, one after the other; the last one for ever."""
        self._behaviours[name] = list(behaviours)

    def submit(self, request: ProcessRequest, reply: Callable[[ProcessResult], None]) -> None:
        """Start one; it ends in virtual time."""
        self.started.append(request)
        told = self._behaviours.get(request.name) or [Behaviour()]
        behaviour = told.pop(0) if len(told) > 1 else told[0]
        if behaviour.error:
            self._world.after(1, lambda: reply(ProcessResult(error=behaviour.error)))
        elif behaviour.hangs or behaviour.takes > request.timeout:
            late = ProcessResult(signal=15, timed_out=True, head=behaviour.output, duration=request.timeout)
            self._world.after(request.timeout, lambda: reply(late))
        else:
            self._world.after(behaviour.takes, lambda: _end(behaviour, request, reply))


def _end(behaviour: Behaviour, request: ProcessRequest, reply: Callable[[ProcessResult], None]) -> None:
    if behaviour.changes is not None:
        behaviour.changes(request)
    reply(ProcessResult(behaviour.exit_code, head=behaviour.output, duration=behaviour.takes))
