"""How the load is shared: hours, nights, weekends and pages of each person."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hypercare.kernel.tables import outbox
from hypercare.oncall.plan import Window
from hypercare.oncall.render import render
from hypercare.oncall.turns import common, length, union, windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan
    from hypercare.oncall.turns import Span

NIGHT: Final = Window(start=22 * 60, end=(24 + 7) * 60)
"""22:00 to 07:00 on the clock of the person."""
WEEKEND: Final = Window(days=(5,), end=48 * 60)
"""Saturday and Sunday on the calendar of the person."""


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """What one person carries; lengths in ms, an hour in two schedules at once counts once.

    Attributes:
        shifts: how many begin in the span or run at its beginning.
        share: of all the time that anybody has, 0 to 1.
        pages: how often they were paged; several contact ways at once are one page.

    """

    person: str
    shifts: int
    time: Ms
    night: Ms
    weekend: Ms
    share: float
    pages: int


def fairness(plan: Plan, start: Ms, end: Ms, pages: Mapping[str, int], only: str = "") -> tuple[Share, ...]:
    """Everybody's load within a span, the largest first; people with none included.

    Args:
        plan: people and schedules.
        start: of the span.
        end: of the span, excluded.
        pages: of each person, as ``pages_of`` counts them.
        only: look at this schedule; empty: at all.

    """
    held: dict[str, list[Span]] = {person.name: [] for person in plan.people}
    for schedule in plan.schedules:
        if only in {"", schedule.name}:
            for duty in render(schedule, start, end):
                held.setdefault(duty.person, []).append((duty.start, duty.end))
    spans = {name: union(of) for name, of in held.items()}
    whole = sum(length(of) for of in spans.values())
    found: list[Share] = []
    for name, of in spans.items():
        person = plan.person(name)
        zone = person.timezone if person else "UTC"
        night, weekend = (length(common(of, windows((kind,), zone, start, end))) for kind in (NIGHT, WEEKEND))
        time = length(of)
        found.append(
            Share(name, len(held[name]), time, night, weekend, time / whole if whole else 0.0, pages.get(name, 0))
        )
    return tuple(sorted(found, key=lambda share: (-share.time, share.person)))


def pages_of(db: Connection, start: Ms, end: Ms) -> dict[str, int]:
    """How often each person was paged within a span."""
    c = outbox.c
    query = select(c.target, c.subject, c.created_at).where(
        c.target.like("person/%"), c.created_at >= start, c.created_at < end
    )
    seen = {(str(target).split("/", 1)[1].rpartition("/")[0], subject, at) for target, subject, at in db.execute(query)}
    found: dict[str, int] = {}
    for person, _, _ in sorted(seen):
        found[person] = found.get(person, 0) + 1
    return found
