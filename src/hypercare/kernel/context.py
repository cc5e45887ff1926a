"""What a handler may do within one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.dialects.sqlite import insert

from hypercare.kernel.tables import timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Transaction

    from hypercare.kernel.effects import Effect
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.ports import Ids
    from hypercare.state import State


class Context:
    """One step: a stamp of time, a transaction, and lists of what follows from it.

    Nothing done through the context shows outside before the step's commit; if the handler fails, all of it is void.
    """

    __slots__ = (
        "_connection",
        "_ids",
        "_state",
        "_transaction",
        "actions",
        "cancellations",
        "effects",
        "events",
        "now",
        "settlements",
        "timer_changes",
    )

    def __init__(self, now: Ms, state: State, ids: Ids) -> None:
        self.now = now
        self._state = state
        self._ids = ids
        self._connection: Connection | None = None
        self._transaction: Transaction | None = None
        self.events: list[DomainEvent] = []
        self.effects: list[Effect] = []
        self.actions: list[Callable[[], None]] = []
        self.timer_changes: list[tuple[str, str, Ms | None, bool]] = []
        self.cancellations: list[tuple[str, str]] = []
        self.settlements: dict[str, Callable[[Context], None]] = {}

    @property
    def db(self) -> Connection:
        """The connection of this step's transaction, begun at first use: steps without rows cost no transaction."""
        if self._connection is None:
            self._connection = self._state.engine.connect()
            self._transaction = self._connection.begin()
        return self._connection

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
            row = {"key": key, "kind": kind, "due_at": due_at}
            statement = insert(timers).values(row)
            self.db.execute(
                statement.on_conflict_do_update(index_elements=["key"], set_={"kind": kind, "due_at": due_at})
            )
        self.timer_changes.append((key, kind, due_at, durable))

    def cancel_timer(self, key: str, *, durable: bool = True) -> None:
        """Forget a timer; one that is not set is no error."""
        if durable:
            self.db.execute(delete(timers).where(timers.c.key == key))
        self.timer_changes.append((key, "", None, durable))

    def new_id(self) -> str:
        """A new identifier."""
        return self._ids.new()

    def uniform(self) -> float:
        """A random number in [0, 1)."""
        return self._ids.uniform()

    def commit(self) -> None:
        """Make the rows permanent (kernel only)."""
        if self._connection is not None and self._transaction is not None:
            self._transaction.commit()
            self._connection.close()
            self._connection = self._transaction = None

    def rollback(self) -> None:
        """Void the rows (kernel only)."""
        if self._connection is not None and self._transaction is not None:
            self._transaction.rollback()
            self._connection.close()
            self._connection = self._transaction = None
