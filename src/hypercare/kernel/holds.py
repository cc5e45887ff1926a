"""Targets that asked us to slow down: one effect tries, the others wait for it and then go one after the other."""

from __future__ import annotations


class Holds:
    """Who waits at which target. In memory only: the rows of the outbox say after a restart what is held."""

    def __init__(self) -> None:
        self._probes: dict[str, str] = {}
        self._waiting: dict[str, dict[str, None]] = {}

    def hold(self, target: str, key: str) -> None:
        """A target has named a time before which it wants nothing more; ``key`` is the effect that tries then."""
        self._probes.setdefault(target, key)

    def must_wait(self, target: str, key: str) -> bool:
        """Whether an effect has to wait for another one; if so, its turn will come."""
        probe = self._probes.get(target)
        if probe is None or probe == key:
            return False
        self._waiting.setdefault(target, {})[key] = None
        return True

    def is_probe(self, target: str, key: str) -> bool:
        """Whether others wait for the outcome of this effect."""
        return self._probes.get(target) == key

    def forget(self, target: str, key: str) -> None:
        """An effect that waited has gone away."""
        self._waiting.get(target, {}).pop(key, None)

    def next(self, target: str) -> str | None:
        """The one that tried is through (or gone): whose turn it is; none where nobody waits, which ends the hold."""
        waiting = self._waiting.get(target)
        if not waiting:
            self._probes.pop(target, None)
            self._waiting.pop(target, None)
            return None
        key = next(iter(waiting))
        del waiting[key]
        self._probes[target] = key
        return key
