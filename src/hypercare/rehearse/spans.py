"""From single steps of alerts to their stories: pending from when to when, firing until when, how often, how long."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.time import MINUTE
from hypercare.rules.transitions import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.rehearse.backtest import Step
    from hypercare.rules.alerting import AlertingRule

AGAIN: Final[Ms] = 15 * MINUTE
"""Who fires again this soon after the end flaps."""


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """One story of one alert.

    Attributes:
        labels: the alert's.
        value: the expression's when it began to fire, or to be pending.
        pending_at: when the expression first yielded it.
        fired_at: none where it never fired.
        ended_at: when it was resolved, or no longer pending; none where it lasted beyond the last instant.

    """

    labels: Labels
    value: float
    pending_at: Ms
    fired_at: Ms | None = None
    ended_at: Ms | None = None

    def firing_for(self, start: Ms, end: Ms) -> Ms:
        """How long it fired between two instants."""
        if self.fired_at is None:
            return 0
        return max(0, min(end, end if self.ended_at is None else self.ended_at) - max(start, self.fired_at))


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """All that an alerting rule did between two instants.

    Attributes:
        rule: which.
        number: its place among all rules.
        spans: that reach into the time, by beginning.
        start, end: the time.

    """

    rule: AlertingRule
    number: int
    spans: tuple[Span, ...]
    start: Ms
    end: Ms

    @property
    def fired(self) -> int:
        """How often it began to fire within the time, or fired already at its beginning."""
        return sum(span.fired_at is not None for span in self.spans)

    @property
    def only_pending(self) -> int:
        """How often it was pending and never fired."""
        return sum(span.fired_at is None for span in self.spans)

    @property
    def total(self) -> Ms:
        """Time of firing, of all instances together."""
        return sum(span.firing_for(self.start, self.end) for span in self.spans)

    @property
    def longest(self) -> Ms:
        """The longest time of firing at a stretch."""
        return max((span.firing_for(self.start, self.end) for span in self.spans), default=0)

    @property
    def instances(self) -> int:
        """How many label sets fired."""
        return len({span.labels for span in self.spans if span.fired_at is not None})

    @property
    def flaps(self) -> int:
        """How often it fired again soon after it had ended."""
        ended: dict[Labels, Ms] = {}
        count = 0
        for span in self.spans:
            if span.fired_at is None:
                continue
            before = ended.get(span.labels)
            count += before is not None and span.fired_at - before <= AGAIN
            if span.ended_at is not None:
                ended[span.labels] = span.ended_at
        return count


def stories(rules: Sequence[tuple[int, AlertingRule]], steps: Iterable[Step], start: Ms, end: Ms) -> tuple[Story, ...]:
    """The story of each alerting rule.

    Args:
        rules: with their numbers.
        steps: in order of time, from before ``start`` on.
        start: what ended before it is left out.
        end: the last instant.

    """
    open_: dict[tuple[str, Labels], Span] = {}
    done: dict[str, list[Span]] = {}
    for step in steps:
        key = (step.rule.spec.key, step.alert.labels)
        alert = step.alert
        if step.change is Change.PENDING:
            open_[key] = Span(alert.labels, alert.value, step.at)
        elif step.change is Change.FIRED:
            before = open_.get(key) or Span(alert.labels, alert.value, step.at)
            open_[key] = dataclasses.replace(before, fired_at=step.at, value=alert.value)
        elif step.change in {Change.RESOLVED, Change.CALMED}:
            span = open_.pop(key, None)
            if span is not None and step.at > start:
                done.setdefault(step.rule.spec.key, []).append(dataclasses.replace(span, ended_at=step.at))
    for (rule, _), span in open_.items():
        done.setdefault(rule, []).append(span)
    return tuple(
        Story(
            rule,
            number,
            tuple(sorted(done.get(rule.spec.key, ()), key=lambda s: (s.pending_at, s.labels.pairs))),
            start,
            end,
        )
        for number, rule in rules
    )
