"""Relabelling against Prometheus' own cases."""

import json
import os
from pathlib import Path

import pytest
import yaml

from hypercare.config import dump
from hypercare.config.problems import validate
from hypercare.config.relabel import RelabelConfig, is_legacy_target
from hypercare.config.source import read_yaml
from hypercare.model.labels import Labels
from hypercare.model.relabel import RelabelAction, Relabeler, RelabelRule, apply

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
pytestmark = pytest.mark.skipif(not (ROOT / "relabel").is_dir(), reason=f"no conformance data in {ROOT}")


def cases(name):
    file = ROOT / "relabel" / name
    return json.loads(file.read_text())["cases"] if file.is_file() else []


def rule_of(raw):
    fields = {key: value for key, value in raw.items() if value not in ("", None, [])}
    fields["source_labels"] = tuple(fields.get("source_labels", ()))
    fields["action"] = RelabelAction(fields.get("action", "replace"))
    return RelabelRule(**fields)


@pytest.mark.parametrize("case", cases("relabel.json"), ids=lambda c: c["id"])
def test_relabel(case):
    rules = tuple(rule_of(raw) for raw in case["rules"])
    labels = Labels.of(case["input"])
    expected = None if case["drop"] else Labels.of(case["output"])
    assert apply(rules, labels) == expected
    assert apply(rules, case["input"]) == expected
    memo = Relabeler(rules)
    assert [memo(labels), memo(labels)] == [expected, expected]


@pytest.mark.parametrize("case", cases("validate.json"), ids=lambda c: c["id"])
def test_validate(case):
    raw = {"action": None, **case["rule"]}
    text = yaml.safe_dump({key: value for key, value in raw.items() if value != ""})
    problems = []
    document = read_yaml(text.encode(), case["id"])
    validate(RelabelConfig, document, problems, {"name_scheme": case["name_validation_scheme"]})
    assert bool(problems) == bool(case["error_contains"]), problems


@pytest.mark.parametrize("case", cases("legacy_target_label.json"), ids=lambda c: c["id"])
def test_legacy_target_label(case):
    assert is_legacy_target(case["target_label"]) == case["valid"]


@pytest.mark.parametrize("case", [c for c in cases("roundtrip.json") if c["format"] == "yaml"], ids=lambda c: c["id"])
def test_roundtrip(case):
    problems = []
    config = validate(RelabelConfig, read_yaml(case["text"].encode(), case["id"]), problems)
    assert not problems
    again = validate(RelabelConfig, read_yaml(dump(config).encode(), case["id"]), problems)
    assert again == config
    written = yaml.safe_load(case["text"])
    for key, value in written.items():
        found = getattr(config, key)
        assert (list(found) if isinstance(found, tuple) else str(found)) == value
