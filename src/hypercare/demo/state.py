"""The state file: how another terminal finds the running platform."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class DemoError(Exception):
    """Something about the demo a person should read; the text says what to do."""


class DemoNotRunningError(DemoError):
    """No platform runs in this directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"no demo is running in {directory}; start one with: hypercare demo")


@dataclasses.dataclass(frozen=True, slots=True)
class DemoState:
    """One running platform.

    Attributes:
        pid: the supervisor's.
        control: address of the supervisor's control server.
        token: what the control server and the admin endpoints demand.
        ports: process name → port on loopback.
        pids: process name → process id, 0 while stopped.
        faults: names of the faults that are on.
        hypercare: hypercare's address, empty until it runs.

    """

    pid: int
    control: str
    token: str = dataclasses.field(repr=False)
    ports: dict[str, int]
    pids: dict[str, int]
    faults: tuple[str, ...] = ()
    hypercare: str = ""


def write_state(path: Path, state: DemoState) -> None:
    """Replace the file in one step; only the owner may read it."""
    scratch = path.with_suffix(".tmp")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(state), file, indent=2)
    scratch.replace(path)


def read_state(path: Path) -> DemoState:
    """The running platform.

    Raises:
        DemoNotRunningError: there is none, or it is gone.
        DemoError: the file cannot be read.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        state = DemoState(**{**raw, "faults": tuple(raw["faults"])})
    except FileNotFoundError:
        raise DemoNotRunningError(path.parent) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f"cannot read {path}: {error}"
        raise DemoError(msg) from error
    if not _alive(state.pid):
        raise DemoNotRunningError(path.parent)
    return state


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
