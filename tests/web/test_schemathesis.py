"""Every operation of the description, with data that fits it and data that does not: no 5xx, no answer undescribed.

``EXAMPLES=200 pytest tests/web/test_schemathesis.py`` looks longer (``make schemathesis``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from process_kit import Server

pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[dev]'")
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CONFIG = """
platform: shop
collect: {host: {enabled: false}}
people: [{name: ana, contact: [{channel: console}]}]
oncall: {schedules: [{name: primary, rotation: {people: [ana], every: 1w, start: "2026-01-05T00:00:00"}}]}
services: [{name: api}]
web: {admin_api: true, token: sesame}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("fuzzed"), CONFIG)
    yield one
    told = one.stop()
    assert "Traceback" not in told


def run(server, *arguments):
    examples = os.environ.get("EXAMPLES", "2")
    chosen = (
        ["--generation-deterministic"]
        if "EXAMPLES" not in os.environ
        else ["--generation-database", "none", "--suppress-health-check=all"]
    )
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
        f"{server.url}/openapi.json", "-n", examples, *chosen, "--exclude-operation-id", "events",
        "--phases", "coverage,fuzzing", "--checks", "not_a_server_error,status_code_conformance",
        "--request-timeout", "60", "--no-color", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, cwd=server.folder, timeout=3600, check=False)


def test_no_operation_fails_or_answers_undescribed(server):
    ended = run(server, "-H", "Authorization: Bearer sesame")
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2000:]
    assert int(re.search(r"Tested: (\d+)", ended.stdout)[1]) > 100
    assert server.ask("GET", "/-/healthy")[0] == 200
