"""What a handler may do within one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete

from hypercare.kernel.tables import timers
from hypercare.state import upsert

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Executable

    from hypercare.kernel.effects import Effect
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.ports import Ids
    from hypercare.state import State

_PART: Final = 500
"""Keys of one statement: databases limit the number of parameters."""


class Context:
    """One step: a stamp of time, a transaction, and lists of what follows from it.

    Nothing done through the context shows outside before the step's commit; if the handler fails, all of it is void.

    Attributes:
        now: the instant of the step.
        leads: whether this replica leads. One that stands by publishes and emits nothing, and its writes do nothing.

    """

    __slots__ = (
        "_connection",
        "_ids",
        "_own",
        "_state",
        "_timer_rows",
        "_writes",
        "actions",
        "cancellations",
        "effects",
        "events",
        "leads",
        "now",
        "settlements",
        "timer_changes",
    )

    def __init__(self, now: Ms, state: State, ids: Ids, *, leads: bool = True) -> None:
        self.now = now
        self.leads = leads
        self._state = state
        self._ids = ids
        self._connection: Connection | None = None
        self._own: Context | None = None
        # Written all at once before the commit: hundreds of groups may set theirs in one step.
        self._timer_rows: dict[str, dict[str, Any] | None] = {}
        self._writes: dict[tuple[Executable, tuple[str, ...]], list[dict[str, Any]]] = {}
        self.events: list[DomainEvent] = []
        self.effects: list[Effect] = []
        self.actions: list[Callable[[], None]] = []
        self.timer_changes: list[tuple[str, str, Ms | None, bool]] = []
        self.cancellations: list[tuple[str, str]] = []
        self.settlements: dict[str, Callable[[Context], None]] = {}

    @property
    def db(self) -> Connection:
        """The connection of this step's transaction, begun at first use: steps without rows cost no transaction.

        On a replica that stands by it shows what the leader committed last, and writes to it do nothing (``leads``).

        Raises:
            StateAwayError: the database is away.

        """
        if self._connection is None:
            self._state.check()
            self._connection = self._state.engine.connect() if self.leads else self._state.look()
            self._connection.begin()
        return self._connection

    def write(self, statement: Executable, row: dict[str, Any]) -> None:
        """Execute a statement just before the commit: once for all rows of the same columns that the step gives it.

        For rows that nobody reads within the step.
        """
        self._writes.setdefault((statement, tuple(row)), []).append(row)

    @property
    def own(self) -> Connection:
        """A connection to the rows of this replica alone, which also a stand-by writes.

        The same as ``db`` where the state is not shared; else committed first, in a transaction of its own.
        """
        if self._state.own is self._state:
            return self.db
        if self._own is None:
            self._own = Context(self.now, self._state.own, self._ids)
        return self._own.db

    def publish(self, event: DomainEvent) -> None:
        """Tell the other rooms; they hear of it within this transaction, in the order of publishing."""
        self.events.append(event)

    def emit(self, effect: Effect) -> None:
        """Record an effect; it is performed after the commit."""
        self.effects.append(effect)

    def cancel(self, cancel_key: str, reason: str) -> None:
        """Withdraw the effects of earlier steps with this key that still wait; they stay in the outbox, as cancelled.

        What the outside has got already, or is getting right now, cannot be taken back; it is not tried again.

        Args:
            cancel_key: as in ``Effect.cancel_key``.
            reason: why nobody needs them any more, for people.

        """
        self.cancellations.append((cancel_key, reason))

    def settle(self, key: str, action: Callable[[Context], None]) -> None:
        """Run once all events of this step are delivered, before the commit; once for each key, in order of asking.

        For conclusions that hold only when everything that happened at this instant is known. What they publish is
        delivered before the next one runs.
        """
        self.settlements.setdefault(key, action)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run once the step is committed; for requests whose loss does no harm (a scrape, a look-up)."""
        self.actions.append(action)

    def set_timer(self, key: str, due_at: Ms, kind: str, *, durable: bool = True) -> None:
        """Set, or move, the timer with this key; when due, the handler of ``kind`` gets the key.

        Args:
            key: unique over all kinds; prefix it with the room's name.
            due_at: an instant; one that has passed is due at once.
            kind: names the handler.
            durable: stored as a row, so that it survives a restart; the others are set anew by whoever needs them.

        """
        if durable:
            self._timer_rows[key] = {"key": key, "kind": kind, "due_at": due_at}
        self.timer_changes.append((key, kind, due_at, durable))

    def cancel_timer(self, key: str, *, durable: bool = True) -> None:
        """Forget a timer; one that is not set is no error."""
        if durable:
            self._timer_rows[key] = None
        self.timer_changes.append((key, "", None, durable))

    def new_id(self) -> str:
        """A new identifier."""
        return self._ids.new()

    def uniform(self) -> float:
        """A random number in [0, 1)."""
        return self._ids.uniform()

    def commit(self) -> None:
        """Make the rows permanent (kernel only)."""
        for (statement, _), rows in self._writes.items():
            self.db.execute(statement, rows)
        self._writes.clear()
        if self._timer_rows:
            self._write_timers()
        if self._own is not None:
            self._own.commit()
        if self._connection is not None and self.leads:
            self._state.commit(self._connection, self.now)
        self._close()

    def _write_timers(self) -> None:
        upsert(self.db, timers, [row for row in self._timer_rows.values() if row is not None])
        gone = [key for key, row in self._timer_rows.items() if row is None]
        for first in range(0, len(gone), _PART):
            self.db.execute(delete(timers).where(timers.c.key.in_(gone[first : first + _PART])))
        self._timer_rows.clear()

    def rollback(self) -> None:
        """Void the rows (kernel only)."""
        if self._own is not None:
            self._own.rollback()
        self._close()

    def _close(self) -> None:
        """Give the connection back; what was not committed is void."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
