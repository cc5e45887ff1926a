"""A backtest's result in one piece: what text, page and JSON are made from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import format_duration, format_rfc3339
from hypercare.promql.limits import Limits
from hypercare.rehearse.routes import by_alert
from hypercare.rules.alerting import AlertingRule

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.rehearse.backtest import Backtest, Played
    from hypercare.rehearse.history import Coverage
    from hypercare.rehearse.needs import Need
    from hypercare.rehearse.routes import Tally, Told
    from hypercare.rehearse.spans import Story


_TOLERANCE: Final = Limits().lookback


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """A selector that has no data, or not for the whole time.

    Attributes:
        since, until: what there is; none: nothing.

    """

    selector: str
    since: Ms | None
    until: Ms | None
    rules: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Routed:
    """What the routes did.

    Attributes:
        assumption: about people's acknowledgements, in words.

    """

    told: tuple[Told, ...]
    tallies: tuple[Tally, ...]
    assumption: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        source: where the history comes from.
        evaluated: the first and the last instant of evaluations: some time before ``start`` to know what was pending
            then, and only where the source has data; none: nowhere.
        routed: none where no configuration was given.

    """

    source: str
    files: tuple[str, ...]
    start: Ms
    end: Ms
    evaluated: tuple[Ms, Ms] | None
    backtest: Backtest
    played: Played
    stories: tuple[Story, ...]
    coverage: tuple[Coverage, ...]
    gaps: tuple[Gap, ...]
    samples: int
    routed: Routed | None = None

    @property
    def has_data(self) -> bool:
        """Whether the source has anything of this time."""
        return self.evaluated is not None and self.evaluated[1] > self.start

    @property
    def unknown(self) -> tuple[tuple[Ms, Ms], ...]:
        """Parts of the time that the source has nothing of."""
        if self.evaluated is None:
            return ((self.start, self.end),)
        first, last = self.evaluated
        before = ((self.start, first),) if first > self.start + _TOLERANCE else ()
        after = ((last, self.end),) if last < self.end - _TOLERANCE else ()
        return before + after

    def no_data_for(self, number: int) -> tuple[str, ...]:
        """Selectors of a rule that found nothing at all."""
        name = self.backtest.rules[number].spec.key
        return tuple(gap.selector for gap in self.gaps if gap.since is None and name in gap.rules)

    def as_json(self) -> dict[str, Any]:
        """For machines; instants in RFC 3339, durations in seconds."""
        notified = by_alert(self.routed.told) if self.routed else {}
        return {
            "source": self.source,
            "files": list(self.files),
            "from": format_rfc3339(self.start),
            "to": format_rfc3339(self.end),
            "no_data": [[format_rfc3339(low), format_rfc3339(high)] for low, high in self.unknown],
            "samples": self.samples,
            "evaluations": self.played.evaluations,
            "has_data": self.has_data,
            "coverage": [_coverage(each) for each in self.coverage],
            "alerts": [self._story(story, notified) for story in self.stories],
            "recordings": [
                {"name": rule.spec.name, "series": len(self.played.recorded.get(number, ())), **self._errors(number)}
                for number, rule in enumerate(self.backtest.rules)
                if not isinstance(rule, AlertingRule)
            ],
            "notifications": self._routed(),
        }

    def _errors(self, number: int) -> dict[str, Any]:
        failed = self.played.failures.get(number)
        if failed is None:
            return {"failed_evaluations": 0}
        at, text = failed.first
        return {"failed_evaluations": failed.count, "first_failure": {"at": format_rfc3339(at), "error": text}}

    def _story(self, story: Story, notified: dict[str, tuple[int, int, int]]) -> dict[str, Any]:
        spec = story.rule.spec
        notes, pages, nights = notified.get(spec.name, (0, 0, 0))
        told = {"notifications": notes, "pages": pages, "at_night": nights} if self.routed else {}
        return {
            "alert": spec.name,
            "expr": spec.expr,
            "for": spec.hold / 1000,
            "keep_firing_for": spec.keep / 1000,
            "fired": story.fired,
            "only_pending": story.only_pending,
            "instances": story.instances,
            "total_seconds": story.total / 1000,
            "longest_seconds": story.longest / 1000,
            "flaps": story.flaps,
            "no_data_for": list(self.no_data_for(story.number)),
            **told,
            **self._errors(story.number),
            "spans": [
                {
                    "labels": span.labels.as_dict(),
                    "value": repr(span.value),
                    "pending": format_rfc3339(span.pending_at),
                    "firing": None if span.fired_at is None else format_rfc3339(span.fired_at),
                    "ended": None if span.ended_at is None else format_rfc3339(span.ended_at),
                }
                for span in story.spans
            ],
        }

    def _routed(self) -> dict[str, Any] | None:
        if self.routed is None:
            return None
        return {
            "assumption": self.routed.assumption,
            "by": [{**dataclasses.asdict(tally), "hours": list(tally.hours)} for tally in self.routed.tallies],
            "all": [
                {
                    "at": format_rfc3339(told.at),
                    "local": told.local.isoformat(timespec="seconds"),
                    "kind": told.kind,
                    "who": told.who,
                    "alerts": list(told.alerts),
                    "firing": told.firing,
                    "resolved": told.resolved,
                    "night": told.at_night,
                    "channel": told.channel,
                    "step": told.step,
                }
                for told in self.routed.told
            ],
        }


def _coverage(each: Coverage) -> dict[str, Any]:
    return {
        "selector": each.selector,
        "series": each.series,
        "samples": each.samples,
        "first": None if each.first is None else format_rfc3339(each.first),
        "last": None if each.last is None else format_rfc3339(each.last),
    }


def gaps_of(
    backtest: Backtest, wanted: tuple[Need, ...], coverage: tuple[Coverage, ...], start: Ms, end: Ms
) -> tuple[Gap, ...]:
    """Selectors without data, or with data for a part of the time only.

    A selector that only finds what the rules record themselves needs none from the past.
    """
    known = {each.selector: each for each in coverage}
    found: list[Gap] = []
    for need in wanted:
        each = known[need.text]
        readers = tuple(
            rule.spec.key
            for rule in backtest.rules
            if rule.expr is not None and any(n.text == need.text for n in backtest.reads(rule))
        )
        if each.first is None or each.last is None:
            if not backtest.feeds(need):
                found.append(Gap(need.text, None, None, readers))
            continue
        late, early = each.first > start + _TOLERANCE, each.last < end - _TOLERANCE
        if late or early:
            found.append(Gap(need.text, each.first, each.last, readers))
    return tuple(found)


def assumption(ack_after: Ms | None) -> str:
    """What is taken for granted about people."""
    if ack_after is None:
        return "nobody acknowledges: every escalation runs to its end"
    return f"somebody acknowledges {format_duration(ack_after)} after the first page of an incident"
