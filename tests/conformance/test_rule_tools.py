"""promtool's verdicts on rule files and on unit tests of rules, and promtool itself on the same files."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import re2

from hypercare.adapters.system import SystemFiles
from hypercare.rehearse.lint import DUPLICATES, lint, wanted
from hypercare.rehearse.rule_files import read_rules
from hypercare.rehearse.unit_run import Choice, run_file

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
DATA = ROOT / "config" / "promtool" / "testdata"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no conformance data in {ROOT}")
INDEX = json.loads((DATA.parent / "index.json").read_text()) if DATA.is_dir() else {}
FILES = SystemFiles()

NOT_OURS = {
    "unit-07": "the @ modifier cannot be switched off: it is part of the language since Prometheus 2.33",
    "unit-09": "negative offsets cannot be switched off: they are part of the language since Prometheus 2.33",
}


@pytest.mark.parametrize("case", INDEX.get("unit_tests", []), ids=lambda case: case["id"])
def test_unit_test_file(case):
    if case["id"] in NOT_OURS:
        pytest.skip(NOT_OURS[case["id"]])
    choice = Choice(tuple(re2.compile(p) for p in case["run"] or ()), case["ignore_unknown_fields"])
    results = [run_file(str(DATA / name), FILES, choice) for name in case["files"]]
    told = [line for r in results for c in r.cases for f in c.failures for line in f.lines()]
    told += [str(p) for r in results for p in r.problems]
    assert ("pass" if all(r.ok for r in results) else "fail") == case["result"], told
    assert bool(told) == (case["result"] == "fail")


def test_a_failing_file_says_what_was_expected_and_found():
    result = run_file(str(DATA / "failing.yml"), FILES, Choice())
    told = {case.name: [f.what for f in case.failures] for case in result.cases}
    assert told == {
        "Failing test": ["alert Test at 0s", "expression 'test' at 0s"],
        "Failing alert test": ["alert InstanceDown at 5m", "alert AlwaysFiring at 5m"],
    }
    number = result.cases[0].failures[1]
    assert (number.expected, number.got) == (("test 1",), ("test 0",))
    assert re.search(r"failing\.yml:13:9$", number.place)


@pytest.mark.parametrize("case", INDEX.get("check_rules", []), ids=lambda case: case["file"])
def test_check_rules(case):
    read = read_rules(str(DATA / case["file"]), FILES)
    found = lint(read, wanted("duplicate-rules"))
    code = 1 if read.rules is None else 3 if found and case["lint_fatal"] else 0
    assert code == case["exit_code"], read.problems


@pytest.mark.parametrize("case", INDEX.get("duplicate_rules", []), ids=lambda case: case["file"])
def test_duplicates(case):
    found = lint(read_rules(str(DATA / case["file"]), FILES), wanted(DUPLICATES))
    assert {f.problem.message.split("{")[0].removeprefix("duplicate rule: ") for f in found} == {
        d["metric"] for d in case["duplicates"]
    }


PEER_FILES = sorted(p.name for p in DATA.glob("*.yml") if "\ntests:" in f"\n{p.read_text()}") if DATA.is_dir() else []
PEER_TOO_OLD = {
    "no-test-group-interval.yml": "2.42 has no default for a test's interval",
    "unittest.yml": "2.42 has no native histograms in unit tests",
    "start-time-test.yml": "2.42 has no start_timestamp",
    "rules_run_fuzzy.yml": "2.42 has no fuzzy_compare",
    "rules_run_no_fuzzy.yml": "2.42 has no fuzzy_compare",
    "rules_run.yml": "2.42 has no names of single tests",
    "rules_run_extrafields.yml": "2.42 cannot ignore unknown fields",
}


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
@pytest.mark.parametrize("name", PEER_FILES)
def test_the_same_verdict_as_promtool(name):
    if name in PEER_TOO_OLD:
        pytest.skip(PEER_TOO_OLD[name])
    theirs = subprocess.run(["promtool", "test", "rules", name], cwd=DATA, capture_output=True, text=True, check=False)
    ours = run_file(str(DATA / name), FILES, Choice())
    assert ours.ok == (theirs.returncode == 0), theirs.stdout + theirs.stderr
    # Each expectation that fails there fails here: alerts and expressions are named with their instants.
    failed = re.findall(r"(?:alertname|expr|rule): (\S+?),", theirs.stdout + theirs.stderr)
    assert len(failed) == sum(len(case.failures) for case in ours.cases) or ours.problems or not failed
