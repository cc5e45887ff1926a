"""One suite for the real and the virtual way to run programs."""

from __future__ import annotations

import queue

import pytest

from hypercare.adapters.processes import SystemProcesses
from hypercare.ports import ProcessRequest
from hypercare.sim.clock import VirtualClock
from hypercare.sim.processes import Behaviour, VirtualProcesses
from hypercare.sim.world import World

SCRIPTS = {
    "fine": ("echo hello", Behaviour(takes=100, output=b"hello\n")),
    "fails": ("echo no; exit 3", Behaviour(takes=100, exit_code=3, output=b"no\n")),
    "hangs": ("echo begun; exec sleep 60", Behaviour(hangs=True, output=b"begun\n")),
}


class Real:
    def __init__(self):
        self.processes = SystemProcesses()

    def run(self, request):
        answers = queue.Queue()
        self.processes.submit(request, answers.put)
        found = answers.get(timeout=60)
        assert answers.empty()
        return found

    def close(self):
        self.processes.close()


class Virtual:
    def __init__(self):
        self.clock = VirtualClock(0)
        self.world = World(self.clock)
        self.processes = VirtualProcesses(self.world)
        for name, (_, behaviour) in SCRIPTS.items():
            self.processes.script(name, behaviour)
        self.processes.script("absent", Behaviour(error="it did not start: No such file or directory: absent"))

    def run(self, request):
        answers = []
        self.processes.submit(request, answers.append)
        assert answers == [], "a reply never comes before submit returns"
        while (due := self.world.next_due()) is not None:
            self.clock.advance_to(due)
            self.world.happen()
        (found,) = answers
        return found

    def close(self):
        pass


@pytest.fixture(params=[Real, Virtual])
def way(request):
    made = request.param()
    yield made
    made.close()


def asked(name, **more):
    return ProcessRequest(name, ("/bin/sh", "-c", SCRIPTS[name][0]), **more)


def test_success(way):
    result = way.run(asked("fine"))
    assert (result.exit_code, result.head, result.tail, result.omitted, result.error) == (0, b"hello\n", b"", 0, "")
    assert not result.timed_out


def test_failure(way):
    result = way.run(asked("fails"))
    assert (result.exit_code, result.signal, result.head) == (3, 0, b"no\n")


def test_its_time_is_over(way):
    for timeout in (600, 3_000, 20_000):
        result = way.run(asked("hangs", timeout=timeout))
        if result.head:
            break  # it had come to its first line
    assert (result.exit_code, result.signal, result.timed_out, result.head) == (None, 15, True, b"begun\n")
    assert result.duration >= 600


def test_it_does_not_start(way):
    result = way.run(ProcessRequest("absent", ("absent",)))
    assert result.exit_code is None
    assert result.error == "it did not start: No such file or directory: absent"
