"""Users, tokens and the audit log on the command line: the first administrator without a server, the rest with one."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from ports_kit import free_port

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    (folder / "hypercare.yml").write_text("platform: shop\ncollect: {host: {enabled: false}}\n")
    return folder


def run(place, *arguments, given="", **env):
    known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
    return subprocess.run(
        [sys.executable, "-m", "hypercare", *arguments], capture_output=True, text=True, timeout=120, check=False,
        input=given, cwd=place, env={**known, "HYPERCARE_URL": "http://127.0.0.1:1", **env},
    )  # fmt: skip


@pytest.fixture(scope="module")
def house(place):
    """A server that other machines could reach, with an administrator; gives a function that runs commands as ana."""
    port = free_port()
    listen = f"0.0.0.0:{port}"
    refused = run(place, "serve", "--listen", listen)
    assert refused.returncode == 2
    assert "hypercare users add NAME --role admin --data data" in refused.stderr
    made = run(place, "users", "add", "ana", "--role", "admin", "--data", "data", given=PASSWORD + "\n")
    assert (made.returncode, made.stdout) == (0, "ana is admin\n"), made.stderr
    with (place / "output.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercare", "serve", "--listen", listen], cwd=place, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=2)
            break
        except OSError:
            assert process.poll() is None, (place / "output.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
    basic = base64.b64encode(f"ana:{PASSWORD}".encode()).decode()
    asked = urllib.request.Request(
        f"{url}/api/hypercare/v1/me/tokens", json.dumps({"name": "cli", "scopes": ["admin"]}).encode(),
        {"Authorization": f"Basic {basic}", "Content-Type": "application/json"},
    )  # fmt: skip
    token = json.load(urllib.request.urlopen(asked, timeout=60))["token"]

    def ask(*arguments, given="", **env):
        return run(place, *arguments, given=given, **{"HYPERCARE_URL": url, "HYPERCARE_TOKEN": token, **env})

    ask.url = url
    yield ask
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    text = (place / "output.log").read_text()
    assert PASSWORD not in text
    assert token not in text


def test_users(house, place):
    assert house("users", "add", "ben", "-r", "responder", given="another horse\n").stdout == "ben is responder\n"
    again = house("users", "add", "ben", given="another horse\n")
    assert (again.returncode, again.stderr) == (3, "hypercare: there is a user 'ben' already\n")
    assert house("users", "add", "carl", given="").returncode == 2
    assert "at least 10" in house("users", "add", "carl", given="short\n").stderr
    assert house("users", "add", "carl", "-r", "root", given="another horse\n").returncode == 2
    assert house("users", "role", "ben", "viewer").returncode == 0
    assert house("users", "disable", "ben").returncode == 0
    shown = house("users", "list").stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["name", "ana", "ben"]
    assert "disabled" in shown
    assert house("users", "enable", "ben").returncode == 0
    assert house("users", "password", "ben", given="a third horse\n").returncode == 0
    assert house("users", "log-out", "ben").stdout == "0 sessions ended\n"
    assert "last administrator" in house("users", "disable", "ana").stderr
    used = house("users", "add", "dora", "--data", "data", given="another horse\n")
    assert used.returncode == 1
    assert "in use by another process" in used.stderr
    assert json.loads(house("users", "list", "--json").stdout)[0]["name"] == "ana"


def test_tokens(house):
    made = house("tokens", "add", "grafana", "--scope", "query", "--expires", "never")
    token = made.stdout.strip()
    assert token.startswith("hc_")
    assert house("query", "1", HYPERCARE_TOKEN=token).returncode == 0
    refused = house("users", "list", HYPERCARE_TOKEN=token)
    assert (refused.returncode, "scopes (query)" in refused.stderr) == (3, True)
    [one] = [t for t in json.loads(house("tokens", "list", "--json").stdout) if t["name"] == "grafana"]
    assert one["expires_at"] is None
    assert token[:11] in house("tokens", "list").stdout
    assert house("tokens", "revoke", one["id"]).returncode == 0
    assert house("tokens", "revoke", one["id"]).returncode == 1
    gone = house("query", "1", HYPERCARE_TOKEN=token)
    assert (gone.returncode, "is not valid here" in gone.stderr) == (3, True)
    none = house("query", "1", HYPERCARE_TOKEN="")
    assert (none.returncode, "log in at /account" in none.stderr) == (3, True)


def test_audit(house):
    shown = house("audit").stdout
    assert "add_token" in shown
    rows = json.loads(house("audit", "--json", "--action", "add_user", "--limit", "1000").stdout)
    assert rows[-1]["via"] == "command line"
    assert rows[-1]["detail"]["role"] == "admin"
    lines = [json.loads(line) for line in house("audit", "--export").stdout.splitlines()]
    assert lines[0]["action"] == "add_user"
    assert PASSWORD not in json.dumps(lines)
    verified = house("audit", "--verify")
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (0, "the audit log is whole")
    assert house("audit", "--since", "2099-01-01").stdout == "Nothing was changed.\n"


def test_peers_come_in_with_tokens(house, tmp_path):
    """amtool with a bearer token, promtool with a password file."""
    from shutil import which

    if which("amtool") is None or which("promtool") is None:
        pytest.skip("Debian's prometheus and prometheus-alertmanager are not installed")
    token = house("tokens", "add", "amtool", "--scope", "respond").stdout.strip()
    (tmp_path / "http.yml").write_text(f"authorization: {{credentials: {token}}}\n")
    told = subprocess.run(
        ["amtool", f"--alertmanager.url={house.url}", f"--http.config.file={tmp_path / 'http.yml'}", "silence", "add",
         "--author=ana", "--comment=x", "alertname=Foo"], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    host = house.url.removeprefix("http://")
    asked = subprocess.run(
        ["promtool", "query", "instant", f"http://any:{token}@{host}", "1"], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{house.url}/api/v1/query?query=1", timeout=60)
    assert refused.value.code == 401
