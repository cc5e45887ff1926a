"""Backtests in few words."""

from __future__ import annotations

from hypercare.adapters.system import SystemFiles
from hypercare.promql.testing import SeriesSource
from hypercare.rehearse.backtest import Backtest
from hypercare.rehearse.history import StoreHistory, bring
from hypercare.rehearse.rule_files import read_rules
from hypercare.rehearse.run import Order, run
from hypercare.rehearse.spans import stories
from hypercare.rules.alerting import AlertingRule
from hypercare.rules.spec import Surroundings, from_files

MINUTE = 60_000


def rule_file(text, name="rules.yml"):
    read = read_rules("-", SystemFiles(), text.encode())
    assert read.rules is not None, read.problems
    return read.rules.model_copy(update={"path": name})


def play(text, *series, step="1m", minutes=60, start=0, exact=False, interval=MINUTE, source=None):
    """What rules do from minute 0 on; returns the backtest and all that came of it."""
    test = Backtest(from_files([rule_file(text)], interval), Surroundings(), exact=exact)
    given = source or SeriesSource.load(step, *series)
    end = start + minutes * MINUTE
    past = bring(StoreHistory(given), test.needs, start, end, written=test.writes)
    return test, test.play(past.given, start, end), past


def happened(played, start=0):
    """Every step as (minutes since the start, alert, what)."""
    return [((s.at - start) / MINUTE, s.alert.labels.get("alertname"), s.change.value) for s in played.steps]


def told(test, played, start, end):
    rules = [(n, r) for n, r in enumerate(test.rules) if isinstance(r, AlertingRule)]
    return stories(rules, played.steps, start, end)


def report(text, *series, minutes=60, start=0, config=None, **options):
    """A whole report of what rules do to series."""
    source = SeriesSource()
    source.add("1m", *series, start=start)
    order = Order((rule_file(text),), start, start + minutes * MINUTE, MINUTE, 0, config, **options)
    return run(order, StoreHistory(source), "the test")
