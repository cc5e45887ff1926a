"""What was to happen against what did."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.time import format_duration
from hypercare.rehearse.stories.reading import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.time import Ms
    from hypercare.rehearse.stories.facts import Fact
    from hypercare.sim.scenario import Expectation


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """One expectation and what became of it.

    Attributes:
        text: the expectation in words.
        found: when such things happened within its time, ms after the start.
        elsewhere: when they happened outside of it.

    """

    text: str
    met: bool
    found: tuple[Ms, ...]
    elsewhere: tuple[Ms, ...]

    @property
    def explanation(self) -> str:
        """What was seen instead, or how often it was seen."""
        if self.found:
            return f"seen {len(self.found)} times, first at {format_duration(self.found[0])}"
        if self.elsewhere:
            return "seen only at " + ", ".join(format_duration(at) for at in self.elsewhere[:5])
        return "never seen"


def judge(expectations: Iterable[Expectation], facts: Iterable[Fact], start: Ms) -> list[Judged]:
    """All expectations, in order."""
    facts = list(facts)
    return [_judge(expectation, facts, start) for expectation in expectations]


def _judge(expectation: Expectation, facts: list[Fact], start: Ms) -> Judged:
    first, last = _span(expectation)
    wanted = _wanted(expectation)
    times = [fact.at - start for fact in facts if _fits(fact, *wanted)]
    found = tuple(at for at in times if first <= at and (last is None or at <= last))
    elsewhere = tuple(at for at in times if at not in found)
    if expectation.never:
        met = not found
    elif expectation.count is None:
        met = bool(found)
    else:
        met = abs(len(found) - expectation.count) <= expectation.tolerance
    return Judged(describe(expectation), met, found, elsewhere)


def _span(expectation: Expectation) -> tuple[Ms, Ms | None]:
    if expectation.at is not None:
        return expectation.at - expectation.within, expectation.at + expectation.within
    return expectation.from_ or 0, expectation.by


def _wanted(expectation: Expectation) -> tuple[str, dict[str, str]]:
    """The kind of the facts, and the fields they must have."""
    person = "person"
    if expectation.page:
        kind, fields = "page.sent", {"person": "" if expectation.page == ANYBODY else expectation.page}
    elif expectation.incident:
        kind, fields, person = f"incident.{expectation.incident}", {}, "by"
    elif expectation.alert:
        kind = "alert.firing" if expectation.state == "firing" else "alert.ended"
        fields = {"alert": expectation.alert}
    elif expectation.notified:
        kind, fields = "group.notified", {"receiver": expectation.notified}
    elif expectation.verdict:
        kind, fields = "deploy.changed", {"verdict": expectation.verdict}
    else:
        kind, fields = expectation.event, {}
    fields |= {"service": expectation.service, "severity": expectation.severity, **expectation.where}
    if expectation.person:
        fields[person] = expectation.person
    return kind, {name: value for name, value in fields.items() if value}


def _fits(fact: Fact, kind: str, fields: dict[str, str]) -> bool:
    return fact.kind == kind and all(fact.get(name) == value for name, value in fields.items())


def describe(expectation: Expectation) -> str:
    """In words."""
    kind, fields = _wanted(expectation)
    what = kind + "".join(f" {name}={value}" for name, value in fields.items())
    if expectation.never:
        what = f"never {what}"
    elif expectation.count is not None:
        more = f" (+-{expectation.tolerance})" if expectation.tolerance else ""
        what = f"{expectation.count}{more} times {what}"
    if expectation.at is not None:
        return f"{what} at {format_duration(expectation.at)} (+-{format_duration(expectation.within)})"
    first = f" from {format_duration(expectation.from_)}" if expectation.from_ is not None else ""
    last = f" by {format_duration(expectation.by)}" if expectation.by is not None else ""
    return what + first + last
