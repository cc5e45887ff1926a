"""What a schedule that is being written would do, before anybody keeps it: shifts, who gains and loses them, gaps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.time import MINUTE, WEEK
from hypercare.oncall.coverage import coverage
from hypercare.oncall.render import render
from hypercare.oncall.turns import common, outside, union

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.coverage import Gap, Overlap
    from hypercare.oncall.plan import Plan
    from hypercare.oncall.render import Duty
    from hypercare.oncall.turns import Span

SPAN: Final[Ms] = 4 * WEEK


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """What is different for one person; the spans are in order, and hold ``start <= t < end``.

    Attributes:
        gains: when they would be on call and are not now.
        loses: when they are on call now and would not be.

    """

    person: str
    gains: tuple[Span, ...]
    loses: tuple[Span, ...]

    @property
    def more(self) -> Ms:
        """How much longer they would be on call; negative: how much shorter."""
        return sum(end - start for start, end in self.gains) - sum(end - start for start, end in self.loses)


@dataclasses.dataclass(frozen=True, slots=True)
class Outlook:
    """A schedule within ``from_at <= t < until``.

    Attributes:
        duties: who would be on call.
        moved: against now; of a new schedule everybody gains.
        gaps: where nobody reachable would be.
        overlaps: where somebody would be on call in another schedule, too.
        console_only: whom only the console of hypercare itself calls.

    """

    schedule: str
    from_at: Ms
    until: Ms
    duties: tuple[Duty, ...]
    moved: tuple[Moved, ...]
    gaps: tuple[Gap, ...]
    overlaps: tuple[Overlap, ...]
    console_only: tuple[str, ...]


def outlook(now: Plan, then: Plan, name: str, start: Ms, end: Ms) -> Outlook:
    """Compare two plans over a span.

    Args:
        now: what applies.
        then: what would; it has the schedule ``name``.
        name: of the schedule that is looked at.
        start: rounded down to the minute.
        end: excluded.

    """
    start -= start % MINUTE
    before, after = _duties(now, name, start, end), _duties(then, name, start, end)
    found = coverage(then, start, end)
    on_duty = {duty.person for duty in after}
    return Outlook(
        name,
        start,
        end,
        after,
        _moved(before, after),
        tuple(gap for gap in found.gaps if gap.schedule == name),
        tuple(overlap for overlap in found.overlaps if name in overlap.schedules),
        tuple(person for person in found.console_only if person in on_duty),
    )


def _duties(plan: Plan, name: str, start: Ms, end: Ms) -> tuple[Duty, ...]:
    schedule = plan.schedule(name)
    return () if schedule is None else render(schedule, start, end)


def _moved(before: tuple[Duty, ...], after: tuple[Duty, ...]) -> tuple[Moved, ...]:
    found: list[Moved] = []
    for person in sorted({duty.person for duty in (*before, *after)}):
        had = union((d.start, d.end) for d in before if d.person == person)
        has = union((d.start, d.end) for d in after if d.person == person)
        gains, loses = _less(has, had), _less(had, has)
        if gains or loses:
            found.append(Moved(person, gains, loses))
    return tuple(found)


def _less(spans: list[Span], taken: list[Span]) -> tuple[Span, ...]:
    """The parts of spans that lie outside of others; each a union."""
    return tuple(common(spans, outside(taken, spans[0][0], spans[-1][1]))) if spans else ()
