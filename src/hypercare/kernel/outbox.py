"""The outbox: an effect is a row before it happens, and is marked after.

A crash can repeat a delivery (with the same idempotency key), never lose one. Effects of one lane go one after the
other. What may work later is tried again with growing pauses; what never will is marked and published as a failure.
What has become needless is cancelled: marked with the reason, and not sent. Where a receiver names a time before which
it wants nothing more (``Retry-After``), all effects to that target wait for it, also after a restart.

So that a crash repeats one delivery and not all that were under way, the next one is sent when the one before it is
marked, as far as nobody waits long for that: ``line.py`` says who may go when.
"""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import bindparam, delete, insert, select, update

from hypercare.kernel.effects import Delivered, Effect, Outcome, Permanent, Retry, payload_text
from hypercare.kernel.holds import Holds
from hypercare.kernel.line import Line
from hypercare.kernel.tables import outbox
from hypercare.model.events import EffectCancelled, EffectDelayed, EffectDelivered, EffectFailed
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row

    from hypercare.kernel.context import Context
    from hypercare.kernel.kernel import Kernel
    from hypercare.model.time import Ms

PENDING, SENT, FAILED, CANCELLED = "pending", "sent", "failed", "cancelled"
_FIRST_PAUSE: Ms = 1 * SECOND
_LONGEST_PAUSE: Ms = 5 * MINUTE
_GIVE_UP_AFTER: Ms = 1 * DAY
_LONGEST_WISH: Ms = 1 * HOUR
"""No receiver makes us wait longer: what it says may be wrong, and somebody has to be reached."""
_KIND = "outbox.retry"
_PURGE = "outbox.purge"
_LINE = "outbox.line"
_PURGE_EVERY: Ms = 1 * HOUR
_PURGE_AT_ONCE = 5_000
_PART = 500
# Made once: putting a statement together takes longer than carrying it out.
_ROW: Final = select(outbox.c.id, outbox.c.state, outbox.c.attempts, outbox.c.created_at, outbox.c.error)
_FIND: Final = _ROW.where(outbox.c.id == bindparam("effect"))
_FIND_ALL: Final = _ROW.where(outbox.c.id.in_(bindparam("effects", expanding=True)))
_MARK: Final = update(outbox).where(outbox.c.id == bindparam("effect"))


class Deliverer(Protocol):
    """Performs effects outside."""

    def deliver(self, effect: Effect, reply: Callable[[Outcome], None]) -> None:
        """Start the delivery; ``reply`` is called once, from any thread."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Outcome:
    """Inbox message: what became of a delivery."""

    effect_id: str
    outcome: Outcome


def pause(attempts: int, uniform: float) -> Ms:
    """Pause before the next try: 1 s doubled with each try up to 5 min, shortened by up to a fifth for jitter."""
    # The exponent is capped before the power is taken: attempts may be large after a long outage.
    whole = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 20))
    return int(whole * (1 - 0.2 * uniform))


class Outbox:
    """Records effects, hands them out lane by lane, and takes their outcomes."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer
        self._kernel: Kernel | None = None
        self._queues: dict[str, list[str]] = {}
        self._effects: dict[str, Effect] = {}
        self._line = Line()
        self._holds = Holds()
        self._retention: Ms = 30 * DAY
        # Rows of effects that have arrived and are marked in one step, and that step.
        self._looked_up: tuple[Context | None, dict[str, Row[Any] | None]] = (None, {})

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        # What has arrived changes nothing for the others; a try that failed may be cancelled by what follows from them.
        kernel.on_message(_Outcome, self._on_outcome, together=_arrived, first=_arrived, ahead=self._look_up)
        kernel.on_timer(_KIND, self._on_retry)
        kernel.on_timer(_LINE, lambda ctx, _key: ctx.after_commit(self._go_on))
        kernel.on_timer(_PURGE, self._on_purge)

    def keep(self, ctx: Context, retention: Ms) -> None:
        """Forget finished effects so long after their end, from now on."""
        ctx.after_commit(lambda: setattr(self, "_retention", retention))
        ctx.set_timer(_PURGE, ctx.now + _PURGE_EVERY, _PURGE, durable=False)

    def start(self) -> None:
        """Take up what is unfinished by the rows: where a pause is stored its timer sends, the rest go now.

        What is under way already is not sent anew: its outcome comes.
        """
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - register comes first
        with kernel.state.read() as db:
            rows = db.execute(select(outbox).where(outbox.c.state == PENDING).order_by(outbox.c.seq)).all()
        self.forget()
        for row in rows:
            if row.held and f"{_KIND}:{row.id}" in kernel.timers:
                self._holds.hold(row.target, row.id)
        for row in rows:
            effect = Effect(
                row.id, row.channel, row.target, row.subject, json.loads(row.payload), row.lane, row.cancel_key or ""
            )
            if (
                self._enqueue(effect)
                and f"{_KIND}:{row.id}" not in kernel.timers
                and not self._line.is_under_way(row.id)
            ):
                self._send(effect)

    def forget(self) -> None:
        """Another replica sends from now on; the outcomes of what is under way no longer matter."""
        self._queues.clear()
        self._effects.clear()
        self._line.leave_all()
        self._holds = Holds()

    def record(self, ctx: Context) -> None:
        """Write the step's effects as rows and hand them out after the commit (kernel only)."""
        new: dict[str, Effect] = {}
        for effect in ctx.effects:
            if effect.key not in self._effects:
                new.setdefault(effect.key, effect)
        keys = list(new)
        for first in range(0, len(keys), _PART):
            known = select(outbox.c.id).where(outbox.c.id.in_(keys[first : first + _PART]))
            for row in ctx.db.execute(known).all():
                del new[row.id]
        if new:
            ctx.db.execute(insert(outbox), [_row(effect, ctx.now) for effect in new.values()])
            ctx.after_commit(partial(self._take, list(new.values())))

    def cancel(self, ctx: Context, cancel_key: str, reason: str) -> None:
        """Mark the waiting effects of a key as cancelled (kernel only); those under way are not tried again."""
        waiting: list[Effect] = []
        for effect in [e for e in self._effects.values() if e.cancel_key == cancel_key]:
            where = outbox.c.id == effect.key, outbox.c.state == PENDING
            values = {"state": CANCELLED, "error": reason, "done_at": ctx.now}
            if not ctx.db.execute(update(outbox).where(*where).values(values)).rowcount:
                continue
            ctx.cancel_timer(f"{_KIND}:{effect.key}")
            # Of one that is under way nobody knows yet whether it arrives: its outcome tells.
            if not self._line.is_under_way(effect.key):
                ctx.publish(EffectCancelled(effect.key, effect.channel, effect.target, effect.subject, reason))
                waiting.append(effect)
        if waiting:
            ctx.after_commit(partial(self._drop, waiting))

    def pending(self) -> int:
        """How many effects wait or are under way."""
        return len(self._effects)

    def _take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if self._enqueue(effect):
                self._wait(effect)
        self._go_on()

    def _enqueue(self, effect: Effect) -> bool:
        """Put at the end of its lane; true if it is first there and may go."""
        queue = self._queues.setdefault(effect.lane or effect.key, [])
        queue.append(effect.key)
        self._effects[effect.key] = effect
        return queue[0] == effect.key

    def _send(self, effect: Effect) -> None:
        """Send as soon as it is its turn."""
        self._wait(effect)
        self._go_on()

    def _wait(self, effect: Effect) -> None:
        if not (self._line.is_under_way(effect.key) or self._holds.must_wait(effect.target, effect.key)):
            self._line.wait(effect.key, effect.target)

    def _go_on(self) -> None:
        """Begin the deliveries whose turn it is, and look again when somebody's may have come."""
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - register comes first
        now = kernel.ports.clock.now()
        while (key := self._line.next(now)) is not None:
            effect = self._effects[key]
            if self._holds.must_wait(effect.target, key):
                self._line.leave(key)
            else:
                self._line.begin(key, effect.target, now)
                self._deliverer.deliver(effect, partial(_reply, kernel, key))
        due = self._line.due(now)
        if due is not None:
            kernel.remind(_LINE, due)

    def _on_retry(self, ctx: Context, key: str) -> None:
        effect = self._effects.get(key.removeprefix(f"{_KIND}:"))
        if effect is not None and not self._line.is_under_way(effect.key):
            ctx.after_commit(lambda: self._send(effect))

    def _on_purge(self, ctx: Context, key: str) -> None:
        c = outbox.c
        old = select(c.seq).where(c.done_at.is_not(None), c.done_at < ctx.now - self._retention)
        found: list[int] = list(ctx.db.execute(old.order_by(c.done_at).limit(_PURGE_AT_ONCE)).scalars())
        for first in range(0, len(found), _PART):
            ctx.db.execute(delete(outbox).where(c.seq.in_(found[first : first + _PART])))
        more = len(found) == _PURGE_AT_ONCE
        ctx.set_timer(key, ctx.now + (SECOND if more else _PURGE_EVERY), _PURGE, durable=False)

    def _look_up(self, ctx: Context, messages: list[_Outcome]) -> None:
        rows = ctx.db.execute(_FIND_ALL, {"effects": [message.effect_id for message in messages]})
        self._looked_up = ctx, {row.id: row for row in rows}

    def _row_of(self, ctx: Context, key: str) -> Row[Any] | None:
        """The row of an effect; none, too, where this very step has taken its outcome (the mark is written later)."""
        step, found = self._looked_up
        if step is not ctx:
            return ctx.db.execute(_FIND, {"effect": key}).first()
        row, found[key] = found.get(key), None
        return row

    def _on_outcome(self, ctx: Context, message: _Outcome) -> None:
        effect = self._effects.get(message.effect_id)
        row = self._row_of(ctx, message.effect_id)
        if effect is None or row is None or row.state not in {PENDING, CANCELLED}:
            # Another replica has dealt with it.
            self._line.end(message.effect_id)
            return
        ctx.after_commit(partial(self._line.end, effect.key))
        attempts = row.attempts + 1
        if row.state == CANCELLED and not isinstance(message.outcome, Delivered):
            # Cancelled while it was under way, and it did not arrive: as it should be.
            self._finish(ctx, effect, {"attempts": attempts})
            ctx.publish(EffectCancelled(effect.key, effect.channel, effect.target, effect.subject, row.error))
            return
        match message.outcome:
            case Delivered(receipt=receipt):
                # In a storm dozens of marks share a step: one statement writes them.
                mark = {"effect": effect.key, "state": SENT, "attempts": attempts, "error": "", "done_at": ctx.now}
                ctx.write(_MARK, mark)
                ctx.after_commit(partial(self._drop, [effect]))
                target = effect.target
                ctx.publish(EffectDelivered(effect.key, effect.channel, target, effect.subject, attempts, receipt))
            case Retry(error=error) if ctx.now - row.created_at >= _GIVE_UP_AFTER:
                self._fail(ctx, effect, attempts, f"given up after a day of tries: {error}")
            case Retry(error=error, after=after):
                self._again(ctx, effect, attempts, error, after)
            case Permanent(error=error):
                self._fail(ctx, effect, attempts, error)
        ctx.after_commit(self._go_on)

    def _again(self, ctx: Context, effect: Effect, attempts: int, error: str, after: Ms | None) -> None:
        next_at = ctx.now + max(min(after or 0, _LONGEST_WISH), pause(attempts, ctx.uniform()))
        values = {"attempts": attempts, "error": error, "next_at": next_at, "held": after is not None}
        ctx.db.execute(_MARK, {"effect": effect.key, **values})
        ctx.set_timer(f"{_KIND}:{effect.key}", next_at, _KIND)
        if attempts == 1:
            ctx.publish(EffectDelayed(effect.key, effect.channel, effect.target, effect.subject, error, next_at))
        if after is not None:
            ctx.after_commit(lambda: self._holds.hold(effect.target, effect.key))
        else:
            # A fault of this one effect need not hold up the others.
            ctx.after_commit(lambda: self._give_turn(effect))

    def _fail(self, ctx: Context, effect: Effect, attempts: int, error: str) -> None:
        self._finish(ctx, effect, {"state": FAILED, "attempts": attempts, "error": error})
        ctx.publish(EffectFailed(effect.key, effect.channel, effect.target, effect.subject, error))

    def _finish(self, ctx: Context, effect: Effect, values: dict[str, Any]) -> None:
        ctx.db.execute(_MARK, {"effect": effect.key, **values, "done_at": ctx.now})
        ctx.after_commit(partial(self._drop, [effect]))

    def _give_turn(self, effect: Effect) -> None:
        """If others waited for this effect's outcome, let the next one try."""
        if not self._holds.is_probe(effect.target, effect.key):
            return
        following = self._holds.next(effect.target)
        if following is not None and following in self._effects:
            self._send(self._effects[following])

    def _drop(self, effects: list[Effect]) -> None:
        """Take finished effects from their lanes and send what has come to the front."""
        heads: dict[str, None] = {}
        for effect in effects:
            lane = effect.lane or effect.key
            queue = self._queues[lane]
            if queue[0] == effect.key:
                heads[lane] = None
            queue.remove(effect.key)
            del self._effects[effect.key]
            self._line.leave(effect.key)
            self._holds.forget(effect.target, effect.key)
        for effect in effects:
            self._give_turn(effect)
        for lane in heads:
            if queue := self._queues[lane]:
                self._send(self._effects[queue[0]])
        for lane in [lane for lane in dict.fromkeys(e.lane or e.key for e in effects) if not self._queues[lane]]:
            del self._queues[lane]


def _arrived(message: _Outcome) -> bool:
    return isinstance(message.outcome, Delivered)


def _reply(kernel: Kernel, key: str, outcome: Outcome) -> None:
    kernel.post(_Outcome(key, outcome))


def _row(effect: Effect, now: Ms) -> dict[str, Any]:
    return {
        "id": effect.key,
        "channel": effect.channel,
        "target": effect.target,
        "subject": effect.subject,
        "lane": effect.lane,
        "payload": effect.text or payload_text(effect.payload),
        "state": PENDING,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
        "error": "",
        "cancel_key": effect.cancel_key or None,
    }
