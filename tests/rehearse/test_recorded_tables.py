"""Tables as others export them, and every kind of fault in them, with its place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.model.errors import InputError
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR
from hypercare.rehearse.recording.naming import Clock, Naming
from hypercare.rehearse.recording.piece import SPAN
from hypercare.rehearse.recording.scratch import Scratch
from hypercare.rehearse.recording.table import read_table

T = 1_767_600_000_000  # 2026-01-05T08:00:00Z


@pytest.fixture
def table(tmp_path):
    def read(text, **naming):
        path = tmp_path / "in.csv"
        path.write_text(text, newline="")
        return read_table(path, Naming(**naming))

    return read


def samples(scratch):
    found = {}
    for piece in scratch.pieces():
        for number, at, value in zip(piece.numbers.tolist(), piece.times.tolist(), piece.values.tolist(), strict=True):
            found.setdefault(str(piece.labels[number]), []).append(((at - T) / 1000, value))
    scratch.close()
    return found


@pytest.mark.parametrize(
    ("text", "naming", "expected"),
    [
        ("time,up,load\n1767600000,1,0.5\n1767600015,,NaN\n", {}, {"up": [(0, 1)], "load": [(0, 0.5), (15, math.nan)]}),
        ('\ufeffTime;"up{job=""a""}"\r\n1767600000000;1\r\n', {}, {'up{job="a"}': [(0, 1)]}),
        ("x\ttime\n3\t2026-01-05T09:00:00.250+01:00\n", {}, {"x": [(0.25, 3)]}),
        ("time,x\n2026-01-05 09:00:00,1\n", {"zone": "Europe/Madrid"}, {"x": [(0, 1)]}),
        ("when,x\n1767600000,1\n", {"time": "when"}, {"x": [(0, 1)]}),
        ("# exported\n\ntime,x\n\n1767600000,null\n1767600001,1e3\n", {}, {"x": [(1, 1000)]}),
        ("time,a b,c\n1767600000,1,2\n", {"columns": {"a b": 'ab{x="y"}', "c": ""}}, {'ab{x="y"}': [(0, 1)]}),
        ("metric,host,timestamp,value\nup,h1,1767600000,1\nup,,1767600000,2\n", {"labels": {"job": "j"}},
         {'up{host="h1", job="j"}': [(0, 1)], 'up{job="j"}': [(0, 2)]}),
        ("n,Pod Name,t,v\nup,p,1767600000,1\n", {"metric": "n", "value": "v", "time": "t", "rename": {"Pod Name": "pod"}},
         {'up{pod="p"}': [(0, 1)]}),
        ("service,a,a,Unnamed: 3\nmetric,load,hits,hits\nstat,p99,,\nunix_timestamp,,,\n1767600000,1,2,3\n", {},
         {'load{service="a", stat="p99"}': [(0, 1)], 'hits{service="a"}': [(0, 2)], "hits": [(0, 3)]}),
        # Any order of the lines; what is said twice in the same words counts once.
        ("time,x\n1767610000,2\n1767600000,1\n1767600000,1\n", {}, {"x": [(0, 1), (10_000, 2)]}),
    ],
)  # fmt: skip
def test_tables_of_all_kinds(text, naming, expected, table):
    wanted = {name: [(float(at), float(value)) for at, value in rows] for name, rows in expected.items()}
    assert str(samples(table(text, **naming))) == str(wanted)


@pytest.mark.parametrize(
    ("text", "naming", "place", "message", "hint"),
    [
        ("time,x\n1767600000,5 ms\n", {}, (2, 12), "expected a number, found '5 ms'", "no unit"),
        ("time,x\nyesterday,5\n", {}, (2, 1), "expected a time such as", ""),
        ("time,x\n2026-01-05 08:00:00,5\n", {}, (2, 1), "has no offset", ""),
        ("time,x\n300,5\n", {}, (2, 1), "lies before 1973", ""),
        ("time,x\n1767600000,5,6\n", {}, (2, 12), "expected 2 cells as in line 1, found 3", ""),
        ("time,x y\n1767600000,5\n", {}, (1, 6), "'x y' is no name of a metric", "columns: {'x y': some_metric}"),
        ("time,x{a\n1767600000,5\n", {}, (1, 6), "no series such as", "say what it is called"),
        ("time,x,x\n1767600000,5,6\n", {}, (1, 8), "the same series as column 2", "another name"),
        (
            "a,time,x\n1,1767600000,1\n1,1767600000,2\n",
            {},
            (3, 0),
            "another value than in line 2",
            "labels may be missing",
        ),
        ("metric,Pod Name,value,time\nup,p,1,1767600000\n", {}, (2, 1), "'Pod Name' is no name of a label", "rename"),
        (
            "time,x\n1767600000,5\n",
            {"value": "v", "metric": "time"},
            (1, 1),
            "no column is called 'v'",
            "there are time, x",
        ),
        ("a,b\nc,d\n1767600000,1\n", {}, (1, 1), "none of them is called metric", "first cell"),
        ("time,x\n", {}, (1, 0), "expected lines with a time behind the header", ""),
        ("time,x\n1767600000,\n", {}, (0, 0), "there is no sample in it", ""),
        ("", {}, (0, 0), "there is no sample in it", ""),
    ],
)
def test_faults_are_named_with_their_place(text, naming, place, message, hint, table):
    with pytest.raises(InputError) as caught:
        table(text, **naming)
    problem = next(p for p in caught.value.problems if message in p.message)
    assert (problem.line, problem.column) == place
    assert hint in problem.hint


def test_all_faults_are_told_at_once_and_very_many_are_counted(table):
    with pytest.raises(InputError) as caught:
        table("time,x\n" + "".join(f"17676{n:05},bad\nnever,{n}\n" for n in range(20)))
    problems = caught.value.problems
    assert [p.line for p in problems[:4]] == [2, 3, 4, 5]
    assert problems[-1].message == "20 more of this file are not listed"


def test_no_file_is_left_behind_and_damaged_ones_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bad = tmp_path / "bad.csv.gz"
    bad.write_bytes(b"\x1f\x8b\x08broken")
    with pytest.raises(InputError, match="damaged"):
        read_table(bad, Naming())
    (tmp_path / "latin.csv").write_bytes(b"time,x\n1767600000,\xe4\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_table(tmp_path / "latin.csv", Naming())
    assert not list(tmp_path.glob("hypercare-replay-*"))


def test_a_piece_is_two_hours_in_the_order_of_time():
    scratch = Scratch("a test")
    numbers = [scratch.number(Labels.of(__name__="x", n=str(n))) for n in range(3)]
    for line, at in enumerate(reversed(range(T, T + 7 * HOUR, 60_000))):
        for number in numbers:
            scratch.add(number, line, at, float(at + number))
    assert scratch.settle() == []
    pieces = list(scratch.pieces())
    assert [piece.span for piece in pieces] == [T // SPAN + n for n in range(4)]
    assert sum(len(piece.times) for piece in pieces) == scratch.samples == 3 * 420
    for piece in pieces:
        assert (np.diff(piece.times) >= 0).all()
        assert (piece.times // SPAN == piece.span).all()
        assert piece.labels is scratch.labels
    scratch.close()


@given(st.integers(100_000_000_000, 4_000_000_000_000))
def test_every_form_of_an_instant_is_the_same_instant(at):
    from hypercare.model.time import format_rfc3339

    clock = Clock()
    assert clock.read(format_rfc3339(at)) == at
    assert clock.read(str(at)) == at
    assert clock.read(f"{at / 1000:.3f}") == at
    assert clock.read(f"{at}000") == clock.read(f"{at}000000") == at
