"""The laws that a linter's configuration could silently lose, checked on the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hypercare"
# Rooms that may touch the real machine: the adapters, and the demo, which is a platform of its own beside us.
REAL = {"adapters", "demo"}
BANNED = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep",
    "asyncio.sleep", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "dt.datetime.now",
    "dt.datetime.utcnow", "dt.date.today", "uuid.uuid4", "uuid.uuid1", "os.urandom",
}  # fmt: skip
FILES = sorted(SOURCE.rglob("*.py"))


def calls(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text(), str(path))
    return [(n.lineno, ast.unparse(n.func)) for n in ast.walk(tree) if isinstance(n, ast.Call)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_domain_code_reads_no_clock_and_never_sleeps(path):
    room = path.relative_to(SOURCE).parts[0]
    if room in REAL:
        return
    found = [f"{path.name}:{line}: {name}" for line, name in calls(path) if name in BANNED]
    assert found == []


def test_only_the_simulator_makes_random_numbers_and_only_from_a_seed():
    for path in FILES:
        room = path.relative_to(SOURCE).parts[0]
        tree = ast.parse(path.read_text(), str(path))
        imported = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if room in REAL or not imported & {"random", "secrets"}:
            continue
        used = {name for _, name in calls(path) if name.startswith(("random.", "secrets."))}
        assert (room, used) == ("sim", {"random.Random"}), path


def test_the_house_has_no_switch_for_tests():
    for path in FILES:
        text = path.read_text().lower()
        assert [word for word in ("if testing", "import pytest", "pytest_current_test") if word in text] == [], path
