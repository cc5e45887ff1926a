"""``hypercare query``: its formats."""

from __future__ import annotations

import json

import pytest

from hypercare.cli import ask, main
from hypercare.cli.failure import ServerError
from hypercare.cli.query_show import show, sparkline

VECTOR = {
    "resultType": "vector",
    "result": [
        {"metric": {"__name__": "up", "job": 'a"b'}, "value": [1767600000.5, "1"]},
        {"metric": {}, "histogram": [1767600000, {"count": "3", "sum": "4.5", "buckets": []}]},
    ],
}
MATRIX = {
    "resultType": "matrix",
    "result": [
        {"metric": {"job": "a"}, "values": [[100, "1"], [110, "3"], [120, "NaN"]]},
        {"metric": {"zone": "z\x1b[2J"}, "values": [[100, "7"]]},
    ],
}
SCALAR = {"resultType": "scalar", "result": [5, "2"]}


@pytest.mark.parametrize(
    ("data", "form", "span", "shown"),
    [
        (VECTOR, "promql", None, 'up{job="a"b"} => 1 @[1767600000.5]\n{} => {count:3, sum:4.5} @[1767600000]\n'),
        (MATRIX, "promql", None, '{job="a"} =>\n1 @[100]\n3 @[110]\nNaN @[120]\n{zone="z\ufffd[2J"} =>\n7 @[100]\n'),
        (SCALAR, "promql", None, "scalar: 2 @[5]\n"),
        (MATRIX, "csv", None, "job,zone,time,value\na,,100,1\na,,110,3\na,,120,NaN\n,z\ufffd[2J,100,7\n"),
        (SCALAR, "csv", None, "time,value\n5,2\n"),
        (SCALAR, "table", None, "2\n"),
        (VECTOR, "table", None, 'series         value\nup{job="a"b"}  1\n{}             {count:3, sum:4.5}\n'),
        ({"resultType": "matrix", "result": []}, "table", (0, 1), "no data\n"),
    ],
)
def test_formats(data, form, span, shown, capsys):
    show(data, form, span)
    assert capsys.readouterr().out == shown


def test_a_range_as_a_table(capsys):
    show(MATRIX, "table", (100, 120))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["series", "min", "mean", "max", "last", "course"]
    assert lines[1].split()[:5] == ['{job="a"}', "1", "2", "3", "nan"]
    assert lines[1].rstrip().endswith("#")


def test_a_sparkline_has_its_gaps_where_they_are():
    line = sparkline([(0, 1.0), (50, 9.0), (99, 5.0)], (0, 100))
    assert (line[0], line[20], line[39]) == ("_", "#", "+")
    assert line.replace(" ", "") == "_#+"
    assert sparkline([(0, float("nan"))], (0, 100)) == ""


@pytest.mark.parametrize(
    "arguments",
    [("up", "--format", "xml"), ("up", "--from", "-1h", "--time", "5"), ("up", "--from", "soon"), ("up", "--from", "-1h", "--to", "-2h")],
)  # fmt: skip
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["query", *arguments])
    assert ended.value.code == 2, capsys.readouterr()


@pytest.mark.e2e
def test_a_range_of_a_running_server(server):
    table = server("query", "truth", "--from", "-5m", "--step", "1s")
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[1].startswith('truth{instance="127.0.0.1:')
    found = json.loads(server("query", "truth", "--from", "-5m", "--format", "json").stdout)
    assert found["resultType"] == "matrix"
    assert server("query", "truth", "--from", "-5m", "-o", "csv").stdout.startswith("__name__,instance,job,")


def test_the_place_of_an_error_is_pointed_at(monkeypatch):
    said = 'invalid parameter "query": 2:5: parse error: unexpected end of input in function call, expected ")"'

    def refused(url, path, **parameters):
        raise ServerError(said, 400)

    monkeypatch.setattr(ask, "request", refused)
    with pytest.raises(ServerError) as told:
        ask.query("sum(\n  up", form="table")
    assert (
        str(told.value)
        == '2:5: parse error: unexpected end of input in function call, expected ")"\n      up\n        ^'
    )
    said = "query timed out"
    with pytest.raises(ServerError, match="query timed out"):
        ask.query("up", form="table")
