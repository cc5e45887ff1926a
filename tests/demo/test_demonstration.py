"""The terminal of the demonstration; Debian's Prometheus stands where hypercare will, since both speak one API."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from hypercare.demo import faults, layout
from hypercare.demo.demonstration import AlertWatch, IncidentWatch
from hypercare.demo.run import run
from hypercare.demo.services.webhook import summary
from ports_kit import free_port


def alert(state, **labels):
    return {"state": state, "labels": {"alertname": "A", **labels}, "annotations": {"summary": "it hurts"}}


def test_only_changes_are_told():
    watch = AlertWatch()
    assert watch.changes([]) == []
    assert watch.changes([alert("pending", service="api")]) == [("pending", "pending  A (api): it hurts")]
    assert watch.changes([alert("pending", service="api")]) == []
    assert watch.changes([alert("firing", service="api")]) == [("firing", "firing   A (api): it hurts")]
    assert watch.changes([alert("firing", service="api"), alert("pending", job="w")]) == [
        ("pending", "pending  A (w): it hurts")
    ]
    assert watch.changes([]) == [("resolved", "resolved A (api)")]


def test_an_incident_is_told_once_and_left_alone_when_resolved():
    def entry(kind, text, by="hypercare"):
        return {"kind": kind, "text": text, "by": by}

    watch = IncidentWatch()
    listed = [{"number": 2}, {"number": 1}]
    assert watch.wanted(listed) == [1, 2]
    opened, paged, taken = (
        entry("opened", "opened as P1"),
        entry("page_sent", "page sent"),
        entry("acknowledged", "taken", "ada"),
    )
    assert watch.news({"number": 1, "status": "open", "timeline": [opened, paged]}) == ["#1 opened as P1"]
    assert watch.news({"number": 1, "status": "open", "timeline": [opened, paged]}) == []
    assert watch.news({"number": 1, "status": "resolved", "timeline": [opened, paged, taken]}) == ["#1 taken (by ada)"]
    assert watch.wanted(listed) == [2]


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"status": "firing", "receiver": "r", "alerts": [{"labels": {"alertname": "A"}}] * 2}, "firing A (2) for r"),
        ({"alerts": []}, "? (no alert) (0) for ?"),
        ({"alerts": ["x", {}]}, "? ? (1) for ?"),
        ({"title": "", "text": "P1 A"}, "P1 A"),
        ({"type": "page", "severity": "P1", "title": "#1 A", "summary": "a=b"}, "page P1 #1 A"),
        ({"x": 1}, '{"x": 1}'),
    ],
)
def test_a_webhook_in_one_line(payload, text):
    assert summary(payload) == text


def test_a_missing_extra_is_said_and_nothing_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "psycopg" else object())
    assert run(tmp_path / "d", "127.0.0.1:1", ["false"]) == 1
    assert "needs psycopg: pip install 'hypercare[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


@pytest.fixture
def directory():
    made = Path(tempfile.mkdtemp(prefix="hypercare-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Terminal:
    """A run of the demonstration, and what it has printed so far."""

    def __init__(self, directory: Path, program: str, port: int) -> None:
        code = (
            "import sys; from pathlib import Path; from hypercare.demo.run import run;"
            f"sys.exit(run(Path({str(directory)!r}), '127.0.0.1:{port}', ['bash', '-c', {program!r}]))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def expect(self, *parts, seconds=120.0):
        """Wait until a line has all the parts."""
        deadline = time.monotonic() + seconds
        while not any(all(part in line for part in parts) for line in self.text.splitlines()):
            assert time.monotonic() < deadline, f"no line with {parts} in:\n{self.text}"
            time.sleep(0.1)

    def end(self):
        code = self.process.wait(120)
        self._reader.join(60)
        self.process.stdout.close()
        return code


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.peer
def test_a_fault_is_seen_at_the_terminal_from_breaking_to_healing(directory):
    if shutil.which("prometheus") is None:
        pytest.skip("Debian's prometheus is not installed")
    port = free_port()
    prometheus = f"exec prometheus --config.file={directory}/prometheus.yml --storage.tsdb.path={directory}/p --web.listen-address=127.0.0.1:{port} --log.level=error"
    terminal = Terminal(directory, prometheus, port)
    try:
        terminal.expect("Ctrl-C stops everything")
        for part in ("hypercare demo break db-down", f"http://127.0.0.1:{port}/", "hypercare incidents ack"):
            terminal.expect(part, seconds=1)
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        assert "prometheus" in {process.name() for process in family}
        faults.break_fault(directory, "vector-down")
        terminal.expect("platform", "vector-search: broken")
        terminal.expect("alert", "pending  VectorSearchDown (vector-search)")
        terminal.expect("alert", "firing   VectorSearchDown (vector-search): vector search is down")
        state = faults.read_state(layout.RunDirectory(directory).state)
        assert state.hypercare == f"http://127.0.0.1:{port}"
        payload = '{"status": "firing", "receiver": "oncall", "alerts": []}'
        webhook = layout.url(state.ports[layout.WEBHOOK], "/webhook/oncall")
        subprocess.run(["curl", "-sf", "-d", payload, webhook], check=True, capture_output=True)
        terminal.expect("webhook", "/webhook/oncall: firing")
        faults.heal(directory)
        terminal.expect("platform", "vector-search: healed: vector-down")
        terminal.expect("alert", "resolved VectorSearchDown")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0
        assert "Traceback" not in terminal.text
        assert [
            process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ] == []
    finally:
        if terminal.process.poll() is None:
            os.killpg(terminal.process.pid, signal.SIGKILL)


@pytest.mark.e2e
@pytest.mark.slow
def test_a_hypercare_that_ends_takes_the_demo_with_it_and_its_words_are_shown(directory):
    terminal = Terminal(directory, "echo hypercare.yml:3:1: unknown key; exit 2", free_port())
    assert terminal.end() == 1
    terminal.expect("hypercare", "hypercare.yml:3:1: unknown key", seconds=1)
    assert "Traceback" not in terminal.text


def test_an_address_that_is_taken_is_refused_before_anything_starts(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind((layout.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(tmp_path / "d", f"127.0.0.1:{port}", ["false"]) == 1
    assert f"port {port} is taken" in capsys.readouterr().out
    assert not (tmp_path / "d").exists()
