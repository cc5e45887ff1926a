"""The default notification templates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hypercare.gotemplate import Data, TemplateSet, alertmanager_functions, build_data
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR, parse_rfc3339

THEIRS = Path("/usr/share/prometheus/alertmanager/default.tmpl")
NOW = parse_rfc3339("2026-01-05T12:00:00Z")


def alert(number: int, *, resolved: bool = False, **annotations: str) -> Alert:
    labels = Labels.of(alertname="Down", job="api", severity="page", i=str(number))
    ends = NOW - HOUR if resolved else None
    return Alert(labels, Labels.of(summary="a <b>", **annotations), NOW - 2 * HOUR, ends, f"http://p/{number}")


def data(*alerts: Alert) -> Data:
    group = {"alertname": "Down", "job": "api"}
    return build_data("team X", alerts, NOW, group_labels=group, external_url="http://h:9093")


CASES = {
    "one": data(alert(1)),
    "mixed": data(alert(1, d="x"), alert(2, resolved=True), alert(3)),
    "none": data(),
    "resolved": data(alert(1, resolved=True)),
}


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("amtool") is None or not THEIRS.exists(), reason="amtool is not installed")
@pytest.mark.parametrize("case", CASES)
def test_same_output_as_alertmanager(case: str, tmp_path: Path) -> None:
    names = re.findall(r'define "([^"]*)"', THEIRS.read_text())
    marks = [f'<{n}>{{{{ template "{n}" {".Alerts" if "instances" in n or "list" in n else "."} }}}}' for n in names]
    text = "\n".join(marks)
    (tmp_path / "data.json").write_text(CASES[case].as_json())
    command = ["amtool", "template", "render", f"--template.glob={THEIRS}", f"--template.data={tmp_path}/data.json"]
    done = subprocess.run([*command, f"--template.text={text}"], capture_output=True, text=True, check=True)
    assert TemplateSet.alertmanager().render(text, CASES[case], alertmanager_functions(NOW)) == done.stdout


def test_names_that_configurations_use() -> None:
    names = set(TemplateSet.alertmanager().names())
    for name in ("slack.default.text", "pagerduty.default.instances", "email.default.html", "email.default.subject"):
        assert name in names


def test_email() -> None:
    shown = TemplateSet.alertmanager().render(
        '{{ template "email.default.html" . }}', CASES["mixed"], alertmanager_functions(NOW), mode="html"
    )
    assert "summary = a &lt;b&gt;<br>" in shown
    assert '<a href="http://p/2"' in shown
    assert "[2] Firing" in shown
    assert "[1] Resolved" in shown
    assert "receiver=team&#43;X" in shown
    assert "ZgotmplZ" not in shown


def test_subject() -> None:
    def subject(shown: Data) -> str:
        return TemplateSet.alertmanager().render('{{ template "__subject" . }}', shown, alertmanager_functions(NOW))

    assert subject(CASES["mixed"]) == "[FIRING:2] Down api (page)"
    assert subject(CASES["resolved"]) == "[RESOLVED] Down api (1 page)"


def test_webhook_json() -> None:
    shown = json.loads(CASES["mixed"].as_json())
    assert list(shown) == [
        "receiver",
        "status",
        "alerts",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
    ]
    assert shown["alerts"][0]["startsAt"] == "2026-01-05T10:00:00Z"
    assert shown["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    assert shown["alerts"][1]["endsAt"] == "2026-01-05T11:00:00Z"
