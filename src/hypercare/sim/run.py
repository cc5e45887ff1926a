"""The virtual driver: the clock jumps to whatever is due next, in the world or in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.kernel import Kernel
    from hypercare.model.time import Ms
    from hypercare.sim.clock import VirtualClock
    from hypercare.sim.world import World


class Simulation:
    """Runs one kernel against one world."""

    def __init__(self, kernel: Kernel, world: World, clock: VirtualClock) -> None:
        self.kernel = kernel
        self.world = world
        self.clock = clock

    def run_until(self, end: Ms) -> None:
        """Let everything due before or at ``end`` happen; afterwards it is ``end``."""
        while self._advance(end):
            pass
        self.clock.advance_to(end)

    def run_for(self, duration: Ms) -> None:
        """Let a span of virtual time pass."""
        self.run_until(self.clock.now() + duration)

    def run_until_true(self, condition: Callable[[], bool], within: Ms) -> bool:
        """Let time pass until a condition holds, checked after each step; whether it did within the span."""
        end = self.clock.now() + within
        while not condition():
            if not self._advance(end):
                self.clock.advance_to(end)
                return condition()
        return True

    def _advance(self, end: Ms) -> bool:
        """One step of the world or the kernel, if any is due by ``end``. At equal times the world goes first."""
        happening, due = self.world.next_due(), self.kernel.next_due()
        if happening is not None and happening <= end and (due is None or happening <= due):
            self.clock.advance_to(happening)
            self.world.happen()
            return True
        if due is not None and due <= end:
            self.clock.advance_to(due)
            return self.kernel.step()
        return False
