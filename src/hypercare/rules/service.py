"""Rules as a part of the kernel's loop: timers of groups, stored alerts, news for routing.

After a restart the stored alerts are there at once. A firing alert keeps the time at which it began. It is not resolved
before its data may have come again (``Group.patience_until``), unless its rule is gone. A pending alert goes on where
it was if the outage was short, else the outage does not count towards ``for``; it is over as soon as new data do not
bear it out (``evidence.py``). A machine that slept is treated in the same way when it wakes up.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.alerts import AlertState
from hypercare.model.events import AlertsReceived
from hypercare.model.time import TOGETHER, Ms
from hypercare.rules import store
from hypercare.rules.alerting import AlertingRule, public_labels, to_alert
from hypercare.rules.answers import GivenSource, OwnSource
from hypercare.rules.evaluation import Round
from hypercare.rules.flight import MOST_TURNS, Answered, Flight
from hypercare.rules.group import Group, short_break
from hypercare.rules.news import news_of
from hypercare.rules.output import Output
from hypercare.rules.rule import Outcome
from hypercare.rules.spec import Surroundings, groups_of, surroundings_of
from hypercare.rules.status import RulesSnapshot
from hypercare.rules.store import Stored
from hypercare.rules.transitions import Change, after_break

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.alerts import Alert
    from hypercare.promql import Engine
    from hypercare.rules.answers import Elsewhere, Question, Source
    from hypercare.rules.group import Ticked
    from hypercare.rules.spec import GroupSpec
    from hypercare.rules.transitions import Active
    from hypercare.tsdb import Tsdb

_TICK: Final = "rules.tick"
_PATIENCE: Final = 4
"""The part of an interval for which an evaluation waits for answers at most."""
_LOOK_AGAIN: Final[Ms] = 10
_ENDED: Final = frozenset((Change.RESOLVED, Change.CALMED))


class RulesService:
    """Evaluates all rule groups.

    Args:
        tsdb: read, and written to in the kernel's thread only.
        engine: evaluates expressions.

    Attributes:
        evaluations: of rules, since the start.
        failures: evaluations that failed.
        missed: ticks of groups left out because the loop was late.

    """

    def __init__(self, tsdb: Tsdb, engine: Engine) -> None:
        self._tsdb = tsdb
        self._engine = engine
        self._groups: dict[str, Group] = {}
        self._around = Surroundings()
        self._started: Ms | None = None
        # Whether the rows of alerts are ours: a stand-by evaluates, too, but the leader's rows are what was told.
        self._leads = False
        self._refused = 0
        self._elsewhere: Elsewhere | None = None
        self._post: Callable[[object], None] | None = None
        self._flights: dict[str, Flight] = {}
        self._under_way: Callable[[], bool] = lambda: False
        self.evaluations = 0
        self.failures = 0
        self.missed = 0

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_TICK, self._on_tick)
        kernel.on_message(Answered, self._on_answers)
        self._post = kernel.post

    def wait_for(self, under_way: Callable[[], bool]) -> None:
        """Have groups of an interval of seconds wait a little while answers to scrapes are under way."""
        self._under_way = under_way

    def ask(self, elsewhere: Elsewhere | None) -> None:
        """Have expressions answered by another server from the next evaluation on; none: by the embedded engine."""
        if elsewhere is not self._elsewhere:
            self._elsewhere = elsewhere
            # Whatever is still answered there is not waited for.
            self._flights.clear()

    def configure(self, ctx: Context, config: Config) -> None:
        """Run the groups of a configuration; those that it leaves alone go on as they are."""
        self.apply(ctx, groups_of(config), surroundings_of(config))

    @property
    def snapshot(self) -> RulesSnapshot:
        """All groups as they are; from any thread."""
        return RulesSnapshot(tuple(group.status() for group in self._groups.values()))

    @property
    def refused(self) -> int:
        """Samples that the store did not take since the start."""
        return self._refused + sum(group.output.refused for group in self._groups.values())

    # -- configuration -------------------------------------------------------------------------------------------

    def apply(self, ctx: Context, specs: Iterable[GroupSpec], around: Surroundings) -> None:
        """Run exactly these groups; rules that stay keep their alerts, those of the others are resolved."""
        # Rules keep what they rendered for as long as these are the very same.
        around = self._around if around == self._around else around
        taking_over = ctx.leads and not self._leads
        stored = self._stored(ctx, anew=taking_over)
        outcomes = {rule.spec.key: rule.outcome for group in self._groups.values() for rule in group.rules}
        groups: dict[str, Group] = {}
        for spec in specs:
            before = self._groups.get(spec.key)
            if before is not None and before.spec == spec:
                groups[spec.key] = before
                continue
            group = groups[spec.key] = Group(spec, outcomes, self._tsdb, ctx.now)
            group.woken = before.woken if before is not None else 0
            ctx.set_timer(f"{_TICK}:{spec.key}", group.due, _TICK, durable=False)
        for key in self._groups:
            if key not in groups:
                ctx.cancel_timer(f"{_TICK}:{key}", durable=False)
        news: list[Alert] = []
        for group in groups.values():
            for rule in group.rules:
                known = stored.pop(rule.spec.key, None)
                if known and isinstance(rule, AlertingRule):
                    if self._started is None or taking_over:
                        known = _resume(group, rule, known, ctx.now)
                    news += _move(ctx, group, rule, known, around)
        news += _resolve(ctx, stored)
        if news:
            ctx.publish(AlertsReceived(tuple(news), "rules"))
        kept = {rule.spec.key for group in groups.values() for rule in group.rules}
        ctx.after_commit(lambda: self._take(ctx.now, groups, around, kept, leads=ctx.leads))

    def _stored(self, ctx: Context, *, anew: bool) -> dict[str, tuple[Stored, ...]]:
        """All alerts by the key of their rule: from the rows at the start and when we take over, later from memory.

        Who takes over has evaluated, too: an alert of ours that has no row is news that the last leader did not store.
        It goes on as pending since its own beginning, so that the next evaluation fires it, and tells.
        """
        if self._started is None:
            return dict(store.load_active(ctx.db))
        own = self._own()
        if not anew:
            return own
        found = dict(store.load_active(ctx.db))
        for key, alerts in own.items():
            known = {each.active.labels for each in found.get(key, ())}
            news = tuple(_unsaid(each) for each in alerts if each.active.labels not in known)
            found[key] = (*found.get(key, ()), *news)
        return found

    def _own(self) -> dict[str, tuple[Stored, ...]]:
        return {
            rule.spec.key: tuple(_as_stored(alert, self._around) for alert in rule.outcome.active.values())
            for group in self._groups.values()
            for rule in group.rules
            if rule.outcome.active
        }

    def _take(self, now: Ms, groups: dict[str, Group], around: Surroundings, kept: set[str], *, leads: bool) -> None:
        """Make a committed configuration the running one; series of rules that are gone end."""
        for key, group in self._groups.items():
            if groups.get(key) is not group:
                self._refused += group.output.refused
            ended = [labels for rule in group.rules if rule.spec.key not in kept for labels in rule.outcome.written]
            if ended:
                running = groups.get(key)
                output = running.output if running else Output(self._tsdb, f"rules/{key}")
                output.close(now - group.spec.query_offset, ended)
        self._groups = groups
        self._around = around
        self._leads = leads
        if self._started is None:
            self._started = now

    # -- evaluation ----------------------------------------------------------------------------------------------

    def _on_tick(self, ctx: Context, key: str) -> None:
        group = self._groups.get(key.removeprefix(f"{_TICK}:"))
        if group is None:
            return
        at, missed = group.schedule(ctx.now)
        interval = group.spec.interval
        if interval <= TOGETHER and ctx.now < at + interval // _PATIENCE and self._under_way():
            # The instant of the evaluation stays; samples of the scrapes before it are still on their way.
            ctx.set_timer(key, ctx.now + _LOOK_AGAIN, _TICK, durable=False)
            return
        ctx.set_timer(key, at + group.spec.interval, _TICK, durable=False)
        if self._elsewhere is None:
            source = OwnSource(self._engine, self._tsdb, group.together)
            self._evaluate(ctx, group, self._round(group, source, at), missed)
        elif group.spec.key in self._flights:
            # The answers to the last one have not come: this one is left out, as one that the loop was late for.
            ctx.after_commit(lambda: self._skip(group, at, missed))
        else:
            flight = Flight(group, at, missed)
            ctx.after_commit(lambda: self._ask(flight, group.questions(at - group.spec.query_offset)))

    def _round(self, group: Group, source: Source, at: Ms) -> Round:
        slept = group.slept(at)
        since = at if slept else max(group.woken, self._started or 0)
        return Round(source, at, group.spec.query_offset, self._around, since, slept)

    def _evaluate(self, ctx: Context, group: Group, tick: Round, missed: int) -> None:
        ticked = group.evaluate(tick, group.patience_until(tick.since, self._around.patience))
        if ticked.changes and ctx.leads:
            self._save(ctx, group, ticked, tick.at)
        ctx.after_commit(lambda: self._done(group, tick.at, missed, ticked))

    # -- another server's answers --------------------------------------------------------------------------------

    def _ask(self, flight: Flight, questions: Sequence[Question]) -> None:
        if self._elsewhere is None or self._post is None:
            return
        post = self._post
        self._flights[flight.group.spec.key] = flight
        flight.group.depart(flight.at)
        self._elsewhere.ask(questions, lambda answers: post(Answered(flight, answers)))

    def _skip(self, group: Group, at: Ms, missed: int) -> None:
        group.depart(at)
        group.missed += missed + 1
        self.missed += missed + 1

    def _on_answers(self, ctx: Context, message: Answered) -> None:
        flight, group = message.flight, message.flight.group
        if self._flights.get(group.spec.key) is not flight:
            return
        if self._groups.get(group.spec.key) is not group:
            # Another configuration has come meanwhile.
            ctx.after_commit(lambda: self._land(flight))
            return
        answers = {**flight.answers, **message.answers}
        source = GivenSource(answers)
        tick = self._round(group, source, flight.at)
        group.probe(tick, group.patience_until(tick.since, self._around.patience))
        if source.missing and flight.turns < MOST_TURNS:
            again = dataclasses.replace(flight, answers=answers, turns=flight.turns + 1)
            ctx.after_commit(lambda: self._ask(again, tuple(source.missing)))
            return
        self._evaluate(ctx, group, self._round(group, GivenSource(answers), flight.at), flight.missed)
        ctx.after_commit(lambda: self._land(flight))

    def _land(self, flight: Flight) -> None:
        if self._flights.get(flight.group.spec.key) is flight:
            del self._flights[flight.group.spec.key]

    def _done(self, group: Group, at: Ms, missed: int, ticked: Ticked) -> None:
        group.take(at, missed, ticked)
        self.evaluations += len(group.rules)
        self.failures += ticked.failures
        self.missed += missed

    def _save(self, ctx: Context, group: Group, ticked: Ticked, at: Ms) -> None:
        """Store what changed and tell routing, in the step's transaction."""
        news: list[Alert] = []
        for rule, changes in ticked.changes:
            ended = [alert.labels.fingerprint() for change, alert in changes if change in _ENDED]
            store.forget(ctx.db, rule.spec.key, ended)
            alive = [_as_stored(alert, self._around) for change, alert in changes if change not in _ENDED]
            store.save(ctx.db, rule.spec.key, _origin(group, rule), alive)
            news += news_of(rule, changes, self._around, at)
        if news:
            ctx.publish(AlertsReceived(tuple(news), "rules"))


def _origin(group: Group, rule: AlertingRule) -> str:
    return f"{group.spec.key};{rule.spec.name}"


def _unsaid(stored: Stored) -> Stored:
    return Stored(dataclasses.replace(stored.active, state=AlertState.PENDING), None)


def _as_stored(alert: Active, around: Surroundings) -> Stored:
    firing = alert.state is AlertState.FIRING
    return Stored(alert, public_labels(alert.labels, around) if firing else None)


def _resume(group: Group, rule: AlertingRule, known: tuple[Stored, ...], now: Ms) -> tuple[Stored, ...]:
    """Give a rule the alerts that an earlier process left."""
    last = group.output.last
    gap = None if last is None else max(0, now - group.spec.query_offset - last)
    resumed = tuple(
        dataclasses.replace(each, active=_resumed(each.active, gap, group.spec.interval, now)) for each in known
    )
    active = {each.active.labels: each.active for each in resumed}
    rule.outcome = Outcome(active, written=rule.series(active.values()))
    return resumed


def _resumed(alert: Active, gap: Ms | None, interval: Ms, now: Ms) -> Active:
    """An alert after an outage: nobody looked in that time, so that it does not count towards ``for``."""
    if alert.state is not AlertState.PENDING:
        return alert
    if gap is None:
        return dataclasses.replace(alert, active_at=now)
    return alert if gap <= short_break(interval) else after_break(alert, gap)


def _move(
    ctx: Context, group: Group, rule: AlertingRule, known: tuple[Stored, ...], around: Surroundings
) -> list[Alert]:
    """Store a rule's alerts where they differ from their rows, and let routing know them by their labels of now."""
    news: list[Alert] = []
    altered: list[Stored] = []
    for before in known:
        alert = before.active
        after = _as_stored(alert, around)
        if after.sent != before.sent:
            if before.sent is not None:
                news.append(to_alert(alert, before.sent, rule.spec.expr, around.external_url, ctx.now))
            if after.sent is not None:
                news.append(to_alert(alert, after.sent, rule.spec.expr, around.external_url, None))
        if after.sent != before.sent or alert.state is AlertState.PENDING:
            altered.append(after)
    store.save(ctx.db, rule.spec.key, _origin(group, rule), altered)
    return news


def _resolve(ctx: Context, gone: Mapping[str, tuple[Stored, ...]]) -> list[Alert]:
    """End the alerts of rules that are no more."""
    news: list[Alert] = []
    for key, alerts in gone.items():
        store.forget(ctx.db, key, [each.active.labels.fingerprint() for each in alerts])
        news += [to_alert(each.active, each.sent, "", "", ctx.now) for each in alerts if each.sent is not None]
    return news
