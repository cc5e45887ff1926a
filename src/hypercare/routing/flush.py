"""A group's flush: which alerts pass which stage, and whom that concerns. Pure: the index is read, not changed."""

from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING

from hypercare.channels.notification import alert_order
from hypercare.model.decision import Decision, Reason
from hypercare.routing import dedup, intervals
from hypercare.routing.dedup import Told
from hypercare.routing.flapping import shown as flapping_alert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms
    from hypercare.routing.index import Group, Held, Index
    from hypercare.routing.settings import Integration, RoutingSettings

_ORDER = operator.attrgetter("order")
NO_INTEGRATION = "none/0"
"""Stands for the integration of a receiver that has none, so that its notifications are deduplicated, too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Telling:
    """What one integration is to hear.

    Attributes:
        name: e.g. ``slack/0``.
        integration: none for a receiver without integrations.
        alerts: to be sent; empty where nothing is.
        told: the new state of its memory, none where it stays as it is.

    """

    name: str
    integration: Integration | None
    decision: Decision
    alerts: tuple[Alert, ...] = ()
    told: Told | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Flush:
    """The outcome of one flush.

    Attributes:
        passed: alerts that no stage held back, in the order in which they came into the group.
        held_back: per alert the stage and decision that did, in notification order.
        tellings: one per integration; none if no alert passed.
        ended: members that have ended; they leave the group.

    """

    passed: tuple[Held, ...]
    held_back: dict[str, tuple[str, Decision]]
    tellings: tuple[Telling, ...]
    ended: tuple[Held, ...]


def integrations_of(settings: RoutingSettings, receiver: str) -> tuple[tuple[str, Integration | None], ...]:
    """Names and integrations of a receiver; a stand-in where it has none."""
    integrations = settings.receivers.get(receiver, ())
    return tuple((i.name, i) for i in integrations) or ((NO_INTEGRATION, None),)


def _suppression(held: Held, index: Index, muted: Decision | None, now: Ms) -> tuple[str, Decision] | None:
    labels = held.alert.labels
    decision = index.inhibitor.decide(labels, now)
    if decision is not None:
        return "inhibit", decision
    if muted is not None:
        return "interval", muted
    decision = index.silencer.decide(held.fingerprint, labels, now)
    return ("silence", decision) if decision is not None else None


def _as_told(passed: list[Held], over: frozenset[str], damped: dict[str, str]) -> tuple[Alert, ...]:
    """In notification order. A firing alert has no end yet; ``damped`` says how often those that flap change."""
    ordered = in_order(passed)
    if not over and not damped:
        return tuple([h.firing or h.as_firing() for h in ordered])
    return tuple([_one_as_told(h, over, damped) for h in ordered])


def _one_as_told(held: Held, over: frozenset[str], damped: dict[str, str]) -> Alert:
    if held.fingerprint in damped:
        return flapping_alert(held.alert, damped[held.fingerprint])
    return held.alert if held.fingerprint in over else held.as_firing()


def in_order(alerts: Iterable[Held]) -> list[Held]:
    """Alerts in notification order; sorting takes long, so only what is told or noted is sorted."""
    found = list(alerts)
    for held in found:
        # Labels never change, so the key is made once: at the flush of a storm there is no time for it.
        if held.order is None:
            held.order = alert_order(held.alert)
    found.sort(key=_ORDER)
    return found


def decide(group: Group, index: Index, settings: RoutingSettings, now: Ms) -> Flush:
    """Send a group's alerts through all stages: inhibition, time intervals, silences, deduplication."""
    route = group.route
    members = [index.alerts[fingerprint] for fingerprint in group.members]
    muted = intervals.decide(route.mute_time_intervals, route.active_time_intervals, settings.intervals, now)
    passed: list[Held] = []
    held_back: dict[str, tuple[str, Decision]] = {}
    # Most of the time nothing holds anybody back, and hundreds of groups with thousands of alerts are due at once.
    quiet = muted is None and index.inhibitor.is_quiet and index.silencer.is_quiet(now)
    for held in () if quiet else members:
        suppression = _suppression(held, index, muted, now)
        if suppression is None:
            passed.append(held)
        else:
            held_back[held.fingerprint] = suppression
    if quiet:
        passed = members
    elif held_back:
        held_back = {h.fingerprint: held_back[h.fingerprint] for h in in_order(members) if h.fingerprint in held_back}
    ended = _ended(members, index, now)
    if index.flaps.flapping:
        # What is told as firing stays, though it may have ended for now.
        damped = index.damped(ended)
        ended = tuple([h for h in ended if h.fingerprint not in damped])
    over = frozenset([h.fingerprint for h in ended])
    tellings = _tellings(group, index, settings, passed, over, now) if passed else ()
    return Flush(tuple(passed), held_back, tellings, ended)


def _ended(members: list[Held], index: Index, now: Ms) -> tuple[Held, ...]:
    """Members that have ended."""
    due = index.next_end()
    # No end has come that is not published yet: to look at the mark is enough, and alerts need not be touched.
    known = due is None or due > now
    return tuple([h for h in members if (h.ended or not known) and h.alert.resolved_at(now)])


def _tellings(
    group: Group, index: Index, settings: RoutingSettings, passed: list[Held], over: frozenset[str], now: Ms
) -> tuple[Telling, ...]:
    """What each integration hears; ``over``: fingerprints of alerts that have ended."""
    # Of hundreds of groups that are due at once nearly all are told whole, and nothing of them has ended.
    telling = frozenset(group.members if len(passed) == len(group.members) else [h.fingerprint for h in passed])
    firing, resolved = (telling - over, telling & over) if over else (telling, over)
    flapping = index.damped(passed)
    damped = {fingerprint: index.flap_text(fingerprint, now) for fingerprint in sorted(flapping)}
    alerts: tuple[Alert, ...] = ()
    receiver = group.route.receiver
    found: list[Telling] = []
    for name, integration in integrations_of(settings, receiver):
        send_resolved = integration.send_resolved if integration else True
        decision = dedup.decide(
            index.told.get((group.key, receiver, name)),
            firing,
            resolved,
            send_resolved=send_resolved,
            repeat_interval=group.route.repeat_interval,
            now=now,
            flapping=flapping,
        )
        if not decision.send:
            found.append(Telling(name, integration, decision))
            continue
        told = Told(firing, resolved, now, flapping)
        alerts = alerts or _as_told(passed, over, damped)
        if send_resolved:
            found.append(Telling(name, integration, decision, alerts, told))
        elif firing:
            still = tuple(a for a in alerts if not a.resolved_at(now))
            found.append(Telling(name, integration, decision, still, told))
        else:
            off = Decision(send=False, reason=Reason.SEND_RESOLVED_OFF, by=name)
            found.append(Telling(name, integration, off, (), told))
    return tuple(found)
