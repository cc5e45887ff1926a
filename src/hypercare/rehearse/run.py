"""From rule files and a source of history to a report."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.rehearse.backtest import Backtest
from hypercare.rehearse.history import bring
from hypercare.rehearse.report import Report, Routed, assumption, gaps_of
from hypercare.rehearse.routes import Replay, tallies
from hypercare.rehearse.spans import stories
from hypercare.rules.alerting import AlertingRule
from hypercare.rules.spec import Surroundings, from_files, surroundings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.config import Config, RuleFile
    from hypercare.model.time import Ms
    from hypercare.rehearse.history import History
    from hypercare.rules.spec import GroupSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to run.

    Attributes:
        rules: files.
        start, end: the time of interest.
        interval: of groups that name none, ms.
        query_offset: of groups that name none, ms.
        config: routes, people, external labels; none: nobody is told.
        ack_after: see ``routes.Replay``.
        exact: every expression instant by instant.

    """

    rules: tuple[RuleFile, ...]
    start: Ms
    end: Ms
    interval: Ms
    query_offset: Ms = 0
    config: Config | None = None
    ack_after: Ms | None = None
    exact: bool = False


def groups_of(order: Order) -> tuple[GroupSpec, ...]:
    """The groups of an order."""
    return from_files(order.rules, order.interval, order.query_offset)


def run(order: Order, history: History, source: str, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Run it.

    Args:
        order: what.
        history: samples of the past.
        source: what to call it.
        progress: is told what goes on.

    Raises:
        SourceError: the history cannot be had.
        InputError: it is too much.

    """
    around = Surroundings() if order.config is None else surroundings_of(order.config)
    backtest = Backtest(groups_of(order), around, exact=order.exact)
    wanted = backtest.needs
    since = order.start - backtest.warm_up
    past = bring(
        history, wanted, since, order.end, written=backtest.writes, progress=lambda text: progress(f"reading {text}")
    )
    # Where the source has nothing at all nobody looked: that is no absence that an alert could be about.
    first, last = past.alive or (order.start, order.start - 1)
    played = backtest.play(past.given, first, last, lambda share: progress(f"evaluating, {share:.0%}"))
    rules: Sequence[tuple[int, AlertingRule]] = [
        (number, rule) for number, rule in enumerate(backtest.rules) if isinstance(rule, AlertingRule)
    ]
    routed: Routed | None = None
    if order.config is not None:
        progress("routing")
        told = Replay(order.config, order.ack_after).run(played.news, order.start, last)
        routed = Routed(told, tallies(told), assumption(order.ack_after))
    return Report(
        source=source,
        files=tuple(file.path for file in order.rules),
        start=order.start,
        end=order.end,
        evaluated=past.alive,
        backtest=backtest,
        played=played,
        stories=stories(rules, played.steps, order.start, max(order.start, last)),
        coverage=past.coverage,
        gaps=gaps_of(backtest, wanted, past.coverage, order.start, order.end),
        samples=past.samples,
        routed=routed,
    )
