"""(seed, scenario, configuration) gives one event log, whichever Python runs it.

Every run of the suite, under whichever version, has to reach the digest that stands here; and it starts those other
interpreters of this machine that have the dependencies (on PATH, or named in HYPERCARE_PYTHONS, separated by colons).

What it guarantees: the log of this story, byte for byte, for CPython 3.11 to 3.13, any hash seed, any folder. The story
uses exp, log and erf of the system's C library; one that rounds these otherwise in the last place could tell another one.
A change of what hypercare does or tells changes the digest rightly: then write the new one here, in the same commit.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORY = ROOT / "tests" / "scenarios" / "files" / "same.yml"
DIGEST = "ee1e919dcd2f46aee393ed13fb5601572c10d416149298b0ba54027ddaa7744d"
EVENTS = 82
VERSIONS = ("3.11", "3.12", "3.13")


def interpreters():
    """Other versions that can run hypercare, by version."""
    named = [path for path in os.environ.get("HYPERCARE_PYTHONS", "").split(":") if path]
    named += [found for version in VERSIONS if (found := shutil.which(f"python{version}"))]
    found = {}
    for path in named:
        probe = "import sys, pydantic, sqlalchemy, numpy, re2, pcodec, typer; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([path, "-c", probe], capture_output=True, text=True, check=False, cwd="/")
        version = done.stdout.strip()
        if done.returncode == 0 and version in VERSIONS and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            found.setdefault(version, path)
    return found


def simulate(python, story, hash_seed):
    done = subprocess.run(
        [python, "-m", "hypercare", "simulate", str(story), "--json"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_this_python_reaches_the_digest_wherever_the_files_are(tmp_path):
    for name in ("same.yml", "hypercare_minutely.yml", "prometheus_minutely.yml", "rules.yml", "alertmanager.yml"):
        shutil.copy(STORY.parent / name, tmp_path)
    found = simulate(sys.executable, tmp_path / "same.yml", "99")
    assert (found["events"], found["log_sha256"]) == (EVENTS, DIGEST)


def test_other_pythons_of_this_machine_reach_it():
    others = interpreters()
    if not others:
        pytest.skip("no other Python with the dependencies here; name one in HYPERCARE_PYTHONS")
    for version, path in others.items():
        found = simulate(path, STORY, "0")
        assert (version, found["events"], found["log_sha256"]) == (version, EVENTS, DIGEST)
