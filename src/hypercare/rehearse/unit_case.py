"""One unit test: series are there, time passes, alerts and expressions are held against what is expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from hypercare.model.alerts import AlertState
from hypercare.model.histograms import Histogram
from hypercare.model.labels import EMPTY, Labels
from hypercare.model.time import format_duration
from hypercare.promql import EvaluationError, PromqlError
from hypercare.promql.parser import parse_series
from hypercare.promql.testing import SeriesSource, format_histogram, parse_histogram
from hypercare.rehearse.store import Given, Stage
from hypercare.rehearse.unit_results import CaseResult, Failure
from hypercare.rules.alerting import AlertingRule
from hypercare.rules.answers import OwnSource
from hypercare.rules.evaluation import Round
from hypercare.rules.group import Group
from hypercare.rules.spec import Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.config.source import Document
    from hypercare.model.time import Ms
    from hypercare.promql import Engine
    from hypercare.rehearse.unit_files import AlertTest, ExprTest, TestCase, UnitFile
    from hypercare.rules.group import Ticked
    from hypercare.rules.spec import GroupSpec

Sample: TypeAlias = "tuple[Labels, float | Histogram]"
_FOREVER: Final = 1 << 62
_TEXT_ERRORS: Final = ("error executing template ", "error parsing template ")


class CaseRun:
    """One run of one test."""

    def __init__(
        self, unit: UnitFile, index: int, title: str, document: Document, specs: Sequence[GroupSpec], engine: Engine
    ) -> None:
        self._unit = unit
        self._case: TestCase = unit.tests[index]
        self._index = index
        self._title = title
        self._document = document
        self._specs = specs
        self._engine = engine
        self._failures: list[Failure] = []
        self._log: list[str] = []

    def result(self) -> CaseResult:
        """Run it."""
        given = self._given()
        if given is not None:
            stage = Stage(given)
            if self._play(stage):
                for number, test in enumerate(self._case.promql_expr_test):
                    self._expression(number, test, stage)
        return CaseResult(self._title, tuple(self._failures), tuple(self._log))

    def _place(self, *path: str | int) -> str:
        line, column = self._document.find(("tests", self._index, *path))
        return f"{self._document.file}:{line}:{column}"

    def _fail(self, what: str, error: str, *path: str | int) -> None:
        self._failures.append(Failure(what, self._place(*path), error=error))

    def _given(self) -> Given | None:
        """The series of the test, or none where one cannot be read."""
        source = SeriesSource()
        interval = format_duration(self._case.interval or self._unit.evaluation_interval)
        bad = len(self._failures)
        for number, line in enumerate(self._case.input_series):
            try:
                _series(line.series)
                text = " ".join(f"{line.series} {line.values}".split("\n"))
                source.add(interval, text, start=self._case.start_timestamp)
            except ValueError as error:
                self._fail(f"series {line.series!r}", str(error), "input_series", number)
        if len(self._failures) > bad:
            return None
        return Given(source.select((), -_FOREVER, _FOREVER), source.select_histograms((), -_FOREVER, _FOREVER))

    # -- rules ---------------------------------------------------------------------------------------------------

    def _play(self, stage: Stage) -> bool:
        """Tick the groups from the start to the last instant of interest; false where a rule failed."""
        case, step = self._case, self._unit.evaluation_interval
        start = case.start_timestamp
        around = Surroundings(case.external_url.rstrip("/"), Labels.of(case.external_labels))
        groups = [Group(spec, {}, stage, start) for spec in self._specs]
        tests = sorted(enumerate(case.alert_rule_test), key=lambda item: item[1].eval_time)
        for at in range(start, start + case.last + 1, step):
            stage.until = at
            sound = True
            for group in groups:
                sound = self._tick(group, stage, at, around) and sound
            if not sound:
                return False
            while tests and tests[0][1].eval_time < at - start + step:
                number, test = tests.pop(0)
                self._alerts(number, test, groups)
        return True

    def _tick(self, group: Group, stage: Stage, at: Ms, around: Surroundings) -> bool:
        start = self._case.start_timestamp
        source = OwnSource(self._engine, stage)
        ticked = group.evaluate(Round(source, at, group.spec.query_offset, around, start), at)
        group.take(at, 0, ticked)
        self._note(ticked, at - start)
        failed = [r for r in group.rules if r.outcome.error and not r.outcome.error.startswith(_TEXT_ERRORS)]
        for rule in failed:
            self._fail(f"rule {rule.spec.name} of group {group.spec.name} at {_ago(at - start)}", rule.outcome.error)
        return not failed

    def _note(self, ticked: Ticked, since: Ms) -> None:
        for _, changes in ticked.changes:
            self._log += [f"{_ago(since)}: {change.value}: {_shown(alert.labels)}" for change, alert in changes]

    def _alerts(self, number: int, test: AlertTest, groups: Sequence[Group]) -> None:
        expected = [
            (Labels.of({**each.exp_labels, "alertname": test.alertname}), Labels.of(each.exp_annotations))
            for each in test.exp_alerts
        ]
        got = [
            (alert.labels, alert.annotations)
            for group in groups
            for rule in group.rules
            if isinstance(rule, AlertingRule) and rule.spec.name == test.alertname
            for alert in rule.outcome.active.values()
            if alert.state is AlertState.FIRING
        ]
        key = lambda pair: (pair[0].pairs, pair[1].pairs)  # noqa: E731 - used twice, right here
        expected.sort(key=key)
        got.sort(key=key)
        if expected != got:
            what = f"alert {test.alertname} at {_ago(test.eval_time)}"
            lines = [tuple(line for pair in pairs for line in _alert_lines(*pair)) for pairs in (expected, got)]
            self._failures.append(Failure(what, self._place("alert_rule_test", number), lines[0], lines[1]))

    # -- expressions ---------------------------------------------------------------------------------------------

    def _expression(self, number: int, test: ExprTest, stage: Stage) -> None:
        stage.until = self._case.start_timestamp + test.eval_time
        what = f"expression {test.expr!r} at {_ago(test.eval_time)}"
        path = ("promql_expr_test", number)
        try:
            expected = _expected(test)
            result = self._engine.instant(stage.snapshot(), test.expr, stage.until)
            if result.type == "scalar":
                got: list[Sample] = [(EMPTY, result.scalar)]
            elif result.type == "vector":
                got = list(zip(result.labels, result.values.tolist(), strict=True))
                got += [(each.labels, each.histogram) for each in result.histograms]
            else:
                msg = f"the result is a {result.type}, not an instant vector or a scalar"
                raise EvaluationError(msg)
        except (PromqlError, ValueError) as error:
            self._fail(what, str(error), *path)
            return
        expected.sort(key=lambda sample: sample[0].pairs)
        got.sort(key=lambda sample: sample[0].pairs)
        if not _equal(expected, got, fuzzy=self._unit.fuzzy_compare):
            lines = [tuple(f"{_shown(labels)} {_number(value)}" for labels, value in each) for each in (expected, got)]
            self._failures.append(Failure(what, self._place(*path), lines[0], lines[1]))


def _expected(test: ExprTest) -> list[Sample]:
    found: list[Sample] = []
    for sample in test.exp_samples:
        labels = _series(sample.labels) if sample.labels.strip() else EMPTY
        text = sample.histogram.strip()
        if text and "value" in sample.model_fields_set:
            raise ValueError("an expected sample has a value or a histogram, not both")
        found.append((labels, parse_histogram(text) if text else sample.value))
    return found


def _series(text: str) -> Labels:
    """The labels that ``name{…}`` writes.

    Raises:
        ValueError: they are not written so, or something stands behind them.
    """
    pairs, rest = parse_series(text.strip())
    if rest.strip():
        msg = f"unexpected {rest.strip()!r} behind {text.strip()[: -len(rest)]!r}"
        raise ValueError(msg)
    return Labels(pairs)


def _equal(expected: Sequence[Sample], got: Sequence[Sample], *, fuzzy: bool) -> bool:
    return len(expected) == len(got) and all(
        one[0] == other[0] and _same(one[1], other[1], fuzzy=fuzzy) for one, other in zip(expected, got, strict=True)
    )


def _same(one: float | Histogram, other: float | Histogram, *, fuzzy: bool) -> bool:
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        return _number(one) == _number(other)
    if one == other or (math.isnan(one) and math.isnan(other)):
        return True
    return fuzzy and other in {math.nextafter(one, math.inf), math.nextafter(one, -math.inf)}


def _ago(since: Ms) -> str:
    return format_duration(since)


def _number(value: float | Histogram) -> str:
    if isinstance(value, Histogram):
        return format_histogram(value)
    return repr(int(value)) if value == int(value if math.isfinite(value) else 0) and abs(value) < 1e15 else repr(value)


def _shown(labels: Labels) -> str:
    return str(labels) or "{}"


def _alert_lines(labels: Labels, annotations: Labels) -> list[str]:
    return [f"labels: {_shown(labels)}", *(f"    {name}: {value!r}" for name, value in annotations.pairs)]
