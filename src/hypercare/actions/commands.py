"""What is asked of actions; give them to ``Kernel.call``. Each answers with the number of the run."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class RunAction:
    """Run an action by hand.

    Attributes:
        context: values for its places: service, version, …
        dry_run: only say what it would do.

    """

    action: str
    by: str
    reason: str = ""
    context: tuple[tuple[str, str], ...] = ()
    dry_run: bool = False
    incident_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ApproveRun:
    """A run that waits may begin."""

    number: int
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class RefuseRun:
    """A run that waits is not to begin."""

    number: int
    by: str
    note: str = ""
