"""Building the index from rows, for the tree that applies now."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.events import AlertResolved
from hypercare.routing import flapping, rows
from hypercare.routing.index import Group, Held, Index

if TYPE_CHECKING:
    from hypercare.kernel import Context
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.routing.settings import RoutingSettings
    from hypercare.routing.tree import Route


def places(settings: RoutingSettings, labels: Labels) -> tuple[tuple[Route, Labels, str], ...]:
    """The routes an alert takes, with its group's labels and id on each."""
    found: list[tuple[Route, Labels, str]] = []
    for route in settings.tree.match(labels):
        group_labels = route.group_labels(labels)
        found.append((route, group_labels, route.group_id(group_labels)))
    return tuple(found)


def load(ctx: Context, settings: RoutingSettings, flush_kind: str, *, first: bool) -> Index:
    """Everything that is stored. Groups that the tree does not have any more are dropped, with their timers.

    Args:
        ctx: the step; timers are moved and cancelled through it.
        settings: hold the tree.
        flush_kind: kind of the groups' timers, and the prefix of their keys.
        first: whether this is the first load of the process.

    """
    db = ctx.db
    index = Index(settings.inhibit_rules, rows.load_silences(db))
    index.told = rows.load_told(db)
    index.flaps = flapping.load(db, settings.flapping, ctx.now)
    told_firing = _told_firing(index)
    stored = {row.id: row for row in rows.load_group_rows(db)}
    found: dict[str, Group] = {}
    changed: list[str] = []
    for held in rows.load_alerts(db):
        held.places = places(settings, held.alert.labels)
        if first and _await_again(held, settings, ctx.now):
            changed.append(held.fingerprint)
        index.flaps.adopt(held.fingerprint, held.alert.labels)
        index.put_alert(held)
        for route, labels, group_id in held.places:
            row = stored.get(group_id)
            if row is None:
                continue
            group = found.get(group_id)
            if group is None:
                group = found[group_id] = Group(
                    group_id, row.group_key, route, labels, row.created_at, row.next_flush, row.flushed_at
                )
            # A flush lets go of all alerts that have ended by then, but for those that it tells as flapping; whoever
            # was told of these hears of their end at the first flush at which they flap no longer.
            if (
                not held.ended
                or index.is_damped(held)
                or group.flushed_at is None
                or held.updated_at > group.flushed_at
                or held.fingerprint in told_firing.get(group.key, ())
            ):
                group.members[held.fingerprint] = None
                held.groups[group_id] = None
    # What was just read needs no writing, but for what has changed on the way.
    index.changes.alerts = dict.fromkeys(changed)
    _settle_groups(ctx, index, {i: found.get(i) for i in stored}, flush_kind)
    for held in tuple(index.alerts.values()):
        if not held.ended:
            _note_again(index, held, ctx.now)
        if not held.ended or index.is_damped(held):
            continue
        if held.fingerprint in index.flaps.flapping:
            # It may have been damped until now, by a rule that was taken away: its end is news then.
            ctx.publish(AlertResolved(held.alert, ctx.now))
        if not held.groups:
            index.drop_alert(held)
    return index


def _note_again(index: Index, held: Held, now: Ms) -> None:
    """What fires may have begun again, and nothing has said so yet; if it has, saying it once more does no harm."""
    began = index.flaps.last_change(held.fingerprint)
    groups = [group for group_id in held.groups if (group := index.groups.get(group_id)) is not None]
    flushed = [group.flushed_at for group in groups if group.flushed_at is not None]
    if began is None:
        return
    # Flushes since then have passed over what is held back.
    waits = any(group.route.mute_time_intervals or group.route.active_time_intervals for group in groups)
    if began > min(flushed, default=0) or waits or index.suppression_of(held, now) is not None:
        index.again[held.fingerprint] = began


def _told_firing(index: Index) -> dict[str, frozenset[str]]:
    """By group key, the alerts that some integration was told of as firing."""
    found: dict[str, frozenset[str]] = {}
    for (group_key, _, _), told in index.told.items():
        found[group_key] = found.get(group_key, frozenset()) | told.firing
    return found


def _settle_groups(ctx: Context, index: Index, groups: dict[str, Group | None], flush_kind: str) -> None:
    """Keep the groups that have members, with their timers; forget the others."""
    for group_id, group in groups.items():
        key = f"{flush_kind}:{group_id}"
        if group is None or not group.members:
            ctx.cancel_timer(key)
            index.changes.groups[group_id] = None
            continue
        index.groups[group_id] = group
        # A shorter interval of the new tree applies at once.
        due = ctx.now + (group.route.group_wait if group.flushed_at is None else group.route.group_interval)
        if due < group.next_flush:
            group.next_flush = due
            index.put_group(group)
            ctx.set_timer(key, due, flush_kind)


def _await_again(held: Held, settings: RoutingSettings, now: Ms) -> bool:
    """An alert whose promised end passed while we were not running may well fire on: wait for its sender."""
    ends_at = held.alert.ends_at
    if held.ended or ends_at is None or ends_at > now or held.source == "rules":
        return False
    held.alert = dataclasses.replace(held.alert, ends_at=now + settings.resolve_timeout)
    held.guessed_end = True
    return True
