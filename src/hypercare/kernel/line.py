"""Who may be sent now: one delivery after the other, each marked before the next, where nobody waits long for that.

What a receiver has accepted and we have not marked yet comes a second time if we are killed at that moment. So as
little as possible is to be in that state at once:

- Over all targets one delivery is under way at a time. It is over when its mark is committed, not when its answer is
  there. A receiver that answers quickly is done within some milliseconds; for one that does not, the others wait
  ``EVERYWHERE`` and no longer.
- At one target the next waits longer, ``AT_TARGET``: what a slow receiver was sent and has not answered may have been
  accepted as well, and the others to it would only queue up there.
- Where ``CROWD`` or more wait, one by one would be late: as many may be under way as still wait, so half of them goes
  at once. Smaller shares made a storm of 500 groups up to a second later, because each mark then waits for a commit of
  its own. A kill in such a storm repeats as many as are under way.

So a kill repeats one delivery at most where receivers answer within ``EVERYWHERE`` and fewer than ``CROWD`` wait; with
slow receivers one at each of them. Marks are put before all other work of the kernel (``Kernel.on_message(first=…)``),
so that a line does not wait for flushes and requests. In memory only: after a restart the rows say what waits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final

from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from hypercare.model.time import Ms

EVERYWHERE: Final[Ms] = SECOND // 10
"""How long a delivery holds up those to other targets."""
AT_TARGET: Final[Ms] = 2 * SECOND
"""How long a delivery holds up others to its target."""
CROWD: Final = 16
"""So many that wait are not sent one by one."""


class Line:
    """Deliveries that wait for their turn, first come first served at each target, and those under way."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[int, str]] = {}
        self._waiting: dict[str, dict[str, int]] = {}
        self._seq = 0
        self._begun: dict[str, tuple[str, Ms]] = {}
        # When they began, ascending: over all, and at each target. Of hundreds under way none is looked at one by one.
        self._times: list[Ms] = []
        self._times_at: dict[str, list[Ms]] = {}

    def __contains__(self, key: object) -> bool:
        """Whether a delivery waits."""
        return key in self._places

    def is_under_way(self, key: str) -> bool:
        """Whether a delivery has begun and is not marked."""
        return key in self._begun

    def wait(self, key: str, target: str) -> None:
        """Go to the end of the line; who waits already keeps its place."""
        if key not in self._places:
            self._seq += 1
            self._places[key] = self._seq, target
            self._waiting.setdefault(target, {})[key] = self._seq

    def leave(self, key: str) -> None:
        """Wait no more."""
        _, target = self._places.pop(key, (0, ""))
        waiting = self._waiting.get(target)
        if waiting is not None:
            waiting.pop(key, None)
            if not waiting:
                del self._waiting[target]

    def leave_all(self) -> None:
        """Nobody waits any more; what is under way stays so."""
        self._places.clear()
        self._waiting.clear()

    def begin(self, key: str, target: str, now: Ms) -> None:
        """A delivery is under way from now on."""
        self.leave(key)
        self.end(key)
        self._begun[key] = target, now
        insort(self._times, now)
        insort(self._times_at.setdefault(target, []), now)

    def end(self, key: str) -> None:
        """The outcome of a delivery is marked."""
        found = self._begun.pop(key, None)
        if found is None:
            return
        target, at = found
        times = self._times_at[target]
        del times[bisect_left(times, at)]
        if not times:
            del self._times_at[target]
        del self._times[bisect_left(self._times, at)]

    def next(self, now: Ms) -> str | None:
        """Whose turn it is: the one that waits longest at a target where another may begin; none: nobody's."""
        if not self._places or not _room(self._times, len(self._places), now - EVERYWHERE):
            return None
        heads = [next(iter(waiting.items())) for target, waiting in self._waiting.items() if self._open(target, now)]
        return min(heads, key=lambda head: head[1])[0] if heads else None

    def due(self, now: Ms) -> Ms | None:
        """When somebody's turn may come without any outcome; none: nobody waits."""
        if not self._places:
            return None
        first = _first_after(self._times, now - EVERYWHERE)
        if first is not None:
            return first + EVERYWHERE
        firsts = [_first_after(self._times_at.get(target, []), now - AT_TARGET) for target in self._waiting]
        return min((at + AT_TARGET for at in firsts if at is not None), default=now + EVERYWHERE)

    def _open(self, target: str, now: Ms) -> bool:
        begun = self._times_at.get(target)
        return begun is None or _room(begun, len(self._waiting[target]), now - AT_TARGET)


def _room(begun: list[Ms], waiting: int, since: Ms) -> bool:
    """Whether another may begin beside those that began after an instant."""
    return len(begun) - bisect_right(begun, since) < (1 if waiting < CROWD else waiting)


def _first_after(times: list[Ms], since: Ms) -> Ms | None:
    """The first of ascending times that is later."""
    at = bisect_right(times, since)
    return times[at] if at < len(times) else None
