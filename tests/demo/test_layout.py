from __future__ import annotations

import asyncio
import os
import socket

import pytest

from hypercare.demo import faults, layout
from hypercare.demo.platform import Supervisor
from hypercare.demo.state import DemoError, DemoNotRunningError, DemoState, read_state, write_state
from ports_kit import free_port


def test_a_taken_port_is_replaced_and_the_others_stay():
    with socket.socket() as taken:
        taken.bind((layout.HOST, 0))
        taken.listen()
        base = taken.getsockname()[1]
        ports = layout.choose_ports(base)
    assert ports[layout.CONTROL] != base
    assert len(set(ports.values())) == len(ports) == 11


def test_ports_are_fixed_where_they_are_free(monkeypatch):
    monkeypatch.setattr(layout, "port_is_free", lambda _port: True)
    assert list(layout.choose_ports(9610).values()) == list(range(9610, 9621))


def test_without_a_base_any_ports_will_do():
    ports = layout.choose_ports(None)
    assert len(set(ports.values())) == 11
    assert all(layout.port_is_free(port) for port in ports.values())


def test_a_port_taken_after_the_choice_is_replaced(monkeypatch, tmp_path):
    async def ports_of(base):
        supervisor = Supervisor(tmp_path, base_port=base)
        await supervisor._take_ports()
        await supervisor._control.stop()
        return supervisor.ports

    with socket.socket() as taken:
        taken.bind((layout.HOST, 0))
        taken.listen()
        base = taken.getsockname()[1]
        monkeypatch.setattr(layout, "port_is_free", lambda _port: True)
        assert base not in asyncio.run(ports_of(base)).values()


def a_state(pid):
    return DemoState(
        pid=pid, control="http://127.0.0.1:1", token="secret", ports={"control": 1}, pids={}, faults=("db-down",)
    )


def test_the_state_comes_back_as_written_and_is_private(tmp_path):
    path = tmp_path / "state.json"
    write_state(path, a_state(os.getpid()))
    assert read_state(path) == a_state(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(read_state(path))


def test_a_dead_supervisor_is_no_demo(tmp_path):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    write_state(tmp_path / "state.json", a_state(child))
    with pytest.raises(DemoNotRunningError, match="hypercare demo"):
        read_state(tmp_path / "state.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"faults": []}', '{"faults": 3}', "\x00"])
def test_a_damaged_state_is_an_error_that_names_the_file(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(DemoError, match=r"state\.json"):
        read_state(tmp_path / "state.json")


def test_breaking_without_a_demo_says_how_to_start_one(tmp_path):
    for act in (
        lambda: faults.break_fault(tmp_path, "db-down"),
        lambda: faults.heal(tmp_path),
        lambda: faults.status(tmp_path),
    ):
        with pytest.raises(DemoNotRunningError, match="start one with: hypercare demo"):
            act()


def test_a_control_port_where_nobody_listens_is_no_demo(tmp_path):
    state = a_state(os.getpid())
    free = free_port()
    write_state(
        tmp_path / "state.json",
        DemoState(**{**{f: getattr(state, f) for f in state.__slots__}, "ports": {"control": free}}),
    )
    with pytest.raises(DemoNotRunningError):
        faults.heal(tmp_path)


def test_unknown_faults_are_named_with_the_known_ones(tmp_path):
    for act in (faults.break_fault, faults.heal):
        with pytest.raises(
            faults.UnknownFaultError, match="api-errors, llm-latency, vector-down, db-down, memory-leak"
        ):
            act(tmp_path, "meteor")
