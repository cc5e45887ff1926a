"""The loop's one step; drivers (real time in ``adapters/``, virtual in ``sim/``) call it."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, select

from hypercare.kernel.context import Context
from hypercare.kernel.origin import ORIGIN
from hypercare.kernel.tables import timers as timer_rows
from hypercare.kernel.timers import Timers
from hypercare.model.time import SECOND
from hypercare.state import is_away

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.kernel.origin import Origin
    from hypercare.kernel.outbox import Outbox
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.ports import Ports
    from hypercare.state import State

_log = logging.getLogger(__name__)
_Message = TypeVar("_Message")
_RETRY_AFTER = 10 * SECOND
_LOOK_AGAIN = 1 * SECOND
_TAKE_UP = "kernel.take_up"
_MOST_DEFERRED = 100_000
_MOST_TOGETHER = 64
"""Messages of one transaction: few enough that nobody else waits long."""


class CommandError(Exception):
    """A command that cannot be carried out, in the words of the person who gave it.

    Attributes:
        status: the HTTP status that says the same (400, 404, 409).

    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class _Call:
    """A command with somebody waiting for its answer."""

    __slots__ = ("command", "future", "origin")

    def __init__(self, command: object) -> None:
        self.command = command
        self.origin = ORIGIN.get()
        self.future: Future[Any] = Future()


@dataclasses.dataclass(frozen=True, slots=True)
class _Lead:
    """Message: lead by this term from now on, or stand by."""

    term: int | None


class Kernel:
    """Takes due timers and messages one at a time, in (time, sequence) order.

    Handlers are registered by kind of timer, type of message, type of command and type of domain event. All of them
    run in the kernel's thread, one after the other; ``post`` and ``call`` may be used from any thread.

    One of the replicas that share a state leads: its kernel does all there is to do. The others stand by: only what is
    registered within ``everywhere`` runs there (collecting, evaluating), and changes nothing that is shared. When the
    state cannot be reached a leader stands by, too, until it has taken up again what the rows say.

    Attributes:
        leads: whether this one leads; may be read from any thread.
        leads_changed: how often that changed.

    """

    def __init__(self, state: State, ports: Ports, outbox: Outbox) -> None:
        self.state = state
        self.ports = ports
        self.outbox = outbox
        self.timers = Timers()
        self.steps = 0
        self.failures = 0
        self._seq = 0
        self._inbox: deque[tuple[Ms, int, object]] = deque()
        self._lock = threading.Lock()
        self._wake: Callable[[], None] = lambda: None
        self._on_timer: dict[str, Callable[[Context, str], None]] = {}
        self._on_message: dict[type, Callable[[Context, Any], Any]] = {}
        self._together: dict[type, Callable[[Any], bool]] = {}
        self._first: dict[type, Callable[[Any], bool]] = {}
        self._ahead: dict[type, Callable[[Context, list[Any]], None]] = {}
        self._urgent: deque[object] = deque()
        self._subscribers: dict[type, list[Callable[[Context, Any], None]]] = {}
        self._observers: list[Callable[[Ms, DomainEvent], None]] = []
        self._auditor: Callable[[Context, Origin, object, str], None] | None = None
        self.leads = not state.shared or state.term is not None
        self.leads_changed = 0
        self._registering_everywhere = False
        self._everywhere: set[object] = set()
        self._deferred: deque[object] = deque(maxlen=_MOST_DEFERRED)
        self._on_role: Callable[[Context], None] = lambda _: None
        outbox.register(self)
        with self.everywhere():
            self.on_timer(_TAKE_UP, lambda _ctx, _key: self.lead(state.term))

    # -- registration ------------------------------------------------------------------------------------------

    def on_timer(self, kind: str, handler: Callable[[Context, str], None]) -> None:
        """Handle timers of a kind; the handler gets the timer's key."""
        self._on_timer[kind] = handler
        if self._registering_everywhere:
            self._everywhere.add(kind)

    @contextmanager
    def everywhere(self, really: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - reads as a condition
        """What is registered within runs on replicas that stand by, too (if it really is to)."""
        self._registering_everywhere = really
        try:
            yield
        finally:
            self._registering_everywhere = False

    def on_role(self, handler: Callable[[Context], None]) -> None:
        """Do this, within a step, whenever this replica begins or ceases to lead: memory is to follow the rows."""
        self._on_role = handler

    def on_message(
        self,
        kind: type[_Message],
        handler: Callable[[Context, _Message], Any],
        together: Callable[[_Message], bool] | None = None,
        first: Callable[[_Message], bool] | None = None,
        ahead: Callable[[Context, list[_Message]], None] | None = None,
    ) -> None:
        """Handle messages (or commands, whose result the caller gets) of a type.

        Args:
            kind: the type.
            handler: what to do.
            together: which messages of this type may share a transaction with others like them that wait right behind
                them; none: each has its own. Not for commands.
            first: which messages of this type are handled before everything else that is due; none: none is. For what
                has happened outside and would be done again if we ended before it is written down.
            ahead: gets the messages that share a transaction before the first of them is handled, to ask the database
                once for all.

        """
        self._on_message[kind] = handler
        if together is not None:
            self._together[kind] = together
        if first is not None:
            self._first[kind] = first
        if ahead is not None:
            self._ahead[kind] = ahead
        if self._registering_everywhere:
            self._everywhere.add(kind)

    def subscribe(self, kind: type[_Message], handler: Callable[[Context, _Message], None]) -> None:
        """Hear of domain events of a type, within the publishing transaction."""
        self._subscribers.setdefault(kind, []).append(handler)

    def observe(self, observer: Callable[[Ms, DomainEvent], None]) -> None:
        """Hear of every domain event after its commit; the observer must be quick and must not fail."""
        self._observers.append(observer)

    def audit_with(self, auditor: Callable[[Context, Origin, object, str], None]) -> None:
        """Have every command that somebody gave written down: in its own transaction; refused, in one of its own.

        Args:
            auditor: gets who gave it, the command, and why it was refused (empty: it was carried out).

        """
        self._auditor = auditor

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Tell the driver how to learn that a message has come."""
        self._wake = wake

    # -- inbox -------------------------------------------------------------------------------------------------

    def post(self, message: object) -> None:
        """Put a message into the inbox; from any thread."""
        first = self._first.get(type(message))
        urgent = first is not None and first(message)
        with self._lock:
            if urgent:
                self._urgent.append(message)
            else:
                self._inbox.append((self.ports.clock.now(), self._next_seq(), message))
        self._wake()

    def call(self, command: object) -> Future[Any]:
        """Put a command into the inbox; the future gives its result, or raises CommandError."""
        call = _Call(command)
        self.post(call)
        return call.future

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def remind(self, kind: str, due_at: Ms) -> None:
        """Set the one timer of a kind, in memory only; in the kernel's thread, after a commit."""
        self.timers.set(kind, kind, due_at, self._next_seq(), durable=False)

    def lead(self, term: int | None) -> None:
        """Lead by this term from now on, or stand by (none); from any thread. Where nothing is shared: go on."""
        self.post(_Lead(term))

    # -- the loop's step ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load stored deadlines and unfinished effects, if this replica leads; call once, before the first step."""
        if self.leads:
            self._load()

    def _load(self) -> None:
        self.timers.keep(lambda _kind, durable: not durable)
        with self.state.read() as db:
            rows = db.execute(select(timer_rows).order_by(timer_rows.c.due_at, timer_rows.c.key)).all()
        for row in rows:
            self.timers.set(row.key, row.kind, row.due_at, self._next_seq(), durable=True)
        self.outbox.start()

    def next_due(self) -> Ms | None:
        """When there is work next: an instant that may have passed, or none."""
        if self._urgent:
            return self.ports.clock.now()
        timer = self.timers.peek()
        if not self._inbox:
            return timer[0] if timer is not None else None
        # Others append only, so that the first one stays.
        at = self._inbox[0][0]
        return at if timer is None or at < timer[0] else timer[0]

    def step(self) -> bool:
        """Handle the earliest due item, if there is one; returns whether there was."""
        now = self.ports.clock.now()
        timer = self.timers.peek()
        messages = self._take_messages(now, timer)
        if messages:
            first = messages[0]
            if isinstance(first, _Lead):
                self._take_role(now, first)
            elif len(messages) > 1:
                self._handle_together(now, messages)
            else:
                self._handle_message(now, first)
            return True
        if timer is None or timer[0] > now:
            return False
        self._handle_timer(now, *self.timers.pop())
        return True

    def _take_messages(self, now: Ms, timer: tuple[Ms, int] | None) -> list[object]:
        """Take the message whose turn it is, and those right behind it that may share its transaction."""
        taken: list[object] = []
        if not self._inbox and not self._urgent:
            return taken
        with self._lock:
            if self._urgent:
                return self._take_urgent()
            while self._inbox and len(taken) < _MOST_TOGETHER:
                at, seq, message = self._inbox[0]
                if timer is not None and (at, seq) > timer and timer[0] <= now:
                    break
                shares = self._shares(message)
                if taken and not (shares and type(message) is type(taken[0])):
                    break
                self._inbox.popleft()
                taken.append(message)
                if not shares:
                    break
        return taken

    def _take_urgent(self) -> list[object]:
        taken = [self._urgent.popleft()]
        if self._shares(taken[0]):
            while self._urgent and len(taken) < _MOST_TOGETHER and type(self._urgent[0]) is type(taken[0]):
                if not self._shares(self._urgent[0]):
                    break
                taken.append(self._urgent.popleft())
        return taken

    def _shares(self, message: object) -> bool:
        together = self._together.get(type(message))
        return self.leads and together is not None and together(message)

    def _handle_together(self, now: Ms, messages: list[object]) -> None:
        """Handle messages of one type in one transaction; if it fails, each in its own."""
        kind = type(messages[0])
        runs = [partial(_handle, self._on_message[kind], message) for message in messages]
        ahead = self._ahead.get(kind)
        if ahead is not None:
            runs.insert(0, partial(_handle, ahead, messages))
        error = self._transact(now, f"{len(messages)} of {kind.__name__}", *runs)
        if error is not None:
            for message in messages:
                self._handle_message(now, message)

    def _handle_timer(self, now: Ms, kind: str, key: str, durable: bool) -> None:  # noqa: FBT001 - a heap entry
        handler = self._on_timer.get(kind)
        if handler is None:
            _log.error("no handler for timer kind %s (%s); it is dropped", kind, key)
            return
        if not self.leads and kind not in self._everywhere:
            # A row stays; whoever leads has it.
            return

        def run(ctx: Context) -> None:
            # The row goes in the transaction of what its handler decides; set_timer may write it anew.
            if durable:
                ctx.db.execute(delete(timer_rows).where(timer_rows.c.key == key))
            handler(ctx, key)

        error = self._transact(now, f"timer {kind} {key}", run)
        if error is not None:
            # The deadline must not be lost with the failed step.
            again = now + (_LOOK_AGAIN if is_away(error) else _RETRY_AFTER)
            self.timers.set(key, kind, again, self._next_seq(), durable=durable)

    def _handle_message(self, now: Ms, message: object) -> None:
        call = message if isinstance(message, _Call) else None
        command = call.command if call else message
        handler = self._on_message.get(type(command))
        if handler is None:
            _log.error("no handler for message %s", type(command).__name__)
            if call:
                call.future.set_exception(CommandError(f"unknown command {type(command).__name__}"))
            return
        if not self.leads and type(command) not in self._everywhere:
            if call is None:
                # The outcome of something that was begun while we led: it counts once we lead again.
                self._deferred.append(command)
            else:
                call.future.set_exception(CommandError(self._why_not(), 503))
            return
        result: list[Any] = []
        auditor, origin = self._auditor, call.origin if call else None

        def run(ctx: Context) -> None:
            result.append(handler(ctx, command))
            if auditor is not None and origin is not None:
                auditor(ctx, origin, command, "")

        name = type(command).__name__
        error = self._transact(now, name, run)
        if call is None:
            if error is not None and is_away(error):
                self._deferred.append(command)
            return
        if error is not None and not is_away(error) and auditor is not None and origin is not None:
            reason = str(error) if isinstance(error, CommandError) else "an error of hypercare"
            self._transact(now, f"audit of {name}", lambda ctx: auditor(ctx, origin, command, reason))
        if error is not None:
            call.future.set_exception(CommandError(self._why_not(), 503) if is_away(error) else error)
        else:
            call.future.set_result(result[0])

    def _transact(self, now: Ms, what: str, *runs: Callable[[Context], None]) -> Exception | None:
        """Run one step: all of it, or nothing."""
        self.steps += 1
        ctx = Context(now, self.state, self.ports.ids, leads=self.leads)
        try:
            for run in runs:
                published = len(ctx.events)
                run(ctx)
                self._follow(ctx, published)
            if ctx.effects and self.leads:
                self.outbox.record(ctx)
            ctx.commit()
        except CommandError as error:
            ctx.rollback()
            return error
        except Exception as error:  # noqa: BLE001 - see below
            # The one barrier of the loop: a fault of one handler must not end the platform's watch.
            ctx.rollback()
            if is_away(error):
                self._lose_state(now, what, error)
                return error
            self.failures += 1
            _log.exception("step failed and was rolled back: %s", what)
            return error
        self._finish(ctx)
        return None

    def _follow(self, ctx: Context, published: int) -> None:
        """Do all that follows from a handler; so many events of the step were published before it."""
        while self.leads and (published < len(ctx.events) or ctx.cancellations or ctx.settlements):
            if published < len(ctx.events):
                event = ctx.events[published]
                published += 1
                for subscriber in self._subscribers.get(type(event), ()):
                    subscriber(ctx, event)
            elif ctx.cancellations:
                self.outbox.cancel(ctx, *ctx.cancellations.pop(0))
            else:
                ctx.settlements.pop(next(iter(ctx.settlements)))(ctx)

    def _finish(self, ctx: Context) -> None:
        """After the commit: move deadlines in memory, act outside, tell observers."""
        for key, kind, due_at, durable in ctx.timer_changes:
            if due_at is None:
                self.timers.cancel(key)
            elif ctx.leads or kind in self._everywhere:
                self.timers.set(key, kind, due_at, self._next_seq(), durable=durable)
        for action in ctx.actions:
            self._guard(action)
        for event in ctx.events if ctx.leads else ():
            for observer in self._observers:
                self._guard(partial(observer, ctx.now, event))

    # -- leading and standing by -------------------------------------------------------------------------------

    def _take_role(self, now: Ms, message: _Lead) -> None:
        """Lead or stand by: forget what memory has of the rows, and read them."""
        self.state.term = message.term
        leads = not self.state.shared or message.term is not None
        self._leads(leads)
        self.timers.keep(lambda kind, durable: kind in self._everywhere and not durable)
        error: Exception | None = None
        try:
            self.state.back()
            if leads:
                self._load()
            else:
                self.outbox.forget()
        except Exception as failed:
            if not is_away(failed):
                raise
            self._lose_state(now, "taking up the state", failed)
            return
        error = self._transact(now, "taking up the state", self._on_role)
        if error is not None:
            self._leads(leads=False)
            self.timers.set(_TAKE_UP, _TAKE_UP, now + _LOOK_AGAIN, self._next_seq(), durable=False)
            return
        if leads:
            while self._deferred:
                self.post(self._deferred.popleft())

    def _leads(self, leads: bool) -> None:  # noqa: FBT001 - a plain setter
        if leads is not self.leads:
            self.leads = leads
            self.leads_changed += 1

    def _lose_state(self, now: Ms, what: str, error: Exception) -> None:
        """Stand by until the state is there again: whether the last commit was kept is not known, so rows decide."""
        if not self.state.away:
            _log.warning("the state database is away (%s): %s", what, str(error).partition("\n")[0])
        self.state.lost(f"the state database is away: {str(error).partition(chr(10))[0]}")
        self._leads(leads=False)
        if not self.state.shared:
            self.timers.set(_TAKE_UP, _TAKE_UP, now + _LOOK_AGAIN, self._next_seq(), durable=False)

    def _why_not(self) -> str:
        return self.state.away or "this replica stands by; ask the one that leads"

    def _guard(self, action: Callable[[], object]) -> None:
        """Act outside; what fails there must not end the loop (the outcome of effects comes back as messages)."""
        try:
            action()
        except Exception:  # noqa: BLE001 - the same barrier as in _transact
            self.failures += 1
            _log.exception("an action after a step failed")


def _handle(handler: Callable[[Context, Any], object], message: object, ctx: Context) -> None:
    handler(ctx, message)
