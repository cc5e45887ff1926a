"""What the documents say exists, exists; what exists and matters is in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from hypercare.cli import application

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = sorted(p.name for p in (ROOT / "src" / "hypercare").iterdir() if p.is_dir() and not p.name.startswith("__"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_found_from_the_readme_and_the_architecture(room):
    assert f"{room}/" in README
    assert f"{room}/" in ARCHITECTURE


def test_make_targets_in_the_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for d in DOCUMENTS for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", d.read_text())}
    assert named <= targets
    assert {"demo", "test", "lint", "bench", "serve"} <= targets


def test_commands_in_the_readme_exist():
    root = get_command(application())
    for line in re.findall(r"^\$ (?:\.venv/bin/)?hypercare (.+)$", README, re.MULTILINE):
        command = root
        for word in line.split("#")[0].split():
            inner = getattr(command, "commands", {})
            if word not in inner:
                break
            command = inner[word]
        assert command is not root, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_paths_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
    for path in re.findall(r"`((?:src|tests|docs|tools|examples|benchmarks)/[\w./-]*)`", document.read_text()):
        assert (ROOT / path).exists(), path


def test_ci_runs_what_the_readme_tells_a_newcomer():
    assert "make test" in README
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_nothing_speaks_of_the_machine_it_was_made_on():
    for path in (
        p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".yml", ".toml", ".sh"} and ".venv" not in p.parts
    ):
        if ".git" not in path.parts and path != Path(__file__):
            assert not re.search(r"/(work|farm)/(main|shared)", path.read_text(errors="replace")), path
