"""Drives the kernel by the machine's clock, in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.kernel import Kernel

# Longest sleep: the wall clock may be set forward while we wait, which no timer of the system tells.
_LONGEST_WAIT = 1.0


class RealtimeDriver:
    """Steps the kernel whenever something is due, and sleeps in between."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="kernel", daemon=True)
        kernel.on_wake(self._woken.set)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End after the step that runs; what is due and not handled is taken up at the next start."""
        self._stopping = True
        self._woken.set()
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        kernel = self._kernel
        while not self._stopping:
            if kernel.step():
                continue
            due = kernel.next_due()
            wait = _LONGEST_WAIT if due is None else (due - kernel.ports.clock.now()) / 1000
            if wait > 0:
                self._woken.wait(min(wait, _LONGEST_WAIT))
                self._woken.clear()


def pause(seconds: float) -> None:
    """Wait; for commands that look again and again."""
    threading.Event().wait(seconds)
