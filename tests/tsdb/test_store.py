"""What writers and readers may rely on; the random comparison with a plain model is in test_model.py."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT, STALE, SampleMatrix, is_absent, is_stale
from hypercare.tsdb import AppendResult, Options, Tsdb

INF = 2**62


def eq(name: str, value: str) -> Matcher:
    return Matcher(name, MatchOp.EQUAL, value)


def metric(name: str, **labels: str) -> tuple[Matcher, ...]:
    return (eq("__name__", name), *(eq(k, v) for k, v in labels.items()))


def filled(rows: int, columns: int = 4, options: Options | None = None, step: int = 1000):
    db = Tsdb.open(None, options)
    group = db.group("g")
    numbers = np.array([group.column(Labels.of(__name__="m", i=str(i))) for i in range(columns)])
    for row in range(rows):
        db.append(group, (row + 1) * step, numbers, np.arange(columns) + row * 100.0)
    return db, group, numbers


def test_samples_come_back_with_their_times():
    db, _, _ = filled(3)
    (matrix,) = db.snapshot().select(metric("m"), 0, INF)
    assert matrix.times.tolist() == [1000, 2000, 3000]
    assert matrix.values.tolist() == [[0, 1, 2, 3], [100, 101, 102, 103], [200, 201, 202, 203]]
    assert [labels.get("i") for labels in matrix.labels] == ["0", "1", "2", "3"]
    assert matrix.dense


@pytest.mark.parametrize("rows", [3, 12, 500])
@pytest.mark.parametrize(("start", "end", "expected"), [(1000, 3000, [2000, 3000]), (999, 1000, [1000]), (0, 999, [])])
def test_a_window_is_open_at_its_start_and_closed_at_its_end(rows, start, end, expected):
    db, _, _ = filled(rows, options=Options(seal_rows=4, keep_rows=2))
    found = db.snapshot().select(metric("m"), start, end)
    assert [m.times.tolist() for m in found] == ([expected] if expected else [])


def test_sealed_and_raw_rows_make_one_matrix():
    db, _, _ = filled(1000, columns=70, options=Options(seal_rows=16, keep_rows=8))
    (matrix,) = db.snapshot().select(metric("m"), 0, INF)
    assert matrix.times.tolist() == [(row + 1) * 1000 for row in range(1000)]
    assert (matrix.values == np.arange(70) + np.arange(1000)[:, None] * 100.0).all()
    assert matrix.dense


@pytest.mark.parametrize("wanted", [["3"], ["0", "69"], ["10", "11", "12"], ["1", "33", "65", "66"]])
def test_columns_of_any_place_are_read_from_sealed_rows(wanted):
    db, _, _ = filled(50, columns=70, options=Options(seal_rows=16, keep_rows=8))
    matchers = (eq("__name__", "m"), Matcher("i", MatchOp.REGEX, "|".join(wanted)))
    (matrix,) = db.snapshot().select(matchers, 0, INF)
    assert [labels.get("i") for labels in matrix.labels] == wanted
    assert (matrix.values == np.array([float(i) for i in wanted]) + np.arange(50)[:, None] * 100.0).all()


def test_a_snapshot_does_not_see_later_rows_columns_or_fillings():
    db, group, numbers = filled(3)
    extra = group.column(Labels.of(__name__="m", i="extra"))
    before = db.snapshot()
    (old,) = before.select(metric("m"), 0, INF)
    old_values = old.values.copy()
    db.append(group, 3000, [extra], [7.0])
    db.append(group, 4000, np.append(numbers, extra), np.ones(5))
    for i in range(600):
        db.append(group, 5000 + i, numbers, np.ones(4) * i)
    (again,) = before.select(metric("m"), 0, INF)
    assert again.labels is old.labels
    assert again.values.tolist() == old_values.tolist() == old.values.tolist()
    (new,) = db.snapshot().select(metric("m"), 0, INF)
    assert len(new.labels) == 5
    assert new.values[2].tolist()[:4] == [200, 201, 202, 203]
    assert new.values[2, 4] == 7.0


def test_label_tuples_stay_the_same_objects_while_the_matching_series_do():
    db, group, numbers = filled(3, options=Options(seal_rows=16, keep_rows=8))
    (first,) = db.snapshot().select(metric("m"), 0, INF)
    other = group.column(Labels.of(__name__="other"))
    for i in range(100):
        db.append(group, 10_000 + i, np.append(numbers, other), np.ones(5))
        db.append(db.group(f"g{i % 7}"), 10_000 + i, [db.group(f"g{i % 7}").column(Labels.of(__name__="m"))], [1.0])
        found = db.snapshot().select(metric("m"), 0, INF)
        assert found[0].labels is first.labels
    group.column(Labels.of(__name__="m", i="new"))
    (group_match, *_) = db.snapshot().select(metric("m"), 0, INF)
    assert group_match.labels is first.labels


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ((eq("__name__", "a"),), ["a0", "a1"]),
        ((eq("__name__", "a"), eq("code", "1")), ["a1"]),
        ((eq("code", "1"),), ["a1", "b1"]),
        ((Matcher("__name__", MatchOp.REGEX, "a|b"), eq("code", "0")), ["a0", "b0"]),
        ((Matcher("__name__", MatchOp.NOT_EQUAL, "a"),), ["b0", "b1"]),
        ((eq("__name__", "a"), eq("absent", "")), ["a0", "a1"]),
        ((eq("__name__", "a"), Matcher("code", MatchOp.NOT_REGEX, "1.*")), ["a0"]),
        ((eq("__name__", "a"), eq("__name__", "b")), []),
        ((eq("__name__", "c"),), []),
        ((), ["a0", "a1", "b0", "b1"]),
    ],
)
def test_matching(matchers, expected):
    db = Tsdb.open(None)
    for name in "ab":
        for code in "01":
            group = db.group(code)
            db.append(group, 1000 + (name == "b"), [group.column(Labels.of(__name__=name, code=code))], [1.0])
    found = db.snapshot().select(matchers, 0, INF)
    assert sorted(f"{x.name}{x.get('code')}" for m in found for x in m.labels) == expected


def test_a_remembered_answer_learns_of_new_series_and_groups():
    db, group, _ = filled(1)
    assert len(db.snapshot().select(metric("m"), 0, INF)) == 1
    late = db.group("late")
    db.append(late, 1000, [late.column(Labels.of(__name__="m"))], [5.0])
    db.append(group, 2000, [group.column(Labels.of(__name__="m", i="9"))], [6.0])
    one, two = db.snapshot().select(metric("m"), 0, INF)
    assert len(one.labels) == 5
    assert not one.dense
    assert is_absent(one.values).tolist() == [[False] * 4 + [True], [True] * 4 + [False]]
    assert two.values.tolist() == [[5.0]]


def test_absent_stale_and_nan_are_three_things():
    db, group, numbers = filled(1)
    db.append(group, 2000, numbers, np.array([math.nan, STALE, ABSENT, 1.0]))
    db.append(group, 3000, [int(numbers[0])], [math.inf], stale=[int(numbers[3])])
    (matrix,) = db.snapshot().select(metric("m"), 1000, INF)
    assert is_stale(matrix.values).tolist() == [[False, True, False, False], [False, False, False, True]]
    assert is_absent(matrix.values).tolist() == [[False, False, True, False], [False, True, True, False]]
    assert math.isnan(matrix.values[0, 0])
    assert matrix.values[1, 0] == math.inf
    assert not matrix.dense


def test_dense_tells_of_the_window_and_the_columns_asked_for():
    db, group, numbers = filled(5)
    db.append(group, 6000, numbers[:3], np.ones(3))
    db.append(group, 7000, numbers, np.ones(4))
    snapshot = db.snapshot()
    assert not snapshot.select(metric("m"), 0, INF)[0].dense
    assert snapshot.select(metric("m", i="0"), 0, INF)[0].dense
    assert not snapshot.select(metric("m", i="3"), 0, INF)[0].dense
    assert snapshot.select(metric("m"), 6000, INF)[0].dense


def test_rows_that_are_not_newer_are_refused_and_counted():
    db, group, numbers = filled(3)
    assert db.append(group, 2000, numbers, np.ones(4)) == AppendResult(0, out_of_order=4)
    assert db.append(group, 3000, numbers, np.array([200.0, 201, 202, 203])) == AppendResult(0, duplicates=4)
    assert db.append(group, 3000, numbers, np.array([200.0, 201, 7, 203])) == AppendResult(0, duplicates=3, conflicts=1)
    assert db.append(group, 4000, numbers, np.ones(4)) == AppendResult(4)
    assert db.snapshot().stats().out_of_order == 5
    assert db.snapshot().stats().samples_appended == 16


def test_a_row_may_be_completed_by_more_series_of_the_same_time():
    db = Tsdb.open(None)
    group = db.group("rules")
    a, b = (group.column(Labels.of(__name__=name)) for name in "ab")
    for at in (1000, 2000):
        assert db.append(group, at, [a], [1.0]).appended == 1
        before = db.snapshot()
        assert db.append(group, at, [b], [2.0]).appended == 1
        if at == 2000:
            assert [m.times.tolist() for m in before.select(metric("b"), 1000, INF)] in ([], [[2000]])
            assert all(is_absent(m.values).all() for m in before.select(metric("b"), 1000, INF))
    found = db.snapshot().select((), 0, INF)[0]
    assert found.dense
    assert found.values.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_a_passed_array_cannot_be_changed_behind_the_fast_path():
    _, _, numbers = filled(2)
    with pytest.raises(ValueError, match="read-only"):
        numbers[0] = 3


@pytest.mark.parametrize(
    ("columns", "values", "error"),
    [
        ([0, 0], [1.0, 2.0], ValueError),
        ([0], [1.0, 2.0], ValueError),
        ([99], [1.0], LookupError),
        ([-1], [1.0], LookupError),
    ],
)
def test_wrong_rows_are_errors_and_change_nothing(columns, values, error):
    db, group, _ = filled(2)
    with pytest.raises(error):
        db.append(group, 9000, columns, values)
    assert db.snapshot().select(metric("m"), 2000, INF) == []
    assert db.append(group, 9000, [0], [1.0]) == AppendResult(1)


def test_an_empty_row_is_no_row():
    db, group, _ = filled(2)
    assert db.append(group, 9000, [], []) == AppendResult(0)
    assert db.append(group, 9000, [0], [ABSENT]) == AppendResult(0)
    assert db.snapshot().stats().max_time == 2000


def test_columns_of_series_that_are_gone_do_not_widen_new_rows():
    db = Tsdb.open(None, Options(seal_rows=8, keep_rows=8))
    group = db.group("churn")
    for i in range(400):
        db.append(group, 1000 + i, [group.column(Labels.of(__name__="pod", i=str(i // 4)))], [float(i)])
    assert group.raw is not None
    assert group.raw.layout.width <= 6
    assert max(part.layout.width for part in group.parts) <= 4
    (matrix,) = db.snapshot().select(metric("pod"), 0, INF)
    assert matrix.values.shape == (400, 100)
    assert not matrix.dense
    assert (~is_absent(matrix.values)).sum() == 400
    index = {labels.get("i"): at for at, labels in enumerate(matrix.labels)}
    assert all(matrix.values[i, index[str(i // 4)]] == float(i) for i in range(400))


def test_retention_in_memory_drops_old_rows_and_gives_numbers_up():
    db = Tsdb.open(None, Options(seal_rows=8, keep_rows=8, retention=100))
    group = db.group("g")
    first = group.column(Labels.of(__name__="old"))
    generation = group.generation
    for i in range(300):
        name = "old" if i < 20 else "new"
        db.append(group, 1000 + i, [group.column(Labels.of(__name__=name))], [1.0])
    db.maintain(1300)
    db.maintain(1300)
    assert db.snapshot().select(metric("old"), 0, INF) == []
    (matrix,) = db.snapshot().select(metric("new"), 0, INF)
    assert 1192 <= matrix.times[0] <= 1200
    assert group.generation != generation
    with pytest.raises(LookupError):
        db.append(group, 1300, [first], [1.0])
    assert group.column(Labels.of(__name__="old")) != first
    db.maintain(99_999)
    assert db.snapshot().select((), 0, INF) == []
    assert db.snapshot().stats().head_groups == 0


def test_series_label_names_and_values():
    db = Tsdb.open(None)
    group = db.group("g")
    a, b = (group.column(Labels.of(__name__="m", code=code)) for code in "12")
    other = group.column(Labels.of(__name__="n", zone="x"))
    db.append(group, 1000, [a, other], [1.0, 1.0])
    db.append(group, 2000, [b, other], [1.0, 1.0])
    snapshot = db.snapshot()
    assert snapshot.series([metric("m")], 0, INF) == [Labels.of(__name__="m", code=c) for c in "12"]
    assert snapshot.series([metric("m"), metric("n")], 1000, 2000) == [
        Labels.of(__name__="m", code="2"),
        Labels.of(__name__="n", zone="x"),
    ]
    assert snapshot.label_names([], 0, INF) == ["__name__", "code", "zone"]
    assert snapshot.label_names([metric("n")], 0, INF) == ["__name__", "zone"]
    assert snapshot.label_values("code", [], 0, INF) == ["1", "2"]
    assert snapshot.label_values("code", [], 0, 1000) == ["1"]
    assert snapshot.label_values("__name__", [], 5000, INF) == []


def test_stats_count_what_is_there():
    db, _, _ = filled(3)
    stats = db.snapshot().stats()
    assert (stats.head_series, stats.head_groups, stats.min_time, stats.max_time) == (4, 1, 1000, 3000)
    assert stats.cardinality.series_by_metric == (("m", 4),)
    assert stats.cardinality.values_by_label == (("i", 4), ("__name__", 1))
    assert stats.cardinality.series_by_pair[0] == ("__name__=m", 4)
    assert stats.cardinality.label_pairs == 5


def test_readers_in_other_threads_see_whole_rows_while_the_writer_goes_on():
    db, group, numbers = filled(1, columns=8, options=Options(seal_rows=16, keep_rows=8))
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for matrix in db.snapshot().select(metric("m"), 0, INF):
                expected = np.arange(8) + (matrix.times / 1000 - 1)[:, None] * 100.0
                if not (matrix.values[:, :8] == expected).all() or (np.diff(matrix.times) != 1000).any():
                    wrong.append("torn")

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for row in range(1, 3000):
        db.append(group, (row + 1) * 1000, numbers, np.arange(8) + row * 100.0)
        if row % 50 == 0:
            group.column(Labels.of(__name__="noise", i=str(row)))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rows_of_many_groups_are_found_anew_after_one_of_them_grew():
    db = Tsdb.open(None)
    groups = [db.group(f"g{i}") for i in range(6)]
    columns = [np.array([group.column(Labels.of(__name__="m", g=group.key))]) for group in groups]

    def append(i, at, value, **more):
        db.append(groups[i], at, columns[i], np.array([value]), **more)

    def seen(snapshot, start=0, end=INF):
        found = snapshot.select(metric("m"), start, end)
        return {m.labels[0].get("g"): (m.values[:, 0].tolist(), m.dense) for m in found}

    for i in range(5):
        append(i, 1000, float(i))
    first = db.snapshot()
    one_each = {f"g{i}": ([float(i)], True) for i in range(5)}
    assert seen(first) == one_each
    append(2, 2000, 22.0)
    append(3, 2000, ABSENT)
    append(5, 2000, 5.0)
    second = db.snapshot()
    assert seen(second) == {**one_each, "g2": ([2.0, 22.0], True), "g5": ([5.0], True)}
    assert seen(second, 1000) == {"g2": ([22.0], True), "g5": ([5.0], True)}
    other = np.array([groups[4].column(Labels.of(__name__="other"))])
    db.append(groups[4], 3000, other, np.array([1.0]))
    third = db.snapshot()
    values, dense = seen(third)["g4"]
    assert values[0] == 4.0
    assert is_absent(np.array(values[1:])).all()
    assert not dense
    assert seen(first) == one_each
    assert seen(third, 2000) == {} or all(not dense for _, dense in seen(third, 2000).values())


def test_a_row_in_portions_is_one_row_whichever_way_it_is_cut():
    db = Tsdb.open(None)
    group = db.group("g")
    numbers = [group.column(Labels.of(__name__="m", i=str(i))) for i in range(6)]
    portions = [[0, 1], [4, 5, 2], [3]]
    for at in range(1000, 30_000, 1000):
        for part in portions:
            columns = np.array([numbers[i] for i in part])
            assert db.append(group, at, columns, at + np.array(part, dtype=float)).appended == len(part)
            db.snapshot().select(metric("m"), 0, INF)
    (matrix,) = db.snapshot().select(metric("m"), 0, INF)
    assert [labels.get("i") for labels in matrix.labels] == ["0", "1", "4", "5", "2", "3"]
    assert (matrix.values == matrix.times[:, None] + np.array([0, 1, 4, 5, 2, 3])).all()
    assert matrix.dense


def test_the_matrices_of_many_groups_have_all_their_fields():
    db = Tsdb.open(None)
    for n in range(10):
        group = db.group(f"g{n}")
        db.append(group, 1, [group.column(Labels.of(__name__="m", g=str(n)))], [1.0])
    found = db.snapshot().select((Matcher("__name__", MatchOp.EQUAL, "m"),), 0, 5)
    assert [len(matrix) for matrix in found] == [len(SampleMatrix._fields)] * 10
    assert [matrix.starts for matrix in found] == [None] * 10
