"""Channels on the command line: against a real server and real sockets."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from ports_kit import free_port


def test_a_test_arrives_and_is_listed(server, target):
    before = target.posts
    sent = server("channels", "test", "quiet", "--by", "ada", "--json")
    assert sent.returncode == 0
    assert [(o["channel"], o["status"]) for o in json.loads(sent.stdout)] == [("webhook", "delivered")]
    assert target.posts == before + 1
    listed = server("channels", "list")
    assert listed.returncode == 0
    [line] = [line for line in listed.stdout.splitlines() if "quiet" in line]
    assert line.split()[:4] == ["receiver", "quiet", "webhook", "ok"]
    assert server("channels", "test", "person:ana").returncode == 0


def test_names_that_do_not_exist(server):
    for name in ("nobody", "person:nobody"):
        ended = server("channels", "test", name)
        assert (ended.returncode, "there is no" in ended.stderr) == (3, True)


@pytest.mark.parametrize("arguments", [["nope"], ["slack", "--listen", "nowhere"]])
def test_fakes_that_do_not_exist(cli, arguments):
    ended = cli("channels", "fake", *arguments)
    assert (ended.returncode, "expected one of" in ended.stderr) == (2, True)


def test_a_fake_shows_what_arrives():
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercare", "channels", "fake", "webhook", "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    answer = None
    while answer is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/x", b'{"a": 1}', timeout=10).status
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert answer == 200
    assert f"POST http://127.0.0.1:{port}/x -> 200" in said
    assert '{"a": 1}' in said
    assert process.returncode == 0
