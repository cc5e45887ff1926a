"""The whole platform, really started: its metrics move, every fault has its effect, nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hypercare.demo import faults, layout
from hypercare.demo.state import DemoError, DemoNotRunningError, DemoState, read_state

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FAMILIES = {
    layout.API: ["http_requests_total", "http_request_duration_seconds_bucket"],
    layout.WORKER: ["workflow_executions_total", "workflow_queue_depth", "workflow_duration_seconds_bucket"],
    layout.LLM: [
        "llm_request_duration_seconds_bucket",
        "llm_time_to_first_token_seconds_bucket",
        "llm_requests_total",
        "llm_tokens_total",
    ],
    layout.ATLAS: ["provider_tokens_total", "provider_time_to_first_token_seconds_bucket"],
    layout.BEACON: ["demo_fault_active"],
    layout.VECTOR: ["vector_search_duration_seconds_bucket", "vector_index_documents"],
    layout.EXPORTER: [
        "pg_up",
        "pg_stat_activity_count",
        "pg_database_size_bytes",
        "pg_stat_database_xact_commit_total",
        "pg_settings_max_connections",
    ],
    layout.LOAD: ["load_requests_total", "load_request_duration_seconds_bucket"],
    layout.WEBHOOK: [],
}
MOVING = {
    layout.API: "http_requests_total",
    layout.WORKER: "workflow_executions_total",
    layout.LLM: "llm_tokens_total",
    layout.ATLAS: "provider_tokens_total",
    layout.VECTOR: "vector_search_duration_seconds_count",
    layout.EXPORTER: "pg_stat_database_xact_commit_total",
    layout.LOAD: "load_requests_total",
}


def wait_for(check, seconds=90.0, what=""):
    """Poll until ``check()`` is true; the value it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what or check}"
        time.sleep(0.2)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; in a container without an init the dead ones stay as zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Platform:
    def __init__(self, directory: Path, python: str = sys.executable, **popen) -> None:
        self.directory = layout.RunDirectory(directory)
        command = [
            python,
            "-m",
            "hypercare.demo",
            "--directory",
            str(directory),
            "--free-ports",
            "--rate",
            "15",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **popen
        )
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("platform: ready"):
                break
        else:
            pytest.fail(f"the platform did not start: {self.said}")

    @property
    def state(self) -> DemoState:
        return read_state(self.directory.state)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def url(self, name: str, path: str) -> str:
        return layout.url(self.state.ports[name], path)

    def request(self, name: str, path: str, method="GET", body=None, token=False) -> tuple[int, str]:
        """(status, text); status 0: nobody listens."""
        request = urllib.request.Request(self.url(name, path), method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("X-Demo-Token", self.state.token)
        data = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(request, data, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def answers(self, status: int, name: str, path: str, method="GET", body=None) -> str:
        """The text of an answer of that status; on a busy machine one before may have taken longer than its time."""
        seen: list[tuple[int, str]] = []

        def asked():
            seen[:] = [self.request(name, path, method, body)]
            return seen[0][0] == status

        wait_for(asked, what=f"{status} of {name} {path}")
        return seen[0][1]

    def samples(self, name: str) -> dict[str, list[tuple[dict[str, str], float]]]:
        status, text = self.request(name, "/metrics")
        assert status == 200
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def value(self, name: str, metric: str, **labels: str) -> float:
        """Sum over the series that carry these labels."""
        wanted = labels.items()
        return sum(value for found, value in self.samples(name).get(metric, []) if wanted <= found.items())

    def stop(self, number=signal.SIGTERM) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(90)
        self.process.stdout.close()


def new_directory() -> Path:
    """Not pytest's own: that one is closed to the user PostgreSQL runs as when the tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix="hypercare-test-"))
    directory.chmod(0o755)
    return directory


@pytest.fixture
def open_directory():
    directory = new_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def make_platform():
    """Starts platforms and sees to it that none of their processes and files stay."""
    made: list[Platform] = []
    folders: list[Path] = []

    def make(directory: Path | None = None, **popen) -> Platform:
        if directory is None:
            directory = new_directory()
            folders.append(directory)
        made.append(Platform(directory, **popen))
        return made[-1]

    yield make
    for platform in made:
        if platform.process.poll() is None:
            platform.stop()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def platform(make_platform):
    return make_platform()


@pytest.fixture
def broken(platform, request):
    """The fault named by the test's parameter is on, and healed afterwards whatever happens."""

    def on(name):
        request.addfinalizer(lambda: faults.heal(platform.directory.root))
        return faults.break_fault(platform.directory.root, name)

    return on


def test_every_process_answers_and_is_healthy(platform):
    for name in layout.MODULES:
        assert platform.answers(200, name, "/healthz") == json.dumps({"status": "ok", "service": name})
    assert len({platform.state.pids[name] for name in (*layout.MODULES, layout.POSTGRES)}) == 10


@pytest.mark.parametrize("name", list(layout.MODULES))
def test_metrics_carry_their_families(platform, name):
    wait_for(
        lambda: set(FAMILIES[name]) - {"demo_fault_active"} <= set(platform.samples(name)), what=f"{FAMILIES[name]}"
    )
    assert platform.value(name, "process_resident_memory_bytes") > 10 << 20
    assert platform.value(name, "process_cpu_seconds_total") > 0


@pytest.mark.parametrize(("name", "metric"), MOVING.items())
def test_values_move_with_the_traffic(platform, name, metric):
    before = platform.value(name, metric)
    wait_for(lambda: platform.value(name, metric) > before, what=metric)


def test_the_platform_does_what_it_says(platform):
    hits = json.loads(platform.answers(200, layout.API, "/v1/search?q=vector%20index"))["hits"]
    assert len(hits) == 10
    assert hits[0]["title"].startswith("Vector index")
    text = platform.answers(200, layout.API, f"/v1/documents/{hits[0]['id']}")
    assert json.loads(text)["title"] == hits[0]["title"]

    def chat():
        asked = {"tenant": "t", "message": "what is in the queue"}
        answer = json.loads(platform.answers(200, layout.API, "/v1/chat", "POST", asked))
        # The other provider answers where the first one has taken too long.
        return answer if answer["provider"] == layout.ATLAS else None

    answer = wait_for(chat, what="an answer of the preferred provider")
    assert answer["grounded"] is True
    assert len(answer["answer"].split()) >= 10
    triage = {"kind": "ticket-triage", "input": "urgent"}
    number = json.loads(platform.answers(202, layout.API, "/v1/workflows", "POST", triage))["id"]

    def ended():
        found = json.loads(platform.answers(200, layout.API, f"/v1/workflows/{number}"))
        return found if found["status"] == "success" else None

    assert wait_for(ended, what="the workflow's end")["result"]
    platform.answers(404, layout.API, "/v1/documents/999999")
    assert platform.request(layout.API, "/v1/search")[0] == 400


def test_api_errors_are_real_failures(platform, broken):
    broken("api-errors")
    codes = [platform.request(layout.API, "/v1/search?q=queue")[0] for _ in range(60)]
    assert set(codes) == {200, 500}
    assert 6 <= codes.count(500) <= 40
    wait_for(lambda: platform.value(layout.LOAD, "load_requests_total", outcome="500") > 5)
    assert faults.heal(platform.directory.root) == ("api-errors",)
    assert {platform.request(layout.API, "/v1/search?q=queue")[0] for _ in range(40)} == {200}


def test_llm_latency_makes_requests_slow_and_fall_back(platform, broken):
    def slow():
        samples = platform.samples(layout.LLM)["llm_request_duration_seconds_bucket"]
        atlas = {labels["le"]: value for labels, value in samples if labels["provider"] == layout.ATLAS}
        return atlas["+Inf"] - atlas["1.0"]

    before = slow(), platform.value(layout.LLM, "llm_fallbacks_total")
    broken("llm-latency")
    wait_for(lambda: slow() > before[0] + 2)
    wait_for(
        lambda: platform.value(layout.LLM, "llm_fallbacks_total", reason="timeout", to=layout.BEACON) > before[1], 30
    )
    wait_for(lambda: platform.value(layout.BEACON, "provider_tokens_total", direction="output") > 0)
    assert platform.value(layout.ATLAS, "demo_fault_active", fault="latency") > 0
    faults.heal(platform.directory.root, "llm-latency")
    assert platform.value(layout.ATLAS, "demo_fault_active") == 0


def test_vector_down_stops_the_process(platform, broken):
    old = psutil.Process(platform.state.pids[layout.VECTOR])
    broken("vector-down")
    assert not is_alive(old)
    assert platform.request(layout.VECTOR, "/healthz")[0] == 0
    assert platform.request(layout.API, "/v1/search?q=queue")[0] == 502
    text = platform.answers(200, layout.API, "/v1/chat", "POST", {"message": "hello"})
    assert json.loads(text)["grounded"] is False
    assert platform.value(layout.API, "dependency_errors_total", dependency=layout.VECTOR) > 0
    # It stays down: the supervisor does not restart what a fault stopped.
    time.sleep(1.5)
    assert platform.request(layout.VECTOR, "/healthz")[0] == 0
    assert faults.status(platform.directory.root)["processes"][layout.VECTOR]["stopped_by"] == "vector-down"
    faults.heal(platform.directory.root)
    platform.answers(200, layout.API, "/v1/search?q=queue")
    assert platform.state.pids[layout.VECTOR] not in {0, old.pid}


def test_db_down_stops_postgresql(platform, broken):
    old = psutil.Process(platform.state.pids[layout.POSTGRES])
    backends = old.children()
    wait_for(lambda: platform.value(layout.EXPORTER, "pg_up") == 1)
    broken("db-down")
    assert not [process for process in (old, *backends) if is_alive(process)]
    assert platform.value(layout.EXPORTER, "pg_up") == 0
    assert "pg_stat_activity_count" not in platform.samples(layout.EXPORTER)
    assert platform.request(layout.API, "/healthz")[0] == 503
    assert platform.request(layout.WORKER, "/healthz")[0] == 503
    assert platform.request(layout.API, "/v1/documents/1")[0] == 503
    assert platform.request(layout.API, "/v1/search?q=queue")[0] == 200
    faults.heal(platform.directory.root)
    wait_for(lambda: platform.value(layout.EXPORTER, "pg_up") == 1)
    wait_for(lambda: platform.request(layout.API, "/v1/documents/1")[0] == 200)
    platform.answers(200, layout.WORKER, "/healthz")
    done = platform.value(layout.WORKER, "workflow_executions_total", status="success")
    wait_for(lambda: platform.value(layout.WORKER, "workflow_executions_total", status="success") > done)


def test_memory_leak_takes_real_memory_and_gives_it_back(platform, broken):
    def memory():
        return platform.value(layout.WORKER, "process_resident_memory_bytes")

    rest = memory()
    broken("memory-leak")
    wait_for(lambda: memory() > rest + (80 << 20))
    faults.heal(platform.directory.root)
    wait_for(lambda: memory() < rest + (40 << 20))


def test_a_fault_twice_is_one_fault_and_healing_nothing_is_fine(platform, broken):
    broken("api-errors")
    broken("api-errors")
    assert platform.state.faults == ("api-errors",)
    assert faults.heal(platform.directory.root, "db-down") == ()
    assert faults.heal(platform.directory.root, "api-errors") == ("api-errors",)
    assert faults.heal(platform.directory.root) == ()
    with pytest.raises(faults.UnknownFaultError, match="there are: api-errors"):
        faults.break_fault(platform.directory.root, "coffee-spilt")


def test_nobody_breaks_it_without_the_token(platform):
    fault = {"fault": "errors", "value": 1.0}
    assert platform.request(layout.API, "/admin/fault", "POST", fault)[0] == 403
    assert platform.request(layout.CONTROL, "/faults/db-down", "PUT")[0] == 403
    assert platform.request(layout.API, "/admin/fault", "POST", {"fault": "errors", "value": 7}, token=True)[0] == 400
    assert platform.request(layout.API, "/admin/fault", "POST", {"fault": "leak", "value": 7}, token=True)[0] == 400
    assert platform.directory.state.stat().st_mode & 0o077 == 0
    assert platform.state.token not in platform.request(layout.CONTROL, "/status", token=True)[1]


def test_a_crashed_process_is_started_again(platform):
    old = platform.state.pids[layout.WEBHOOK]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: platform.state.pids[layout.WEBHOOK] != old)
    wait_for(lambda: platform.request(layout.WEBHOOK, "/healthz")[0] == 200)


def test_webhooks_are_kept_over_a_restart(platform):
    payload = {"status": "firing", "receiver": "oncall", "alerts": [{"labels": {"alertname": "A"}}]}
    status, text = platform.request(layout.WEBHOOK, "/webhook/oncall", "POST", payload)
    number = json.loads(text)["number"]
    assert status == 200
    assert platform.request(layout.WEBHOOK, "/webhook", "POST", [1])[0] == 400
    old = platform.state.pids[layout.WEBHOOK]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: platform.state.pids[layout.WEBHOOK] != old)
    wait_for(lambda: platform.request(layout.WEBHOOK, "/healthz")[0] == 200)
    received = json.loads(platform.request(layout.WEBHOOK, f"/received?after={number - 1}")[1])["received"]
    assert [(entry["summary"], entry["payload"]) for entry in received] == [("firing A (1) for oncall", payload)]
    assert platform.request(layout.WEBHOOK, "/runbooks/database-down")[1].startswith("# PostgreSQL")


def test_a_second_platform_in_the_same_directory_is_refused(platform):
    command = [sys.executable, "-m", "hypercare.demo", "--directory", str(platform.directory.root), "--free-ports"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert "running in" in done.stderr
    assert platform.request(layout.API, "/healthz")[0] == 200


def assert_all_gone(family):
    wait_for(lambda: not [process for process in family if is_alive(process)], what="the end of all processes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_the_supervisor_ends(make_platform, number):
    platform = make_platform()
    family = platform.family()
    assert len(family) >= 15
    ports = platform.state.ports
    platform.stop(number)
    assert_all_gone(family)
    assert all(layout.port_is_free(port) for port in ports.values())
    with pytest.raises(DemoNotRunningError):
        faults.heal(platform.directory.root)
    # The next start finds the data of this one, even when nobody shut the database down in order.
    again = make_platform(platform.directory.root)
    again.answers(200, layout.API, "/v1/documents/3000")
    again.stop()


def test_a_stop_in_the_middle_of_the_start_leaves_nothing(open_directory):
    command = [sys.executable, "-m", "hypercare.demo", "--directory", str(open_directory), "--free-ports"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    family = wait_for(lambda: (found := psutil.Process(process.pid).children(recursive=True))[3:] and found)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 0
    assert_all_gone(family)
    process.stdout.close()


def python_for(user: str, environment: dict[str, str]) -> str:
    """A Python that this user may run and that finds our packages; skips the test where there is none."""
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):
        command = [python, "-c", "import aiohttp, numpy, prometheus_client, psycopg, hypercare.demo"]
        with contextlib.suppress(OSError, TypeError):
            if (
                subprocess.run(
                    command, user=user, env=environment, cwd="/", capture_output=True, check=False
                ).returncode
                == 0
            ):
                return python
    pytest.skip(f"no Python here that {user} may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_runs_without_root_too(make_platform, open_directory):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    python = python_for("nobody", environment)
    nobody = pwd.getpwnam("nobody")
    os.chown(open_directory, nobody.pw_uid, nobody.pw_gid)
    platform = make_platform(
        open_directory, python=python, user="nobody", group=nobody.pw_gid, extra_groups=[], cwd="/", env=environment
    )
    assert {process.uids().real for process in platform.family()} == {nobody.pw_uid}
    wait_for(lambda: platform.value(layout.EXPORTER, "pg_up") == 1)
    platform.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_root_may_have_a_private_run_directory(make_platform, open_directory):
    private = open_directory / "private"
    private.mkdir(mode=0o700)
    platform = make_platform(private)
    data = Path(psutil.Process(platform.state.pids[layout.POSTGRES]).cmdline()[2])
    assert not data.is_relative_to(private)
    platform.answers(200, layout.API, "/v1/documents/1")
    platform.stop()
    shutil.rmtree(data.parent)


def test_a_process_that_cannot_start_is_named(open_directory, monkeypatch):
    import asyncio

    from hypercare.demo import platform as module

    # The supervisor runs in here; the PostgreSQL of another platform may have new children at any time.
    before = psutil.Process().children()
    supervisor = module.Supervisor(open_directory, base_port=None)
    monkeypatch.setattr(
        supervisor,
        "_options",
        lambda name: ["--wrong"] if name == layout.VECTOR else module.Supervisor._options(supervisor, name),
    )
    with pytest.raises(DemoError, match=r"vector-search does not become healthy; see .*vector-search.log"):
        asyncio.run(supervisor.start())
    assert "--wrong" in (open_directory / "logs" / "vector-search.log").read_text()
    assert set(psutil.Process().children()) <= set(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_programs_that_the_other_user_cannot_reach_are_copied(open_directory, monkeypatch):
    from hypercare.demo import database

    monkeypatch.setattr(database, "_others_may_read", lambda _file: False)
    made = database.prepare_files(open_directory, 1)
    assert made.programs.is_relative_to(open_directory)
    assert (made.data / "PG_VERSION").exists()
    # The second start finds all of it there.
    before = (made.data / "PG_VERSION").stat().st_mtime_ns
    assert database.prepare_files(open_directory, 1) == made
    assert (made.data / "PG_VERSION").stat().st_mtime_ns == before
