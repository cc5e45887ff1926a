"""Rule files on their own: what is found in them, and where."""

from __future__ import annotations

import pytest

from hypercare.adapters.system import SystemFiles
from hypercare.promql import parse
from hypercare.rehearse.label_sets import labels_of
from hypercare.rehearse.lint import lint, wanted
from hypercare.rehearse.rule_files import expand, read_rules

FILES = SystemFiles()


@pytest.mark.parametrize(
    ("expr", "present", "absent"),
    [
        ("up", "job instance", ""),
        ('up{job=""}', "instance", "job"),
        ("sum(up)", "", "job"),
        ("sum by (job) (up) > 0", "job", "instance"),
        ("sum without (job) (up)", "instance", "job __name__"),
        ("topk(3, up)", "job", ""),
        ('count_values("version", build) by (job)', "version job", "instance"),
        ("vector(1)", "", "job"),
        ("1", "", "job"),
        ('absent(up{job="a", x!="y"})', "job", "x"),
        ("absent(sum(up))", "", "job"),
        ("sum by (job) (a) / on (job) group_left (team) b", "job team", "instance"),
        ("a * on (job) b", "job", "instance"),
        ("a * ignoring (pod) b", "job", "pod"),
        ("sum by (job) (a) or sum by (pod) (b)", "job pod", "node"),
        ("sum by (job) (a) and b", "job", "pod"),
        ("histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m])))", "job", "le instance"),
        ('label_replace(sum(up), "a", "b", "", "")', "a", ""),
        ("max_over_time((sum by (job) (up))[5m:1m])", "job", "instance"),
        ("time() > bool 5", "", "job"),
        ("sum by (job) (a) > 3 * 2", "job", "x"),
        ("-sum by (job) (a)", "job", "x"),
        ("sum by (job) (absent(up))", "", "job"),
    ],
)
def test_labels_that_a_result_can_have(expr, present, absent):
    bounds = labels_of(parse(expr))
    assert all(bounds.may_have(name) for name in present.split())
    assert not any(bounds.may_have(name) for name in absent.split())


TEXT = """\
groups:
  - name: one
    labels: {team: core}
    rules:
      - alert: A
        expr: sum by (job) (up) == 0
        annotations: {summary: "{{ $labels.job }} on {{ $labels.instance }} {{ .Labels.pod }}"}
      - {record: r, expr: vector(1), labels: {a: b}}
  - name: two
    labels: {a: b}
    rules:
      - {record: r, expr: vector(2), labels: {team: core}}
      - {record: r, expr: vector(2)}
"""


def found(tmp_path, text, names="all", **options):
    file = tmp_path / "r.yml"
    file.write_text(text)
    read = read_rules(str(file), FILES, **options)
    return read, [(f.lint, f.problem.line, f.problem.column, f.problem.message) for f in lint(read, wanted(names))]


def test_all_findings_have_their_place(tmp_path):
    _, findings = found(tmp_path, TEXT)
    assert [(name, line) for name, line, _, _ in findings] == [
        ("hint", 5),
        ("hint", 5),
        ("template-labels", 7),
        ("template-labels", 7),
        ("duplicate-rules", 12),
    ]
    assert "'instance'" in findings[2][3]
    assert 'r{a="b", team="core"} is in line 8 too' in findings[4][3]


@pytest.mark.parametrize(("names", "count"), [("none", 0), ("duplicate-rules", 1), ("hint,template-labels", 4)])
def test_lints_are_chosen(tmp_path, names, count):
    assert len(found(tmp_path, TEXT, names)[1]) == count


def test_an_unknown_lint_is_refused():
    with pytest.raises(ValueError, match="duplicate-rules"):
        wanted("all,dups")


def test_all_errors_at_once(tmp_path):
    text = TEXT.replace("vector(1)", "vector(").replace("$labels.job", "$label.job").replace("name: two", "nam: two")
    read, findings = found(tmp_path, text)
    assert (read.rules, findings) == (None, [])
    assert [(p.line, p.column) for p in read.problems] == [(7, 36), (8, 34), (9, 5), (9, 5)]


def test_files_that_are_none(tmp_path):
    assert "no such file" in str(read_rules(str(tmp_path / "nosuch.yml"), FILES).problems[0])
    assert "cannot be read" in str(read_rules(str(tmp_path), FILES).problems[0])
    assert read_rules("-", FILES, TEXT.encode()).name == "<stdin>"
    (tmp_path / "a.yml").touch()
    names, problems = expand([f"{tmp_path}/*.yml", f"{tmp_path}/a.yml", f"{tmp_path}/*.no", "-"], FILES)
    assert (names, len(problems)) == ([f"{tmp_path}/a.yml", "-"], 1)
