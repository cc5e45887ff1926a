"""A group at work: evaluates its rules in order, and writes what they yield."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.time import MINUTE
from hypercare.promql import PromqlError, Together
from hypercare.rules.alerting import AlertingRule
from hypercare.rules.answers import Question
from hypercare.rules.output import Output
from hypercare.rules.recording import RecordingRule
from hypercare.rules.rule import Outcome, Rule
from hypercare.rules.status import GroupStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.time import Ms
    from hypercare.rules.data import RuleData
    from hypercare.rules.evaluation import Round
    from hypercare.rules.spec import GroupSpec, RuleSpec
    from hypercare.rules.transitions import Changes

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Ticked:
    """What a tick came to, to be taken over once it is committed.

    Attributes:
        outcomes: new ones, by rule; rules that are not named stay as they are.
        changes: of alerts, by rule, in the order of the rules.
        failures: rules that failed.

    """

    outcomes: list[tuple[Rule, Outcome]] = dataclasses.field(default_factory=list)
    changes: list[tuple[AlertingRule, Changes]] = dataclasses.field(default_factory=list)
    failures: int = 0


class Group:
    """A group of rules at work.

    Attributes:
        spec: what it is.
        due: the next evaluation.
        missed: evaluations left out because the loop was late.
        last_evaluation: the scheduled instant of the last one, or none.
        woken: the first evaluation after the last sleep; 0 where there was none.
        together: what its expressions ask for again and again.

    """

    def __init__(self, spec: GroupSpec, outcomes: Mapping[str, Outcome], tsdb: RuleData, now: Ms) -> None:
        self.spec = spec
        self.rules = tuple(_rule(r, outcomes.get(r.key) or Outcome()) for r in spec.rules)
        self.output = Output(tsdb, f"rules/{spec.key}")
        self.together = Together()
        self.due = spec.due(now)
        self.missed = 0
        self.last_evaluation: Ms | None = None
        self.woken: Ms = 0
        self._reads = tuple(
            frozenset(i for i, earlier in enumerate(self.rules[:n]) if rule.may_read(earlier))
            for n, rule in enumerate(self.rules)
        )

    def schedule(self, now: Ms) -> tuple[Ms, int]:
        """The newest evaluation that is due, and how many before it are left out."""
        late = max(0, (now - self.due) // self.spec.interval)
        return self.due + late * self.spec.interval, late

    def slept(self, at: Ms) -> Ms:
        """How long nothing was evaluated before ``at``, if the machine slept (or the loop stood); else 0."""
        if self.last_evaluation is None:
            return 0
        gap = at - self.last_evaluation
        return gap if gap > short_break(self.spec.interval) else 0

    def patience_until(self, since: Ms, patience: Ms) -> Ms:
        """Until when alerts of before a break are kept: two intervals after it, or longer where data may come later."""
        # Expressions see what was scraped only after the query offset.
        return since + self.spec.query_offset + max(2 * self.spec.interval, patience, MINUTE)

    def questions(self, query_at: Ms) -> list[Question]:
        """What another server is to be asked for an evaluation."""
        return [Question(str(rule.expr), query_at) for rule in self.rules if rule.expr is not None]

    @np.errstate(all="ignore")
    def probe(self, tick: Round, patience_until: Ms) -> None:
        """Let questions come up that only show while rules are evaluated; nothing changes."""
        for rule in self.rules:
            if isinstance(rule, AlertingRule) and rule.asks_more:
                with contextlib.suppress(PromqlError):
                    rule.evaluate(tick, self.spec.limit, patience_until)

    @np.errstate(all="ignore")
    def evaluate(self, tick: Round, patience_until: Ms) -> Ticked:
        """Evaluate all rules; their outcomes are to be set by ``take``."""
        result = Ticked()
        pending: set[int] = set()
        for number, rule in enumerate(self.rules):
            if pending and not pending.isdisjoint(self._reads[number]):
                self.output.flush(tick.query_at)
                tick.source.renew()
                pending.clear()
            try:
                done = rule.evaluate(tick, self.spec.limit, patience_until)
            except PromqlError as error:
                result.outcomes.append((rule, rule.outcome.failed(str(error))))
                result.failures += 1
                continue
            except Exception as error:  # noqa: BLE001 - see below
                # The barrier between rules: a fault of ours in one of them must not blind the platform to the others.
                _log.exception("rule %s of group %s failed", rule.spec.name, self.spec.key)
                result.outcomes.append((rule, rule.outcome.failed(f"internal error: {error!r}")))
                result.failures += 1
                continue
            if done is None:
                continue
            if done.outcome.written or rule.outcome.written:
                self.output.add(done.outcome.written, done.values, rule.outcome.written)
                pending.add(number)
            if done.outcome is not rule.outcome:
                result.outcomes.append((rule, done.outcome))
                result.failures += bool(done.outcome.error)
            if done.changes and isinstance(rule, AlertingRule):
                result.changes.append((rule, done.changes))
        self.output.flush(tick.query_at)
        return result

    def take(self, at: Ms, missed: int, ticked: Ticked) -> None:
        """Make a tick's outcomes the rules' state."""
        for rule, outcome in ticked.outcomes:
            rule.outcome = outcome
        self.missed += missed
        if self.slept(at):
            self.woken = at
        self.last_evaluation = at
        self.depart(at)

    def depart(self, at: Ms) -> None:
        """The evaluation of this instant is on its way, done, or left out: the next one is due."""
        self.due = max(self.due, at + self.spec.interval)

    def status(self) -> GroupStatus:
        """The group as pages show it."""
        last = self.last_evaluation
        return GroupStatus(
            name=self.spec.name,
            file=self.spec.file,
            interval=self.spec.interval,
            limit=self.spec.limit,
            query_offset=self.spec.query_offset,
            last_evaluation=last,
            missed=self.missed,
            rules=tuple(rule.status(last) for rule in self.rules),
        )


def short_break(interval: Ms) -> Ms:
    """A break of up to this counts towards ``for``."""
    return max(2 * interval, MINUTE)


def _rule(spec: RuleSpec, outcome: Outcome) -> Rule:
    return AlertingRule(spec, outcome) if spec.alerting else RecordingRule(spec, outcome)
