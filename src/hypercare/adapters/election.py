"""Lead or stand by: one thread asks the database who leads, another notices when it gets no answer."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hypercare.state.lease import Lease, Standing

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.adapters.system import SystemClock
    from hypercare.kernel import Kernel

_log = logging.getLogger(__name__)
_EVERY: Final = 1.0
_EVERY_STANDING_BY: Final = 0.5
_NO_ANSWER: Final = 5.0
_STUCK: Final = 60.0
"""A loop that has not ended a step for so long does not lead any more."""


def replica_name(data: Path) -> str:
    """The name of the replica that has this data folder: chosen at its first start, the same ever after."""
    file = data / "replica"
    try:
        name = file.read_text(encoding="utf-8").strip()
    except OSError:
        name = ""
    if not name:
        name = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        file.write_text(name + "\n", encoding="utf-8")
    return name


class Election:
    """One replica's part in the choice of the leader.

    Attributes:
        standing: as the database last said; replaced as a whole, may be read from any thread.

    """

    def __init__(self, kernel: Kernel, clock: SystemClock, name: str, address: str, version: str) -> None:
        self._kernel = kernel
        self._state = kernel.state
        self._clock = clock
        self._lease = Lease(kernel.state, name, address, version)
        self.name = name
        self.standing = Standing()
        self._told: int | None = None
        self._stopping = threading.Event()
        self._answered = time.monotonic()
        self._steps = (-1, time.monotonic())
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)
        self._watch = threading.Thread(target=self._watch_answers, name="election-watch", daemon=True)

    def start(self) -> None:
        """Take part; returns once the first answer has come, or the first failure."""
        self._look()
        self._thread.start()
        self._watch.start()

    def stop(self) -> None:
        """Let another replica lead; the kernel must have ended its last step."""
        self._stopping.set()
        self._thread.join(5)
        if self._thread.is_alive():
            return
        try:
            self._lease.release()
        except SQLAlchemyError as error:
            _log.warning("the lease cannot be given back, it expires by itself: %s", error)

    @property
    def leader(self) -> str:
        """The address of another replica that leads, or empty."""
        standing = self.standing
        return standing.address if standing.holder != self.name and standing.rest > 0 else ""

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY if self._lease.term is not None else _EVERY_STANDING_BY):
            self._look()

    def _look(self) -> None:
        try:
            standing = self._lease.beat(may_lead=self._moves())
        except DBAPIError as error:
            self._state.lost(f"the state database is away: {str(error.orig).strip().partition(chr(10))[0]}")
            return
        except SQLAlchemyError as error:
            self._state.lost(f"the state database is away: {error}")
            return
        self._answered = time.monotonic()
        self.standing = standing
        term = self._lease.term
        if term != self._told:
            if term is not None:
                self._clock.go_on_from(self._lease.seen_at)
            text = "this replica leads, by term %d" if term is not None else "this replica stands by; term %d is %s's"
            _log.info(text, *((term,) if term is not None else (standing.term, standing.holder)))
        if term != self._told or self._state.away:
            self._told = term
            self._kernel.lead(term)

    def _moves(self) -> bool:
        """Whether the loop is alive; one that stands still must not keep others from leading."""
        steps, since = self._steps
        if self._kernel.steps != steps or self._kernel.next_due() is None:
            self._steps = (self._kernel.steps, time.monotonic())
            return True
        return time.monotonic() - since < _STUCK

    def _watch_answers(self) -> None:
        """A server that neither answers nor refuses would hold up the loop: give up on its connections."""
        while not self._stopping.wait(0.5):
            silent = time.monotonic() - self._answered
            if silent > _NO_ANSWER:
                self._state.interrupt(f"the state database has not answered for {silent:.0f} s")
