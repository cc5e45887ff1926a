"""What lasts and what decided, in words for the journal and for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.judge.findings import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.deploys.observation import Observation
    from hypercare.judge.verdict import Outcome


def lasting(observed: Observation) -> str:
    """What lasts now, in words."""
    found = {k.check: str(k.level) for k in observed.book.kept if k.until is None and k.level is not Level.NOTE}
    return ", ".join(f"{check} {level}" for check, level in found.items()) or "nothing is wrong"


def because_of(outcomes: Sequence[Outcome]) -> str:
    """Outcomes that decided a verdict, in a sentence."""
    named = [f"{o.name} ({o.reason})" for o in outcomes[:5]]
    more = f" and {len(outcomes) - 5} more" if len(outcomes) > 5 else ""
    return "; ".join(named) + more
