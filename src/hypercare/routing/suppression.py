"""What holds back alerts that fire, told to the other rooms whenever it changes: silences and inhibition.

Flushes ask the same questions about notifications; this is for what goes on between them, such as escalations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.model.events import SuppressionChanged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.kernel import Context
    from hypercare.model.decision import Decision
    from hypercare.model.time import Ms
    from hypercare.routing.index import Index
    from hypercare.routing.silences import Silence


def judge(ctx: Context, index: Index, fingerprints: Iterable[str] = ()) -> None:
    """Look at some alerts, at those whose inhibiting alerts have changed, and publish what is news.

    An index that was just built looks at all.
    """
    touched = index.inhibitor.take_touched()
    whole = not index.suppression_known
    wanted = index.alerts if whole else dict.fromkeys((*fingerprints, *touched))
    changes: list[tuple[str, Decision | None]] = []
    for fingerprint in wanted:
        held = index.alerts.get(fingerprint)
        # What is damped counts as firing to everybody, though it may have ended for now.
        if held is None or (held.ended and not index.is_damped(held)):
            index.suppressed.pop(fingerprint, None)
            continue
        decision = index.suppression_of(held, ctx.now)
        if decision == index.suppressed.get(fingerprint):
            continue
        changes.append((fingerprint, decision))
        if decision is None:
            del index.suppressed[fingerprint]
        else:
            index.suppressed[fingerprint] = decision
    index.suppression_known = True
    if changes or whole:
        ctx.publish(SuppressionChanged(tuple(changes), whole))


def matching(index: Index, silences: Iterable[Silence]) -> list[str]:
    """Fingerprints of the alerts that any of some silences is about."""
    chosen = tuple(silences)
    return [f for f, held in index.alerts.items() if any(s.matches(held.alert.labels) for s in chosen)]


def changed_between(index: Index, after: Ms, until: Ms) -> list[Silence]:
    """Silences that began or ended in ``after < t <= until``; the last instant of one still counts as silent."""
    changes = ((s, s.next_change(after)) for s in index.silencer.all())
    return [s for s, change in changes if change is not None and change <= until]


def next_change(index: Index, now: Ms) -> Ms | None:
    """When the next silence, or the next window of one, begins or ends."""
    instants = (s.next_change(now) for s in index.silencer.all())
    return min((at for at in instants if at is not None), default=None)
