"""The files that hypercare watches the demo with."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from hypercare.adapters.system import SystemFiles
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.demo import config, layout
from hypercare.demo.faults import FAULTS
from hypercare.demo.runbooks import RUNBOOKS
from hypercare.demo.services.base import parser

PORTS = {name: 20000 + number for number, name in enumerate((layout.CONTROL, *layout.MODULES, layout.POSTGRES))}


@pytest.fixture
def written(tmp_path):
    config.write(layout.RunDirectory(tmp_path), PORTS)
    return tmp_path


def alerts():
    groups = yaml.safe_load(config.render("rules.yml", PORTS))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_hypercare_reads_it_and_announces_nothing(written):
    read = load(written / "hypercare.yml", SystemFiles(), {}, INTEGRATIONS)
    assert read.announcements == ()
    assert [len(file.groups) for file in read.rules] == [3]
    assert {service.name for service in read.hypercare.services} == {*layout.MODULES, layout.POSTGRES} - {
        layout.EXPORTER,
        layout.WEBHOOK,
    }


@pytest.mark.parametrize(
    ("tool", "command", "file"),
    [
        ("promtool", ["promtool", "check", "config"], "prometheus.yml"),
        ("amtool", ["amtool", "check-config"], "alertmanager.yml"),
    ],
)
@pytest.mark.peer
def test_the_original_tools_read_it_too(written, tool, command, file):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([*command, written / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", config.FILES)
def test_every_place_is_filled_in(name):
    text = config.render(name, PORTS)
    assert "__" not in re.sub(r"__[a-z]+__\b(?=\s*:)", "", text)
    assert {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)} <= set(PORTS.values())


def test_every_process_with_metrics_is_scraped_once():
    jobs = yaml.safe_load(config.render("prometheus.yml", PORTS))["scrape_configs"]
    targets = [target for job in jobs for static in job["static_configs"] for target in static["targets"]]
    assert sorted(targets) == sorted(f"127.0.0.1:{PORTS[name]}" for name in layout.MODULES)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_fault_has_a_critical_alert(fault):
    known = alerts()
    assert set(fault.expect) <= set(known)
    assert "critical" in {known[name]["labels"]["severity"] for name in fault.expect}


def test_every_runbook_link_leads_to_a_runbook():
    linked = set()
    for name in config.FILES:
        linked |= set(
            re.findall(rf"http://127\.0\.0\.1:{PORTS[layout.WEBHOOK]}/runbooks/([a-z-]+)", config.render(name, PORTS))
        )
    assert linked == set(RUNBOOKS)
    assert {alert for alert, rule in alerts().items() if "runbook_url" not in rule["annotations"]} == set()


def test_healing_in_runbooks_names_real_faults():
    named = {name for text in RUNBOOKS.values() for name in re.findall(r"hypercare demo heal ([a-z-]+)", text)}
    assert named == set(FAULTS)


def test_the_command_line_names_this_run(tmp_path):
    command = config.serve_command(["hc"], tmp_path, "127.0.0.1:9600")
    assert command == [
        "hc", "serve", "--config", str(tmp_path / "hypercare.yml"), "--data", str(tmp_path / "data"),
        "--listen", "127.0.0.1:9600",
    ]  # fmt: skip


def test_a_service_needs_a_port():
    with pytest.raises(SystemExit):
        parser("x").parse_args([])
