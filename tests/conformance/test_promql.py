"""The acceptance scripts of the Prometheus PromQL engine, with their hidden re-evaluations."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from hypercare.model.histograms import Histogram
from hypercare.model.samples import ABSENT_BITS, STALE_BITS
from hypercare.promql import Engine, Features, PromqlError, parse
from hypercare.promql.ast import Call, Expr, MatrixSelector, Subquery, VectorSelector, walk
from hypercare.promql.native.arithmetic import compact

_HERE = Path(__file__).parent
_ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE", _HERE.parents[2] / "shared" / "conformance"))
_SCRIPTS = sorted((_ROOT / "promql" / "testdata").glob("*.test"))

# Test modules are no package: the reader beside this file is loaded by its path.
_spec = importlib.util.spec_from_file_location("promqltest", _HERE / "promqltest.py")
promqltest = importlib.util.module_from_spec(_spec)
sys.modules["promqltest"] = promqltest
_spec.loader.exec_module(promqltest)

NOT_YET: dict[str, str] = {}
"""Evals that fail, by ``file:line``, each with its reason."""

_UNPINNABLE = frozenset(
    [
        "days_in_month",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "hour",
        "minute",
        "month",
        "year",
        "predict_linear",
        "time",
        "timestamp",
        "start",
        "end",
        "range",
        "step",
    ]
)
_TINY = 2.2250738585072014e-308


def _cases():
    return [case for path in _SCRIPTS for case in promqltest.read(path)]


def _params():
    if not _SCRIPTS:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no scripts in {_ROOT}/promql/testdata"))]
    params = []
    for case in _cases():
        name = f"{case.file}:{case.line}"
        marks = []
        if name in NOT_YET:
            marks.append(pytest.mark.xfail(reason=NOT_YET[name], strict=True))
        params.append(pytest.param(case, id=name, marks=marks))
    return params


@pytest.mark.parametrize("case", _params())
def test_eval(case):
    source = promqltest.source_of(case.loads)
    engine = Engine(features=Features.all())
    if case.expected("fail"):
        with pytest.raises(PromqlError) as caught:
            _run(engine, source, case, case.text)
        _check_texts([str(caught.value.message)], case.expected("fail"), every=False)
        return
    _check(case, _run(engine, source, case, case.text))
    if case.instant and case.string is None and case.range_vector is None:
        _check_again(engine, source, case)


def _run(engine, source, case, expr, at=None):
    if case.instant:
        when = case.range_vector[1] if case.range_vector else case.start
        return engine.instant(source, expr, when if at is None else at)
    return engine.range(source, expr, case.start, case.end, case.step)


def _check_again(engine, source, case):
    """The query pinned by @ and run at other times, and each as a range query around its time."""
    expr = parse(case.text)
    runs = [(expr, case.start)]
    called = {node.name for node in walk(expr) if isinstance(node, Call)}
    if not called & _UNPINNABLE and not re.search(r"(?i)(start|end|range|step)\(", case.text):
        pinned = _pinned(expr, case.start)
        times = (-10 * case.start, 0, case.start // 5, case.start, 10 * case.start) if case.start else (-1000, 0, 1000)
        runs += [(pinned, at) for at in times]
    for tree, at in runs[1:]:
        _check(
            dataclasses.replace(case, expects=[e for e in case.expects if not e[1]]), engine.instant(source, tree, at)
        )
    if re.search(r"(?i)(start|end|range|step)\(\)", case.text):
        return
    for tree, at in runs:
        result = engine.range(source, tree, at - 60_000, at + 60_000, 60_000)
        if case.expected("ordered"):
            continue
        shown = {labels: cells[1] for labels, cells in _range_cells(result).items() if cells[1] != ABSENT_BITS}
        if case.scalar is not None:
            assert [_same(value, _bits(case.scalar)) for value in shown.values()] == [True]
            continue
        expected = [(labels, cells[0]) for labels, cells in case.series if cells[0] != ABSENT_BITS]
        assert {str(labels) for labels in shown} == {str(labels) for labels, _ in expected}
        for labels, cell in expected:
            assert _same(shown[labels], cell, hint=labels in case.hinted), (labels, shown[labels], at)


def _pinned(expr: Expr, at: int) -> Expr:
    if isinstance(expr, VectorSelector):
        return expr if expr.at is not None else dataclasses.replace(expr, at=at)
    if isinstance(expr, Subquery):
        return expr if expr.at is not None else dataclasses.replace(expr, at=at)
    changes = {}
    for field in dataclasses.fields(expr):
        value = getattr(expr, field.name)
        if isinstance(value, Expr):
            changes[field.name] = _pinned(value, at)
        elif field.name == "args":
            changes[field.name] = tuple(_pinned(arg, at) for arg in value)
    if isinstance(expr, MatrixSelector):
        changes = {"vector": _pinned(expr.vector, at)}
    return dataclasses.replace(expr, **changes)


def _bits(value):
    return int(np.array([value], dtype=np.float64).view(np.int64)[0])


def _close(a, b):
    if a == b:
        return True
    if STALE_BITS in (a, b) or ABSENT_BITS in (a, b):
        return False
    x, y = np.array([a, b], dtype=np.int64).view(np.float64).tolist()
    if math.isnan(x) and math.isnan(y):
        return True
    if x == y:
        return True
    if math.isnan(x) or math.isnan(y) or math.isinf(x) or math.isinf(y):
        return False
    total, off = abs(x) + abs(y), abs(x - y)
    if x == 0 or y == 0 or total < _TINY:
        return off < 1e-6 * _TINY
    return off / min(total, sys.float_info.max) < 1e-6


def _same(actual, wanted, *, hint=False):
    """Whether a cell is as expected: bits of floats within tolerance, or histograms."""
    if isinstance(actual, Histogram) and isinstance(wanted, Histogram):
        return _same_histogram(compact(actual), compact(wanted), hint=hint)
    if isinstance(actual, Histogram) or isinstance(wanted, Histogram):
        return False
    return _close(actual, wanted)


def _same_histogram(actual, wanted, *, hint):
    if (actual.schema, actual.zero_threshold, actual.custom_values) != (
        wanted.schema,
        wanted.zero_threshold,
        wanted.custom_values,
    ):
        return False
    if hint and actual.hint is not wanted.hint:
        return False
    numbers = [(actual.count, wanted.count), (actual.sum, wanted.sum), (actual.zero_count, wanted.zero_count)]
    for ours, theirs in ((actual.positive, wanted.positive), (actual.negative, wanted.negative)):
        if ours.indexes.tolist() != theirs.indexes.tolist():
            return False
        numbers.extend(zip(ours.counts.tolist(), theirs.counts.tolist(), strict=True))
    return all(_close(_bits(a), _bits(b)) for a, b in numbers)


def _range_cells(result):
    """Every series of a range result with its cells, as they are expected."""
    cells = {}
    for i, labels in enumerate(result.labels):
        row = [_bits(v) if there else ABSENT_BITS for v, there in zip(result.values[i], result.present[i], strict=True)]
        cells[labels] = row
    places = {at: i for i, at in enumerate(result.times.tolist())}
    for series in result.histograms:
        row = cells.setdefault(series.labels, [ABSENT_BITS] * len(places))
        for at, histogram in zip(series.times.tolist(), series.values, strict=True):
            assert row[places[at]] == ABSENT_BITS
            row[places[at]] = histogram
    return cells


def _instant_cells(result):
    """The elements of a vector in their order."""
    elements = [(labels, _bits(value)) for labels, value in zip(result.labels, result.values.tolist(), strict=True)]
    for element in result.histograms:
        elements.insert(element.place, (element.labels, element.histogram))
    return elements


def _check_texts(actual, expected, *, every=True):
    for how, text in expected:
        if how == "msg":
            assert text in actual or any(text == each for each in actual), (text, actual)
        elif how == "regex":
            assert any(re.search(text, each) for each in actual), (text, actual)
        else:
            assert actual
    if every and expected and all(how for how, _ in expected):
        for each in actual:
            assert any(each == text if how == "msg" else re.search(text, each) for how, text in expected), each


def _check(case, result):
    for kind, actual in (("warn", result.warnings), ("info", result.infos)):
        _check_texts(list(actual), case.expected(kind))
        if case.expected(f"no_{kind}"):
            assert not actual
    if case.range_vector:
        return _check_range_vector(case, result)
    if not case.instant:
        return _check_range(case, result)
    if case.string is not None:
        assert (result.type, result.text) == ("string", case.string)
    elif case.scalar is not None:
        assert result.type == "scalar"
        assert _close(_bits(result.scalar), _bits(case.scalar)), (result.scalar, case.scalar)
    else:
        assert result.type == "vector"
        elements = _instant_cells(result)
        shown = dict(elements)
        assert len(shown) == len(elements)
        expected = {labels: cells[0] for labels, cells in case.series}
        assert {str(labels) for labels in shown} == {str(labels) for labels in expected}
        for labels, cell in expected.items():
            assert _same(shown[labels], cell, hint=labels in case.hinted), (labels, shown[labels], cell)
        if case.expected("ordered"):
            assert [labels for labels, _ in elements] == [labels for labels, _ in case.series]
    return None


def _check_range(case, result):
    expected = {labels: cells for labels, cells in case.series if any(c != ABSENT_BITS for c in cells)}
    found = _range_cells(result)
    assert {str(labels) for labels in found} == {str(labels) for labels in expected}
    for order in (result.labels, [series.labels for series in result.histograms]):
        assert list(order) == sorted(order, key=lambda labels: labels.pairs)
    for labels, cells in found.items():
        for step, cell in enumerate(cells):
            wanted = expected[labels][step] if step < len(expected[labels]) else ABSENT_BITS
            assert _same(cell, wanted, hint=labels in case.hinted), (labels, step, cell, wanted)


def _check_range_vector(case, result):
    start, _end, step = case.range_vector
    assert result.type == "matrix"
    expected = {
        labels: [(start + i * step, c) for i, c in enumerate(cells) if c != ABSENT_BITS]
        for labels, cells in case.series
    }
    shown = {s.labels: list(zip(s.times.tolist(), [_bits(v) for v in s.values], strict=True)) for s in result.series}
    for series in result.histogram_series:
        shown.setdefault(series.labels, []).extend(zip(series.times.tolist(), series.values, strict=True))
    assert {str(labels) for labels in shown} == {str(labels) for labels in expected}
    for labels, points in expected.items():
        found = sorted(shown[labels], key=lambda point: point[0])
        assert [at for at, _ in found] == [at for at, _ in points]
        hint = labels in case.hinted
        assert all(_same(a, b, hint=hint) for (_, a), (_, b) in zip(found, points, strict=True))
