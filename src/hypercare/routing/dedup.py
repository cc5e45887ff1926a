"""Deduplication: does what is to be told differ from what was told last?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.decision import Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What one integration of a receiver was last told of a group: alerts' fingerprints and when."""

    firing: frozenset[str]
    resolved: frozenset[str]
    at: Ms
    flapping: frozenset[str] = frozenset()


def decide(
    told: Told | None,
    firing: AbstractSet[str],
    resolved: AbstractSet[str],
    *,
    send_resolved: bool,
    repeat_interval: Ms,
    now: Ms,
    flapping: AbstractSet[str] = frozenset(),
) -> Decision:
    """Whether to tell, by the rules of Alertmanager's dedup stage.

    A decision to send with only resolved alerts also holds where ``send_resolved`` is off: the caller then records
    the new state without sending, so that the same alerts are new when they fire again. Ours is ``flapping``: those of
    the firing alerts that are told as flapping, whatever their state.
    """
    if told is None:
        return Decision(send=True, reason=Reason.NEW) if firing else Decision(send=False, reason=Reason.NEVER_NOTIFIED)
    if not flapping <= told.flapping:
        return Decision(send=True, reason=Reason.FLAPPING)
    if (told.flapping - flapping) & (firing | resolved if send_resolved else firing):
        return Decision(send=True, reason=Reason.FLAPPING_ENDED)
    if not firing <= told.firing:
        return Decision(send=True, reason=Reason.NEW_ALERTS)
    if not firing:
        if told.firing:
            return Decision(send=True, reason=Reason.RESOLVED)
        return Decision(send=False, reason=Reason.NEVER_NOTIFIED)
    if send_resolved and not resolved <= told.resolved:
        return Decision(send=True, reason=Reason.RESOLVED)
    if told.at < now - repeat_interval:
        return Decision(send=True, reason=Reason.REPEAT)
    return Decision(send=False, reason=Reason.UNCHANGED)
