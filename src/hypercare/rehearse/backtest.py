"""Rules over history: the server's own groups tick under virtual time, over samples that were brought into memory.

What an expression yields is computed over whole spans where that cannot differ from instant to instant
(``needs.order``); the states of alerts advance tick by tick in any case, by the same objects as in the server.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql import Engine, PromqlError, VectorSelector
from hypercare.rehearse.answered import Stretch
from hypercare.rehearse.needs import Placed, asked_by, needs, order
from hypercare.rehearse.recorded import Sheet, Sheets
from hypercare.rehearse.store import Part, Silent, Stage
from hypercare.rules.alerting import AlertingRule
from hypercare.rules.answers import OwnSource
from hypercare.rules.evaluation import Round
from hypercare.rules.group import Group
from hypercare.rules.news import news_of
from hypercare.rules.rule import OK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.rehearse.needs import Need
    from hypercare.rules.answers import Source
    from hypercare.rules.rule import Rule
    from hypercare.rules.spec import GroupSpec, Surroundings
    from hypercare.rules.transitions import Active, Change

_STRETCH: Final = 2_000
"""Ticks evaluated at once: bounds the memory, and costs one look at a long range more a stretch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What happened to an alert."""

    at: Ms
    rule: AlertingRule
    change: Change
    alert: Active


@dataclasses.dataclass(slots=True)
class Failures:
    """Evaluations of a rule that failed.

    Attributes:
        first: instant and words of the first one.

    """

    rule: Rule
    count: int = 0
    first: tuple[Ms, str] = (0, "")


@dataclasses.dataclass(slots=True)
class Played:
    """All that came of a backtest.

    Attributes:
        steps: in order of time, at one instant in order of the rules.
        news: what routing is told, by instant, in order of time.
        failures: of rules that failed, by number of the rule.
        recorded: series by number of the recording rule.
        ticks: evaluations of groups; ``evaluations`` of rules.

    """

    steps: list[Step] = dataclasses.field(default_factory=list)
    news: list[tuple[Ms, tuple[Alert, ...]]] = dataclasses.field(default_factory=list)
    failures: dict[int, Failures] = dataclasses.field(default_factory=dict)
    recorded: dict[int, tuple[Labels, ...]] = dataclasses.field(default_factory=dict)
    ticks: int = 0
    evaluations: int = 0


class Backtest:
    """A run of rule groups from one instant to another.

    Args:
        specs: the groups, in reading order.
        around: external labels and the like.
        exact: evaluate every expression instant by instant, however long it takes.

    Attributes:
        rules: all rules, in reading order.

    """

    def __init__(self, specs: Sequence[GroupSpec], around: Surroundings, *, exact: bool = False) -> None:
        self._specs = tuple(specs)
        self._around = around
        self._exact = exact
        self._engine = Engine()
        # Only to know the rules: those that run are made anew at each start.
        self._groups = [Group(spec, {}, Stage(), 0) for spec in specs]
        self.rules: tuple[Rule, ...] = tuple(rule for group in self._groups for rule in group.rules)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What is to be brought from the past."""
        return needs(self.rules)

    @property
    def warm_up(self) -> Ms:
        """How long before the first instant of interest to begin, so that what was pending or firing then is known."""
        longest = max((spec.interval for spec in self._specs), default=0)
        return max((rule.spec.hold + rule.spec.keep for rule in self.rules), default=0) + 2 * longest

    def reads(self, rule: Rule) -> tuple[Need, ...]:
        """What one of the rules reads."""
        return needs((rule,))

    def is_read(self, writer: Rule) -> bool:
        """Whether one of the rules may read what one of them writes."""
        selectors = (VectorSelector("", need.matchers) for need in self.needs)
        return any(writer.writes_to(selector) for selector in selectors) or not all(
            asked_by(rule).all for rule in self.rules
        )

    def feeds(self, need: Need) -> bool:
        """Whether one of the rules may write what is needed."""
        selector = VectorSelector("", need.matchers)
        return any(rule.writes_to(selector) for rule in self.rules)

    def writes(self, labels: Labels) -> bool:
        """Whether a series is one that these rules write."""
        return any(_writes(rule, labels) for rule in self.rules)

    def play(
        self, given: SampleSource, start: Ms, end: Ms, progress: Callable[[float], None] = lambda _: None
    ) -> Played:
        """Let time pass from ``start`` to ``end``.

        Args:
            given: the past.
            start: evaluations begin at the first tick at or after it.
            end: the last instant.
            progress: is told the share that is done.

        """
        sheets = Sheets()
        stage = Stage(given, sheets)
        placed = self._placed()
        stages = [(tuple(placed), True)] if self._exact else order(placed)
        played = Played()
        lines = [_Line(self, part, slow, stage, sheets, played, start, end) for part, slow in stages if part]
        span = _STRETCH * min((spec.interval for spec in self._specs), default=1)
        at = start
        while at <= end:
            until = min(at + span - 1, end)
            for line in lines:
                line.run(at, until)
            at = until + 1
            progress((at - start) / (end - start + 1))
        _settle(played)
        return played

    def _placed(self) -> list[Placed]:
        placed: list[Placed] = []
        for spec, group in zip(self._specs, self._groups, strict=True):
            placed += [Placed(rule, spec, len(placed) + i) for i, rule in enumerate(group.rules)]
        return placed

    @property
    def around(self) -> Surroundings:
        """External labels and the like."""
        return self._around

    @property
    def engine(self) -> Engine:
        """Evaluates."""
        return self._engine


def _writes(rule: Rule, labels: Labels) -> bool:
    if isinstance(rule, AlertingRule):
        return labels.name in {"ALERTS", "ALERTS_FOR_STATE"} and labels.get("alertname") == rule.spec.name
    return labels.name == rule.spec.name and all(labels.get(name) == value for name, value in rule.spec.labels)


def _settle(played: Played) -> None:
    """Bring what the lines noted one after the other into the order of time."""
    played.steps.sort(key=lambda step: step.at)
    together: dict[Ms, list[Alert]] = {}
    for at, alerts in sorted(played.news, key=lambda item: item[0]):
        together.setdefault(at, []).extend(alerts)
    played.news = [(at, tuple(alerts)) for at, alerts in together.items()]


class _Line:
    """Rules that run together: one at a stretch, or several instant by instant."""

    def __init__(
        self,
        test: Backtest,
        rules: tuple[Placed, ...],
        slow: bool,  # noqa: FBT001 - a row of ``order``
        stage: Stage,
        sheets: Sheets,
        played: Played,
        start: Ms,
        end: Ms,
    ) -> None:
        self._test = test
        self._stage = stage
        self._played = played
        self._numbers = {rule.rule.spec.key: rule.number for rule in rules}
        specs: dict[str, GroupSpec] = {}
        for each in rules:
            known = specs.get(each.group.key)
            before = known.rules if known is not None else ()
            specs[each.group.key] = dataclasses.replace(each.group, rules=(*before, each.rule.spec))
        # The states of alerts are series, too; mostly nobody reads them.
        unread = not slow and isinstance(rules[0].rule, AlertingRule) and not test.is_read(rules[0].rule)
        data = (Silent if unread else Part)(stage, str(rules[0].number))
        self._groups = [Group(spec, {}, data, start) for spec in specs.values()]
        self._start = start
        self._slow = slow
        self._sheet: Sheet | None = None
        group = self._groups[0]
        if not slow and not isinstance(group.rules[0], AlertingRule):
            ticks = np.arange(group.due, end + 1, group.spec.interval, dtype=np.int64)
            self._sheet = Sheet(ticks - group.spec.query_offset)
            sheets.all.append(self._sheet)

    def run(self, at: Ms, until: Ms) -> None:
        """Evaluate all ticks of a span."""
        if self._slow:
            self._instants(at, until)
            return
        group = self._groups[0]
        ticks = np.arange(group.spec.due(at), until + 1, group.spec.interval, dtype=np.int64)
        if len(ticks):
            self._played.ticks += len(ticks)
            self._played.evaluations += len(ticks)
            self._stretch(group, ticks)

    def _stretch(self, group: Group, ticks: Ints) -> None:
        rule, offset = group.rules[0], group.spec.query_offset
        self._stage.until = int(ticks[-1])
        assert rule.expr is not None  # noqa: S101 - what is not valid goes instant by instant
        first, last = int(ticks[0]) - offset, int(ticks[-1]) - offset
        try:
            result = self._test.engine.range(self._stage.snapshot(), rule.expr, first, last, group.spec.interval)
        except PromqlError:
            # At one of the instants, not at all of them.
            self._one_by_one(group, ticks)
            return
        if result.histograms:
            self._one_by_one(group, ticks)
            return
        if self._sheet is not None:
            series = _named(rule, result.labels, group.spec.limit)
            if series is None:
                self._one_by_one(group, ticks)
                return
            self._sheet.write(series, result.values, result.present)
            rule.outcome = dataclasses.replace(rule.outcome, health=OK)
            key = self._numbers[rule.spec.key]
            self._played.recorded[key] = tuple(dict.fromkeys((*self._played.recorded.get(key, ()), *series)))
            return
        stretch = Stretch(result)
        for column, at in enumerate(ticks.tolist()):
            outcome = rule.outcome
            if stretch.anything[column] or outcome.active or outcome.written or outcome.health != OK:
                stretch.column = column
                self._tick(group, stretch, at)

    def _one_by_one(self, group: Group, ticks: Ints) -> None:
        rule = group.rules[0]
        if self._sheet is not None:
            rule.outcome = dataclasses.replace(rule.outcome, written=self._sheet.alive)
        for at in ticks.tolist():
            self._stage.until = at
            self._tick(group, OwnSource(self._test.engine, self._stage), at)
            self._note_recorded(rule)
        if self._sheet is not None:
            # These rows are in the store; the sheet goes on behind them.
            self._sheet.skip(len(ticks), rule.outcome.written)

    def _instants(self, at: Ms, until: Ms) -> None:
        due = [(t, n) for n, g in enumerate(self._groups) for t in range(g.spec.due(at), until + 1, g.spec.interval)]
        for now, number in sorted(due):
            group = self._groups[number]
            self._stage.until = now
            self._played.ticks += 1
            self._played.evaluations += len(group.rules)
            self._tick(group, OwnSource(self._test.engine, self._stage), now)
            for rule in group.rules:
                self._note_recorded(rule)

    def _note_recorded(self, rule: Rule) -> None:
        if isinstance(rule, AlertingRule):
            return
        key = self._numbers[rule.spec.key]
        known = self._played.recorded.get(key, ())
        if not set(rule.outcome.written) <= set(known):
            self._played.recorded[key] = tuple(dict.fromkeys((*known, *rule.outcome.written)))

    def _tick(self, group: Group, source: Source, at: Ms) -> None:
        around = self._test.around
        ticked = group.evaluate(Round(source, at, group.spec.query_offset, around, self._start), at)
        for rule, outcome in ticked.outcomes:
            if outcome.error and outcome is not rule.outcome:
                self._failed(rule, at, outcome.error)
        group.take(at, 0, ticked)
        for rule, changes in ticked.changes:
            self._played.steps += [Step(at, rule, change, alert) for change, alert in changes]
            news = tuple(news_of(rule, changes, around, at))
            if news:
                self._played.news.append((at, news))

    def _failed(self, rule: Rule, at: Ms, error: str) -> None:
        number = self._numbers[rule.spec.key]
        known = self._played.failures.setdefault(number, Failures(rule))
        known.count += 1
        if known.count == 1 or at < known.first[0]:
            known.first = (at, error)


def _named(rule: Rule, labels: tuple[Labels, ...], limit: int) -> tuple[Labels, ...] | None:
    """The series that a recording rule writes for elements; none where single instants may fail."""
    given = {**dict(rule.spec.labels), "__name__": rule.spec.name}
    series = tuple(each.with_(given) for each in labels)
    if len(set(series)) < len(series) or 0 < limit < len(series):
        return None
    return series
