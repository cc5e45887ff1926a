"""Real programs: groups, signals, huge output, a clean environment."""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
from pathlib import Path

import pytest

from hypercare.adapters.processes import CLOSING, Kept, SystemProcesses
from hypercare.ports import ProcessRequest


@pytest.fixture
def processes():
    made = SystemProcesses()
    yield made
    made.close()


@pytest.fixture
def run(processes):
    def run(*argv, **more):
        answers = queue.Queue()
        processes.submit(ProcessRequest("test", argv, **more), answers.put)
        return answers.get(timeout=60)

    return run


LONGER = (500, 3_000, 20_000)
"""Times (ms) to give a program before it is ended: longer ones where it had not even come to its first lines."""


def sh(script):
    return "/bin/sh", "-c", script


def gone(pid, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with Path(f"/proc/{pid}/stat").open() as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_both_streams_come_as_they_were_written(run):
    assert run(*sh("echo a; echo b >&2; echo c")).head == b"a\nb\nc\n"


def test_arguments_go_through_no_shell(run):
    assert run("/bin/echo", "$(id)", "; rm x", "*").head == b"$(id) ; rm x *\n"


def test_a_signal_is_told(run):
    result = run(*sh("kill -SEGV $$"))
    assert (result.exit_code, result.signal, result.timed_out, result.error) == (None, 11, False, "")


def test_the_environment_is_clean(run, monkeypatch):
    monkeypatch.setenv("HYPERCARE_TOKEN", "secret")
    monkeypatch.setenv("WANTED", "yes")
    lines = run("/usr/bin/env", env=(("MORE", "1"),), pass_env=("WANTED", "ABSENT")).head.decode().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "MORE", "WANTED"} <= names
    assert "HYPERCARE_TOKEN" not in names


def test_stdin_is_closed_or_what_was_given(run):
    assert run("/bin/cat").head == b""
    text = b"x" * 300_000
    assert run("/usr/bin/wc", "-c", stdin=text).head.strip() == b"300000"
    assert run("/bin/true", stdin=text).exit_code == 0


def test_where_it_runs_and_with_which_rights(run, tmp_path):
    assert run("/bin/pwd", cwd=str(tmp_path)).head.decode().strip() == str(tmp_path)
    assert run(*sh("umask")).head.strip().endswith(b"77")
    assert run("/bin/pwd", cwd=str(tmp_path / "no")).error.startswith("it did not start: No such file or directory")


def test_a_byte_that_no_argument_can_hold(run):
    assert run("/bin/echo", "a\0b").error.startswith("it did not start: ")


def test_huge_output_is_bounded_and_its_ends_are_kept(run):
    script = "print('first'); [print('x' * 99) for _ in range(300_000)]; print('last')"
    result = run(sys.executable, "-c", script, max_output=10_000)
    assert result.head.startswith(b"first\n")
    assert result.tail.endswith(b"last\n")
    assert len(result.head) + len(result.tail) == 10_000
    assert result.omitted == 30_000_000 + len("first\nlast\n") - 10_000


@pytest.mark.parametrize("size", [0, 1, 24, 25, 99, 100, 101, 1_000, 200_000])
@pytest.mark.parametrize("portion", [1, 7, 70_000])
def test_what_is_kept(size, portion):
    data = bytes(i % 251 for i in range(size))
    if size // portion > 10_000:
        pytest.skip("many small ones are shown by the others")
    kept = Kept(100)
    for first in range(0, size, portion):
        kept.add(data[first : first + portion])
    head, tail, omitted = kept.result()
    assert omitted == max(0, size - 100)
    assert head + tail == (data if size <= 100 else data[:25] + data[-75:])


def test_the_time_out_ends_grandchildren_too(run, tmp_path):
    pids = tmp_path / "pids"
    script = f"(trap '' TERM; echo $$ >> {pids}; sh -c 'echo $$ >> {pids}; sleep 600') & echo $! >> {pids}; sleep 600"
    for timeout in LONGER:
        pids.write_text("")
        result = run(*sh(script), timeout=timeout, kill_after=500)
        assert result.timed_out
        lines = pids.read_text().split()
        assert all(gone(int(line)) for line in lines)
        if len(lines) == 3:
            break
    assert len(set(lines)) >= 2


def test_one_that_ignores_the_first_signal_is_killed(run):
    for timeout in LONGER:
        result = run(*sh("trap '' TERM; echo deaf; while :; do sleep 0.05; done"), timeout=timeout, kill_after=300)
        if result.head == b"deaf\n":
            break
    assert (result.timed_out, result.signal) == (True, 9)


def test_one_that_ends_by_itself_after_the_first_signal(run):
    script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done"
    for timeout in LONGER:
        result = run(*sh(script), timeout=timeout, kill_after=60_000)
        if result.head.startswith(b"ready\n"):
            break
    assert (result.timed_out, result.exit_code) == (True, 4)
    assert result.head.endswith(b"bye\n")


def test_a_program_in_the_background_is_not_waited_for(run, tmp_path):
    started = time.monotonic()
    result = run(*sh("sleep 30 & echo $!"))
    assert result.exit_code == 0
    assert time.monotonic() - started < 25
    os.kill(int(result.head), 9)


def test_closing_ends_what_runs_and_refuses_what_comes_later(tmp_path):
    processes, answers = SystemProcesses(), queue.Queue()
    processes.submit(ProcessRequest("test", sh(f"echo begun > {tmp_path}/begun; exec sleep 600")), answers.put)
    end = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    processes.close()
    result = answers.get(timeout=60)
    assert (result.error, result.signal, result.timed_out) == (CLOSING, 15, False)
    processes.submit(ProcessRequest("test", ("/bin/true",)), answers.put)
    assert answers.get(timeout=60).error == CLOSING


def test_no_thread_and_no_file_is_left(run):
    run("/bin/true")
    # What earlier tests left in cycles is not to be closed in the middle.
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        run("/bin/true", stdin=b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert [t.name for t in threading.enumerate() if t.name == "process" and t.is_alive()] in ([], ["process"])
