"""Routing's part in the loop: takes alerts and commands, flushes groups, keeps the rows."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete

from hypercare.channels.notification import alert_order
from hypercare.kernel import CommandError
from hypercare.model.events import AlertResolved, AlertsReceived
from hypercare.model.time import DAY, HOUR, SECOND
from hypercare.routing import flapping, journal, loading, rows, silences, suppression, tables
from hypercare.routing.commands import ExpireSilence, PutSilence, ReceiveAlerts
from hypercare.routing.flushing import flush_group
from hypercare.routing.index import Group, Held, Index
from hypercare.routing.merge import is_same_but_end, merge
from hypercare.routing.silences import Silence, SilenceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms
    from hypercare.routing.settings import RoutingSettings
    from hypercare.routing.silence_limits import SilenceLimits

_log = logging.getLogger(__name__)

FLUSH: Final = "routing.flush"
_ENDS: Final = "routing.ends"
_PURGE: Final = "routing.purge"
_SILENCES: Final = "routing.silences"
_FLAPS: Final = "routing.flaps"
_MOST_AT_ONCE: Final = 49
"""Flushes of one step besides the first."""
_MOST_ALERTS: Final = 5_000
"""Alerts that these may have together: marks of deliveries and commands wait for the end of a step."""
_PURGE_EVERY: Ms = 1 * HOUR
SILENCE_RETENTION: Final[Ms] = 5 * DAY
"""How long an expired silence can still be seen (Alertmanager's 120 h)."""
TOLD_RETENTION: Final[Ms] = 5 * DAY
"""How long we remember what was told of a group that is gone."""
JOURNAL_RETENTION: Final[Ms] = 30 * DAY


class RoutingService:
    """Groups alerts and decides what is told to whom, and why.

    Attributes:
        settings: what applies now; replaced as a whole, may be read from any thread. None before ``configure``.

    """

    def __init__(self, read_settings: Callable[[Config], RoutingSettings]) -> None:
        self.settings: RoutingSettings | None = None
        self._read_settings = read_settings
        self._index: Index | None = None
        self._unfinished: Context | None = None
        self._ends_timer: Ms | None = None
        self._loaded = False

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(AlertsReceived, self._on_alerts)
        kernel.on_message(ReceiveAlerts, self._on_receive)
        kernel.on_message(PutSilence, self._on_put_silence)
        kernel.on_message(ExpireSilence, self._on_expire_silence)
        kernel.on_timer(FLUSH, self._on_flush)
        kernel.on_timer(_ENDS, self._on_ends)
        kernel.on_timer(_PURGE, self._on_purge)
        kernel.on_timer(_SILENCES, self._on_silences)
        kernel.on_timer(_FLAPS, self._on_flaps)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration: at start everything is loaded, at a reload groups move to the new tree."""
        self.apply(ctx, self._read_settings(config))

    def apply(self, ctx: Context, settings: RoutingSettings) -> None:
        """Take settings that are already in this room's words."""
        # A failed step leaves the old settings: the app does not replace a configuration that cannot be taken.
        reloaded = self._loaded
        self.settings = settings
        self._index = None
        index = self._enter(ctx)
        for held in tuple(index.alerts.values()):
            if not held.alert.resolved_at(ctx.now) or index.is_damped(held):
                self._place(ctx, index, held)
        if reloaded:
            _flush_soon(ctx, index)
        _save(ctx, index)
        self._watch_ends(ctx, index)
        suppression.judge(ctx, index)
        _watch_silences(ctx, index)
        _watch_flaps(ctx, index)
        ctx.set_timer(_PURGE, ctx.now + _PURGE_EVERY, _PURGE, durable=False)

    # -- the index and its rows --------------------------------------------------------------------------------

    def _enter(self, ctx: Context) -> Index:
        """The index, to be changed in this step; if the step fails, it is loaded anew before it is used again."""
        index = self._look(ctx)
        if self._unfinished is not ctx:
            self._unfinished = ctx
            ctx.after_commit(self._committed)
        return index

    def _look(self, ctx: Context) -> Index:
        """The index as the rows have it, without the intent to change it.

        If an earlier step changed it and then failed, that step's rows were rolled back: everything is loaded anew.
        """
        settings = self.settings
        if settings is None:
            raise CommandError("routing is not configured yet", 503)
        if self._unfinished is not None and self._unfinished is not ctx:
            self._index = None
            self._unfinished = None
        if self._index is None:
            self._ends_timer = None
            self._index = loading.load(ctx, settings, FLUSH, first=not self._loaded)
            self._loaded = True
            self._enter(ctx)
        return self._index

    def _committed(self) -> None:
        self._unfinished = None

    # -- alerts ------------------------------------------------------------------------------------------------

    def _on_receive(self, ctx: Context, command: ReceiveAlerts) -> tuple[str, ...]:
        taken: list[Alert] = []
        refused: list[str] = []
        for alert in command.alerts:
            problem = _problem(alert)
            if problem:
                refused.append(problem)
            else:
                taken.append(alert if alert.starts_at else _begun(alert, ctx.now))
        if taken:
            ctx.publish(AlertsReceived(tuple(taken), "api"))
        return tuple(refused)

    def _on_alerts(self, ctx: Context, event: AlertsReceived) -> None:
        index = self._enter(ctx)
        ended: dict[str, Held] = {}
        changed = [f for alert in event.alerts if (f := self._take(ctx, index, alert, event.source, ended)) is not None]
        # One that ended and began again within what was sent at once fires.
        _say_ended(ctx, index, (index.alerts.get(f, held) for f, held in ended.items()))
        _save(ctx, index)
        self._watch_ends(ctx, index)
        suppression.judge(ctx, index, changed)

    def _take(self, ctx: Context, index: Index, received: Alert, source: str, ended: dict[str, Held]) -> str | None:
        """Take in one alert; its fingerprint, if it is in the index and has changed. If it ends, ``ended`` has it."""
        settings, now = self.settings, ctx.now
        assert settings is not None  # noqa: S101 - _enter checks it
        fingerprint = received.fingerprint
        old = index.alerts.get(fingerprint)
        guessed = source != "rules" and received.ends_at is None
        alert = dataclasses.replace(received, ends_at=now + settings.resolve_timeout) if guessed else received
        if old is None:
            # The end of something we never knew is no news to anybody.
            if alert.resolved_at(now):
                return None
            held = Held(fingerprint, alert, source, now, guessed_end=guessed, order=alert_order(alert))
            # Now, as at the flush of a storm there is no time for it.
            held.as_firing()
        else:
            alert = merge(old.alert, alert, now, guessed_end=old.guessed_end)
            unchanged = alert == old.alert and guessed == old.guessed_end and source == old.source
            if unchanged and alert.resolved_at(now) == old.ended:
                old.updated_at = now
                return None
            firing = old.firing if old.firing is not None and is_same_but_end(old.firing, alert) else None
            held = dataclasses.replace(
                old, alert=alert, source=source, updated_at=now, guessed_end=guessed, firing=firing
            )
            held.ended = old.ended and alert.resolved_at(now)
        if alert.resolved_at(now) and not held.ended:
            held.ended = True
            journal.note_ended(index, held, now)
            self._flap(ctx, index, held)
            ended[fingerprint] = held
        index.put_alert(held)
        if not held.ended:
            self._place(ctx, index, held)
            if old is None or old.ended:
                journal.note_received(index, held, now)
                self._flap(ctx, index, held)
                if old is not None:
                    index.again[fingerprint] = now
        elif not held.groups:
            index.drop_alert(held)
            return None
        return fingerprint

    def _place(self, ctx: Context, index: Index, held: Held) -> None:
        """Put a firing alert into its groups; groups that do not exist yet begin."""
        settings, now = self.settings, ctx.now
        assert settings is not None  # noqa: S101 - _enter checks it
        if not held.places:
            held.places = loading.places(settings, held.alert.labels)
        for route, labels, group_id in held.places:
            group = index.groups.get(group_id)
            if group is None:
                group = Group(group_id, route.group_key(labels), route, labels, now, now + route.group_wait)
                index.put_group(group)
                ctx.set_timer(f"{FLUSH}:{group_id}", group.next_flush, FLUSH)
            group.members[held.fingerprint] = None
            held.groups[group_id] = None
            # Whoever waited elsewhere (before a restart or reload, in the sender) does not wait here again.
            if group.flushed_at is None and held.alert.starts_at + route.group_wait < now < group.next_flush:
                group.next_flush = now
                index.put_group(group)
                ctx.set_timer(f"{FLUSH}:{group_id}", now, FLUSH)

    def _watch_ends(self, ctx: Context, index: Index) -> None:
        """Have a timer at the next promised end. It may ring early, as ends move on while alerts are sent again."""
        due = index.next_end()
        if due is not None and (self._ends_timer is None or due < self._ends_timer):
            self._ends_timer = due
            ctx.set_timer(_ENDS, due, _ENDS)

    def _on_ends(self, ctx: Context, key: str) -> None:
        if self.settings is None:
            ctx.set_timer(key, ctx.now + SECOND, _ENDS)
            return
        index = self._enter(ctx)
        self._ends_timer = None
        self._publish_ends(ctx, index)
        _save(ctx, index)
        self._watch_ends(ctx, index)

    def _publish_ends(self, ctx: Context, index: Index) -> None:
        """Tell the other rooms of the alerts whose promised end has come."""
        ended = index.take_ended(ctx.now)
        for held in ended:
            journal.note_ended(index, held, ctx.now)
            self._flap(ctx, index, held)
            index.put_alert(held)
        _say_ended(ctx, index, ended)
        suppression.judge(ctx, index, [held.fingerprint for held in ended])

    # -- flapping ----------------------------------------------------------------------------------------------

    def _flap(self, ctx: Context, index: Index, held: Held) -> None:
        """An alert began or ended: does it flap now?"""
        assert self.settings is not None  # noqa: S101 - _enter checks it
        rule = flapping.rule_for(index.flaps.rules, held.alert.labels)
        if rule is None:
            return
        flap = index.flaps.changed(held.fingerprint, ctx.now, rule)
        if flap is not None:
            flapping.save(ctx.db, held.fingerprint, flap)
            journal.note_flapping(index, held.fingerprint, index.flap_text(held.fingerprint, ctx.now), ctx.now)
            _watch_flaps(ctx, index)

    def _on_flaps(self, ctx: Context, _key: str) -> None:
        """Some may be calm now."""
        if self.settings is None:
            return
        index = self._enter(ctx)
        calm = index.flaps.take_calm(ctx.now)
        if calm:
            flapping.forget(ctx.db, calm)
        for fingerprint in calm:
            journal.note_calm(index, fingerprint, ctx.now)
        # While they were damped, their ends were not told.
        _say_ended(ctx, index, (index.alerts[f] for f in calm if f in index.alerts))
        suppression.judge(ctx, index, calm)
        # The journal's rows are written with other changes, if there are any.
        if calm:
            rows.save(ctx.db, index)
        _watch_flaps(ctx, index)

    # -- groups ------------------------------------------------------------------------------------------------

    def _on_flush(self, ctx: Context, key: str) -> None:
        settings = self.settings
        if settings is None:
            # The timer rang before the configuration was taken (right after a start).
            ctx.set_timer(key, ctx.now + SECOND, FLUSH)
            return
        # After a step that failed one by one: a group that cannot be flushed must not hold up the others.
        alone = self._unfinished is not None and self._unfinished is not ctx
        index = self._enter(ctx)
        group = index.groups.get(key.removeprefix(f"{FLUSH}:"))
        if group is None:
            return
        due = index.next_end()
        if due is not None and due <= ctx.now:
            # At the same instant, or on a busy machine: a flush lets go of them, and nobody would hear of it.
            self._publish_ends(ctx, index)
        self._flush(ctx, index, settings, group)
        # Others that are due, too, go in the same step: hundreds of groups may be due at one instant, and a commit
        # takes longer than a flush.
        for other in () if alone else _as_many(index.due(ctx.now, _MOST_AT_ONCE)):
            ctx.cancel_timer(f"{FLUSH}:{other.id}")
            self._flush(ctx, index, settings, other)
        _save(ctx, index)

    def _flush(self, ctx: Context, index: Index, settings: RoutingSettings, group: Group) -> None:
        flush_group(ctx, index, settings, group)
        if group.members:
            group.next_flush = ctx.now + group.route.group_interval
            ctx.set_timer(f"{FLUSH}:{group.id}", group.next_flush, FLUSH)
        else:
            index.drop_group(group)

    # -- silences ----------------------------------------------------------------------------------------------

    def _on_put_silence(self, ctx: Context, command: PutSilence) -> str:
        index = self._look(ctx)
        if command.ends_at and command.ends_at < ctx.now:
            raise CommandError("invalid silence: end time can't be in the past")
        old = index.silencer.get(command.id) if command.id else None
        # Who knows nothing of recurrences (amtool) must not make a silence of two hours one of all day.
        kept = None if old is None or command.always else old.recurrence
        wanted = Silence(
            command.id,
            command.matcher_sets,
            command.starts_at,
            command.ends_at,
            created_by=command.created_by,
            comment=command.comment,
            recurrence=command.recurrence or kept,
        )
        try:
            stored = silences.put(wanted, old, ctx.new_id(), ctx.now)
            self._limits.check(stored[0], len(index.silencer.all()), fresh=stored[0].id != command.id)
        except LookupError as err:
            raise CommandError(str(err), 404) from err
        except ValueError as err:
            raise CommandError(str(err)) from err
        self._enter(ctx)
        self._change_silences(ctx, index, stored)
        return stored[0].id

    @property
    def _limits(self) -> SilenceLimits:
        assert self.settings is not None  # noqa: S101 - _look checks it
        return self.settings.limits

    def _on_expire_silence(self, ctx: Context, command: ExpireSilence) -> None:
        index = self._look(ctx)
        old = index.silencer.get(command.id)
        if old is None:
            raise CommandError("silence not found", 404)
        self._enter(ctx)
        self._change_silences(ctx, index, (silences.expire(old, ctx.now),))

    def _change_silences(self, ctx: Context, index: Index, stored: tuple[Silence, ...]) -> None:
        for silence in stored:
            index.silencer.put(silence)
        rows.save_silences(ctx.db, stored)
        suppression.judge(ctx, index, suppression.matching(index, stored))
        _watch_silences(ctx, index)

    def _on_silences(self, ctx: Context, _key: str) -> None:
        """A silence begins or ends by itself."""
        index = self._enter(ctx)
        changed = suppression.changed_between(index, index.silences_seen_at, ctx.now)
        suppression.judge(ctx, index, suppression.matching(index, changed))
        _watch_silences(ctx, index)

    # -- keeping it small --------------------------------------------------------------------------------------

    def _on_purge(self, ctx: Context, key: str) -> None:
        ctx.set_timer(key, ctx.now + _PURGE_EVERY, _PURGE, durable=False)
        index = self._enter(ctx)
        for silence in index.silencer.all():
            if silence.state(ctx.now) is SilenceState.EXPIRED and silence.ends_at < ctx.now - SILENCE_RETENTION:
                index.silencer.drop(silence.id)
                ctx.db.execute(delete(tables.silences).where(tables.silences.c.id == silence.id))
        alive = {group.key for group in index.groups.values()}
        for told_key, told in tuple(index.told.items()):
            if told_key[0] not in alive and told.at < ctx.now - TOLD_RETENTION:
                index.set_told(told_key, None)
        index.decisions = {k: v for k, v in index.decisions.items() if k in index.groups}
        _save(ctx, index)
        spans = [rule.window for rule in self.settings.flapping] if self.settings is not None else []
        index.flaps.purge(ctx.now - max(spans, default=0))
        journal.purge(ctx.db, ctx.now - JOURNAL_RETENTION)


def _as_many(groups: list[Group]) -> Iterator[Group]:
    """The first groups, as many as one step is to flush."""
    alerts = 0
    for group in groups:
        alerts += len(group.members)
        if alerts > _MOST_ALERTS:
            return
        yield group


def _flush_soon(ctx: Context, index: Index) -> None:
    """After a reload, what groups have to say is said at once, as in Alertmanager, whose groups begin anew then.

    A group that still waits for its first flush goes on waiting as long as it would have: a reload delays nothing.
    """
    for group in index.groups.values():
        if group.flushed_at is not None and group.next_flush > ctx.now:
            group.next_flush = ctx.now
            index.put_group(group)
            ctx.set_timer(f"{FLUSH}:{group.id}", ctx.now, FLUSH)


def _watch_silences(ctx: Context, index: Index) -> None:
    index.silences_seen_at = ctx.now
    due = suppression.next_change(index, ctx.now)
    if due is not None:
        ctx.set_timer(_SILENCES, due, _SILENCES, durable=False)


def _watch_flaps(ctx: Context, index: Index) -> None:
    due = index.flaps.next_calm()
    if due is not None:
        ctx.set_timer(_FLAPS, max(due, ctx.now), _FLAPS, durable=False)


def _say_ended(ctx: Context, index: Index, alerts: Iterable[Held]) -> None:
    """Tell other rooms of those that have ended; what is damped counts as firing until it flaps no longer."""
    for held in alerts:
        if held.ended and not index.is_damped(held):
            ctx.publish(AlertResolved(held.alert, ctx.now))


def _save(ctx: Context, index: Index) -> None:
    # Touching the database begins a transaction; alerts that are merely sent again need none.
    if index.changes:
        rows.save(ctx.db, index)


def _begun(alert: Alert, now: Ms) -> Alert:
    """An alert whose sender named no start."""
    return dataclasses.replace(alert, starts_at=alert.ends_at if alert.ends_at is not None else now)


def _problem(alert: Alert) -> str:
    """What is wrong with an alert that came through the API, or nothing."""
    if not len(alert.labels):
        return "an alert must have at least one label with a value"
    # All at once: none is broken if the whole is not.
    texts = [text for pair in (*alert.labels, *alert.annotations) for text in pair]
    if not silences.is_text("".join([*texts, alert.generator_url])):
        return f"{alert.labels!r}: a text is not valid UTF-8"
    if alert.ends_at is not None and alert.starts_at and alert.ends_at < alert.starts_at:
        return f"{alert.labels}: the start time must be before the end time"
    return ""
