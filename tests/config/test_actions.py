"""Actions that cannot be meant so: each tells its place, what was expected, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypercare.config import load
from hypercare.model.errors import InputError
from hypercare.sim import VirtualClock, World, virtual_ports

FILE = Path("/virtual/hypercare.yml")


def read(text):
    clock = VirtualClock(0)
    files = virtual_ports(clock, World(clock), 0, {FILE: text.encode()}).files
    return load(FILE, files, {}).hypercare


# one action, line:column of the problem, how the message begins, how the hint begins
TABLE = [
    ("{name: a}", "1:12", "one of command, http, kubectl, docker, steps is required", ""),
    ("{name: a, command: [x], docker: {restart: b}}", "1:44", "at most one of command, http, kubectl, docker, steps", "both"),
    ("{name: a b, command: [x]}", "1:19", "", ""),
    ("{name: a, command: x y}", "1:31", "expected a list of program and arguments, found a text", "write it as a list"),
    ("{name: a, command: {run: x y}}", "1:37", "expected a list of program and arguments, found a text", "write it as"),
    ("{name: a, command: [x, $servce]}", "1:35", "unknown place $servce", "did you mean service?"),
    ("{name: a, command: [x, $HOME]}", "1:35", "unknown place $HOME", "there are $service, $version"),
    ("{name: a, command: [$service]}", "1:32", "the program itself cannot be a place", "name it"),
    ("{name: a, command: []}", "1:31", "", ""),
    ("{name: a, command: {run: rm $service, shell: true}}", "1:37", "$service is not put into the text of a shell", 'write "$HYPERCARE_SERVICE"'),
    ("{name: a, command: {run: [x], env: {A-B: c}}}", "1:53", "not a name of an environment variable: 'A-B'", ""),
    ("{name: a, command: {run: [x], exit_codes: 999}}", "1:54", "", ""),
    ("{name: a, http: {url: ftp://x}}", "1:34", "not a valid URL", ""),
    ("{name: a, http: {}}", "1:28", "one of url, url_file is required", ""),
    ("{name: a, http: {url: 'http://x/$color$'}}", "", "", ""),
    ("{name: a, http: {url: 'http://x/$colour'}}", "1:34", "unknown place $colour", "did you mean color?"),
    ("{name: a, http: {url: 'http://x', expected_status: 99}}", "1:63", "not an HTTP status: '99'", "write 200, 2xx"),
    ("{name: a, http: {url: 'http://x', json: {a: [$b]}}}", "1:52", "unknown place $b", "there are"),
    ("{name: a, kubectl: {undo: x}}", "1:32", "unknown key 'undo'", "the key is called rollout_undo"),
    ("{name: a, kubectl: {args: [x], wait: 1m}}", "1:49", "there is no roll-out to wait for after args", "run kubectl"),
    ("{name: a, docker: {restart: x, stop: y}}", "1:49", "at most one of restart, start, stop", "both restart and stop"),
    ("{name: a, command: [x], approve_within: 1m}", "1:52", "approve_within is for actions that need an approval", "approval: true"),
    ("{name: a, command: [x], timeout: 0s}", "1:45", "", ""),
    ("{name: a, command: [x], tell: [nobody]}", "1:43", "unknown person 'nobody'", "none is defined"),
    ("{name: a, steps: [{command: [x], docker: {stop: y}}]}", "1:53", "at most one of command, http, kubectl, docker", "both"),
    ("{name: a, command: [x]}, {name: a, command: [y]}", "1:44", "the name 'a' stands twice in actions", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "says", "advises"), TABLE)
def test_place_message_and_hint(text, place, says, advises):
    whole = f"actions: [ {text}]\n"
    if not place:
        assert read(whole).actions
        return
    with pytest.raises(InputError) as caught:
        read(whole)
    (problem,) = caught.value.problems
    assert (f"{problem.line}:{problem.column}", problem.message[: len(says)]) == (place, says)
    assert problem.hint.startswith(advises)


def test_steps_of_escalations_name_actions_that_exist():
    steps = "escalations: [{name: default, steps: [{run: restrat}]}]\n"
    with pytest.raises(InputError, match="unknown action 'restrat'"):
        read(steps)
    with pytest.raises(InputError, match="did you mean restart"):
        read("actions: [{name: restart, command: [x]}]\n" + steps)
    read("actions: [{name: restrat, command: [x]}]\n" + steps)


def test_the_short_forms():
    (action,) = read("actions: [{name: a, command: [x, $service], dry_run: yes}]").actions
    assert (action.command.run, action.command.shell, action.dry_run) == (("x", "$service"), False, True)
    (action,) = read("actions: [{name: a, docker: {restart: $service}, dry_run: [x, -n]}]").actions
    assert (action.docker.restart, action.dry_run) == (("$service",), ("x", "-n"))
    (action,) = read("actions: [{name: a, http: {url: 'http://x', expected_status: [2xx, 409]}}]").actions
    assert action.http.expected_status == (2, 409)
