"""Unit tests of rules: what is asked of the format beyond the data of other projects."""

from __future__ import annotations

import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest
import re2

from hypercare.adapters.system import SystemFiles
from hypercare.rehearse.unit_results import junit
from hypercare.rehearse.unit_run import Choice, run_file

RULES = """
groups:
  - name: second
    rules:
      - record: doubled
        expr: first * 2
  - name: first
    interval: 7m
    rules:
      - record: first
        expr: sum(load)
      - alert: Loaded
        expr: first > 5
        for: 2m
        keep_firing_for: 1m
        labels: {severity: page, region: "{{ $externalLabels.region }}"}
        annotations: {summary: "load is {{ $value }} at {{ externalURL }}"}
"""
BASE = """
rule_files: ["rules*.yml"]
evaluation_interval: 1m
group_eval_order: [first, second]
tests:
  - name: whole
    interval: 1m
    external_labels: {region: eu}
    external_url: http://here
    input_series:
      - {series: load, values: "1 6x3 _ 1 1 stale"}
    alert_rule_test:
      - {eval_time: 2m59s, alertname: Loaded}
      - eval_time: 3m
        alertname: Loaded
        exp_alerts:
          - exp_labels: {severity: page, region: eu}
            exp_annotations: {summary: "load is 6 at http://here"}
      - eval_time: 6m
        alertname: Loaded
        exp_alerts: [{exp_labels: {severity: page, region: eu}, exp_annotations: {summary: "load is 6 at http://here"}}]
      - {eval_time: 7m, alertname: Loaded, exp_alerts: []}
    promql_expr_test:
      - {expr: doubled, eval_time: 1m, exp_samples: [{labels: doubled, value: 12}]}
      - {expr: load, eval_time: 8m}
      - {expr: time() + 1, eval_time: 90s, exp_samples: [{value: 91}]}
      - {expr: vector(0) / 0, exp_samples: [{labels: "{}", value: .nan}]}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)

    def runs(text, *patterns, ignore_unknown=False):
        (tmp_path / "test.yml").write_text(text)
        choice = Choice(tuple(re2.compile(p) for p in patterns), ignore_unknown)
        return run_file(str(tmp_path / "test.yml"), SystemFiles(), choice)

    return runs


def told(result):
    return [*map(str, result.problems), *("\n".join(f.lines()) for c in result.cases for f in c.failures)]


def test_rules_under_the_clock_of_the_test(run):
    result = run(BASE)
    assert result.ok, told(result)
    assert [line for line in result.cases[0].log if "pending" in line or "resolved" in line] == [
        '1m: pending: {alertname="Loaded", region="eu", severity="page"}',
        '7m: resolved: {alertname="Loaded", region="eu", severity="page"}',
    ]


def test_the_order_of_groups_decides_what_they_see(run):
    result = run(BASE.replace("group_eval_order: [first, second]", ""))
    assert "\n        doubled 2" in told(result)[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value: 12", "value: 13", ["doubled 13", "doubled 12", "test.yml:24:9", "expression 'doubled' at 1m"]),
        (
            "{eval_time: 7m, alertname: Loaded, exp_alerts: []}",
            "{eval_time: 7m}",
            ["needs the alertname", "test.yml:22"],
        ),
        ("expr: doubled", "expr: 'doubled['", ["expression 'doubled['", "1:9"]),
        ("expr: doubled", "expr: 'doubled[5m]'", ["the result is a matrix"]),
        ("labels: doubled", "labels: 'doubled{a'", ["unexpected '{a' behind"]),
        ("6x3 _", "6x3 oops", ["series 'load'", "oops"]),
        ("series: load,", "series: 'load 5',", ["unexpected '5' behind 'load'"]),
        (
            "interval: 1m\n    external",
            "intervall: 1m\n    external",
            ["unknown key 'intervall'", "did you mean interval?"],
        ),
        ("eval_time: 2m59s", "eval_time: soon", ["not a valid duration: 'soon'"]),
        ("[first, second]", "[first, first]", ["'first' stands twice"]),
        ("evaluation_interval: 1m", "evaluation_interval: 0s", ["longer than nothing"]),
        ("external_url: http://here", "start_timestamp: monday", ["not an instant: 'monday'"]),
        ("value: 91", "value: many", ["expected a number, found 'many'"]),
        ('["rules*.yml"]', "[nosuch.yml]", ["no such file"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(run, old, new, words):
    assert old in BASE
    result = run(BASE.replace(old, new))
    assert not result.ok
    assert all(word in "\n".join(told(result)) for word in words), told(result)


def test_a_pattern_without_files_is_told_of(run):
    result = run(BASE.replace("rules*.yml", "nosuch*.yml"))
    assert "nosuch*.yml" in result.warnings[0]


def test_names_choose_tests(run):
    two = BASE + "  - {name: other, promql_expr_test: [{expr: vector(1)}]}\n"
    assert [c.name for c in run(two, "who").cases] == ["whole"]
    assert run(two, "who", "nothing").skipped == ("other",)
    assert not run(two).ok


def test_unknown_keys_of_rule_files_may_be_ignored(run, tmp_path):
    text = RULES.replace("- name: second", "- name: second\n    owner: {team: core}")
    (tmp_path / "rules2.yml").write_text(text.replace("second", "third").replace("name: first", "name: fourth"))
    assert "unknown key 'owner'" in str(run(BASE).problems[0])
    assert run(BASE, ignore_unknown=True).problems == ()


def test_junit_is_xml_whatever_stands_in_names(run):
    result = run(BASE.replace("name: whole", r'name: "<&\x07>"').replace("value: 12", "value: 13"))
    root = ET.fromstring(junit([result]))
    assert root.find("testsuite").attrib["failures"] == "1"
    assert root.find(".//testcase").attrib["name"] == "<&\N{REPLACEMENT CHARACTER}>"
    assert "doubled 13" in root.find(".//failure").text


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
@pytest.mark.parametrize("values", ["1 6x3 _ 1 1 stale", "0+1x20", "9x9", "_x3 7 7 7 7", "6 6 6 1 6 6 6", "stale 7x9"])
def test_promtool_agrees_on_every_minute(run, tmp_path, values):
    """Expect what hypercare finds at each minute: promtool must find the same.

    No longer than five minutes after the last sample: 2.42 still looked back one sample further.
    """
    text = BASE.partition("    alert_rule_test:")[0].replace("1 6x3 _ 1 1 stale", values)
    text = text.replace("    external_labels: {region: eu}\n", "")
    text = text.replace('["rules*.yml"]', "[plain.yml]")
    # promtool's templates have no externalURL while it tests, and 2.42 no keep_firing_for in them.
    plain = (
        RULES.replace("{{ externalURL }}", "{{ $labels.a }}")
        .replace("        keep_firing_for: 1m\n", "")
        .replace('region: "{{ $externalLabels.region }}"', "a: b")
    )
    (tmp_path / "plain.yml").write_text(plain)
    tests = "".join(f"      - {{eval_time: {m}m, alertname: Loaded}}\n" for m in range(11))
    result = run(f"{text}    alert_rule_test:\n{tests}")
    fires = {f.what.rpartition(" ")[2]: f.got for f in result.cases[0].failures}
    lines = []
    for minute in range(11):
        got = fires.get(f"{minute}m" if minute else "0s")
        alerts = ""
        if got:
            summary = got[-1].partition(": ")[2]
            alerts = f"{{exp_labels: {{severity: page, a: b}}, exp_annotations: {{summary: {summary}}}}}"
        lines.append(f"      - {{eval_time: {minute}m, alertname: Loaded, exp_alerts: [{alerts}]}}\n")
    (tmp_path / "peer.yml").write_text(f"{text}    alert_rule_test:\n{''.join(lines)}")
    theirs = subprocess.run(
        ["promtool", "test", "rules", "peer.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
