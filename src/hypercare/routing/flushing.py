"""Carrying out a flush: effects, events, memory of what was told, journal."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from hypercare.channels.notification import Notification
from hypercare.kernel import Effect, payload_text
from hypercare.model.decision import Decision, Reason
from hypercare.model.events import AlertsBeganAgain, GroupNotified
from hypercare.routing import flush as stages
from hypercare.routing.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.kernel import Context
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms
    from hypercare.routing.flush import Flush, Telling
    from hypercare.routing.index import Group, Held, Index
    from hypercare.routing.settings import RoutingSettings


def flush_group(ctx: Context, index: Index, settings: RoutingSettings, group: Group) -> None:
    """Decide about a group, record what follows, and let its ended alerts go."""
    outcome = stages.decide(group, index, settings, ctx.now)
    told_now = [telling for telling in outcome.tellings if telling.alerts]
    for telling in told_now:
        if telling.integration is not None:
            ctx.emit(_effect(ctx, settings, group, telling))
    if told_now:
        ctx.publish(_event(group, told_now, outcome))
    again = _again(index, outcome) if index.again else ()
    if again:
        ctx.publish(AlertsBeganAgain(again))
    _remember(index, settings, group, outcome)
    _note(ctx, index, group, outcome)
    group.flushed_at = ctx.now
    index.put_group(group)
    _release(index, group, outcome.ended)


def _effect(ctx: Context, settings: RoutingSettings, group: Group, telling: Telling) -> Effect:
    integration = telling.integration
    assert integration is not None  # noqa: S101 - the caller checks it
    receiver = group.route.receiver
    notification = Notification(
        receiver=receiver,
        group_key=group.key,
        group_labels=group.labels,
        alerts=telling.alerts,
        now=ctx.now,
        external_url=settings.external_url,
        route_labels=group.route.labels,
        reason=_reason(telling.decision.reason),
    )
    payload = integration.render(notification)
    content = payload_text(payload)
    parts = (group.key, receiver, telling.name, str(ctx.now), content)
    key = hashlib.sha256("\xff".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    subject = f"group:{group.key}"
    # One lane per integration: order is kept, and a channel that is down does not hold up the others.
    lane = f"{subject}|{integration.target}"
    return Effect(key, integration.channel, integration.target, subject, payload, lane, text=content)


def _reason(reason: Reason) -> str:
    # The first one has a name in Alertmanager's templates.
    return "first notification" if reason is Reason.NEW else str(reason)


def _event(group: Group, told_now: list[Telling], outcome: Flush) -> GroupNotified:
    alerts = max((telling.alerts for telling in told_now), key=len)
    # What is told as firing has no end.
    whole = not outcome.ended
    return GroupNotified(
        receiver=group.route.receiver,
        group_key=group.key,
        group_labels=group.labels.pairs,
        firing=alerts if whole else tuple([a for a in alerts if a.ends_at is None]),
        resolved=() if whole else tuple([a for a in alerts if a.ends_at is not None]),
        reason=told_now[0].decision.reason,
    )


def _again(index: Index, outcome: Flush) -> tuple[tuple[Alert, Ms], ...]:
    """Alerts that no stage holds back and that have begun again, and when; each beginning once."""
    passed = {held.fingerprint: held for held in outcome.passed if held.fingerprint in index.again}
    # An end is waited for: what has ended now may begin once more.
    return tuple([(held.alert, index.again.pop(f)) for f, held in passed.items() if not held.ended])


def _remember(index: Index, settings: RoutingSettings, group: Group, outcome: Flush) -> None:
    receiver = group.route.receiver
    for telling in outcome.tellings:
        if telling.told is not None:
            index.set_told((group.key, receiver, telling.name), telling.told)
    # An alert that ended while it was held back leaves without a word. Forget that it was told as firing, or
    # nobody would hear of it when it fires again (Alertmanager waits for the repeat interval there).
    silent = frozenset([h.fingerprint for h in outcome.ended if h.fingerprint in outcome.held_back])
    if not silent:
        return
    for name, _ in stages.integrations_of(settings, receiver):
        key = (group.key, receiver, name)
        told = index.told.get(key)
        if told is not None and told.firing & silent:
            still, flapping = told.firing - silent, told.flapping - silent
            index.set_told(key, dataclasses.replace(told, firing=still, flapping=flapping))


def _note(ctx: Context, index: Index, group: Group, outcome: Flush) -> None:
    journal = Journal(index, group, ctx.now)
    for fingerprint, (stage, decision) in outcome.held_back.items():
        journal.about_alert(fingerprint, stage, decision)
    back = journal.held_back()
    for held in stages.in_order(h for h in outcome.passed if h.fingerprint in back) if back else ():
        journal.about_alert(held.fingerprint, "pass", Decision(send=True, reason=Reason.NEW))
    for telling in outcome.tellings:
        journal.about_integration(telling.name, telling.decision)


def _release(index: Index, group: Group, ended: Iterable[Held]) -> None:
    decisions = index.decisions.get(group.id, {})
    for held in ended:
        group.members.pop(held.fingerprint, None)
        held.groups.pop(group.id, None)
        decisions.pop(("", held.fingerprint), None)
        if not held.groups:
            index.drop_alert(held)
