"""Every command as a process, against a server on loopback."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import typer

from hypercare.cli import COMMANDS

pytestmark = pytest.mark.e2e


def test_version_and_help(cli):
    assert cli("version").stdout.startswith("hypercare 0.")
    assert cli("--version").stdout == cli("version").stdout
    shown = cli("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in [*COMMANDS, "version"])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_tells_the_truth(name):
    module, attribute, text = COMMANDS[name]
    found = getattr(importlib.import_module(f"hypercare.cli.{module}"), attribute)
    told = found.info.help if isinstance(found, typer.Typer) else found.__doc__
    assert told.strip().splitlines()[0] == text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli, name):
    shown = cli(name, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"hypercare {name}" in shown.stdout


def test_talking_to_a_server_loads_no_server():
    """What makes the command line quick: the heavy rooms are not imported."""
    code = (
        "import sys\nfrom hypercare.cli import main\n"
        "try: main(['oncall', '--url', 'http://127.0.0.1:1'])\nexcept SystemExit as e: assert e.code == 3, e\n"
        "heavy = {'uvicorn', 'fastapi', 'numpy', 'sqlalchemy', 'hypercare.config', 'hypercare.app'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",), ("query",), ("check", "--bogus"), ("check", "--once", "--report"), ("check", "--once", "5"),
        ("check", "--continuous", "0.5"), ("check", "--continuous", "soon"), ("incidents", "show"), ("incidents", "ack"),
        ("silences", "add", "a=b"), ("silences", "add", "a b", "-c", "x"), ("silences", "add", "a=b", "-c", "x", "-d", "soon"),
        ("silences", "expire"), ("serve", "--listen", "nowhere"), ("serve", "--config", "nosuch.yml"),
    ],
)  # fmt: skip
def test_usage_errors_are_2(cli, arguments):
    ended = cli(*arguments)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",), ("check", "--json"), ("query", "up"), ("alerts",), ("targets",), ("oncall",), ("incidents", "list"),
        ("incidents", "show", "1"), ("incidents", "ack", "1"), ("silences", "list"), ("silences", "add", "a=b", "-c", "x"),
        ("silences", "expire", "x"), ("oncall", "--url", "ftp://x"), ("oncall", "--url", "http://"),
        ("oncall", "--url", "http://127.0.0.1:99999"), ("oncall", "--url", "http://no such host"),
        ("check", "--config", "nosuch.yml"),
    ],
)  # fmt: skip
def test_a_server_that_is_away_is_3(cli, arguments):
    ended = cli(*arguments)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()


def test_configuration(cli, platform):
    good = cli("config", "check")
    assert good.returncode == 0, good.stdout
    assert "hypercare.yml: good: 2 files, 1 services, 1 scrape jobs, 1 rules, 1 receivers, 1 people" in good.stdout
    (platform / "bad.yml").write_text("platfrom: x\npeople: 5\n")
    bad = cli("config", "check", "bad.yml")
    assert bad.returncode == 2
    assert "bad.yml:1:1:" in bad.stdout
    assert "2 problems" in bad.stdout
    assert cli("config", "check", "nosuch.yml").returncode == 2
    schema = json.loads(cli("config", "schema").stdout)
    assert "services" in schema["properties"]


@pytest.mark.parametrize(("host", "why"), [("127.0.0.1", "in use"), ("192.0.2.1", "assign"), ("host.invalid", "")])
def test_serve_says_that_its_address_cannot_be_had_before_it_opens_the_data(tmp_path, host, why):
    (tmp_path / "hypercare.yml").write_text("platform: shop\n")
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"{host}:{other.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "hypercare", "serve", "--listen", address],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"cannot listen on {address}: " in done.stderr
    assert why in done.stderr
    assert "--listen HOST:PORT" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_healthy_platform(server, target):
    shown = server.good("check", "--once")
    assert shown.stdout.startswith("shop: ok ")
    assert "service" in shown.stdout
    assert server.good("check", "--report").stdout.startswith("# shop: ok\n")
    body = json.loads(server.good("check", "--json").stdout)
    assert (body["status"], body["exit_code"]) == ("ok", 0)
    assert server("alerts").returncode == 0
    assert server("alerts").stdout == "Nothing fires.\n"
    assert json.loads(server("alerts", "--json").stdout) == []
    assert server.good("targets").stdout.splitlines()[1].split()[:2] == ["up", "api"]
    assert {t["health"] for t in json.loads(server.good("targets", "--json").stdout)} == {"up"}
    assert server("oncall").stdout.splitlines()[1].split()[:2] == ["primary", "ana"]
    assert json.loads(server("oncall", "--json").stdout)["now"][0]["person"] == "ana"
    assert server("incidents", "list").stdout == "No incidents.\n"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("1 + 1", "2\n"),
        ('"a\x1bb"', "a\ufffdb\n"),
        ("truth", None),
        ("nosuch", "no data\n"),
        ("vector(5)", "series  value\n{}      5\n"),
        ("1e21", "1" + "0" * 21 + "\n"),
    ],
)
def test_queries(server, query, shown):
    if shown is None:
        found = server.until(lambda: server("query", query).stdout.splitlines()[1:], "a series")
        assert found[0].startswith("truth{")
        return
    ended = server("query", query)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == shown


def test_queries_in_other_ways(server):
    matrix = server("query", "truth[10s]").stdout.splitlines()
    assert "@" in matrix[1]
    assert json.loads(server("query", "1", "--json", "--time", "5").stdout) == {
        "resultType": "scalar",
        "result": [5, "1"],
    }
    assert server("query", "truth", "--time", "1").stdout == "no data\n"
    wrong = server("query", "1 +")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "1:4: parse error: unexpected end of input\n    1 +\n       ^" in wrong.stderr


def test_silences(server):
    made = server(
        "silences", "add", 'alertname=~"A|B"', "job!=x", "--comment", "known", "--by", "ana", "--duration", "2h"
    )
    assert made.returncode == 0, made.stderr
    one = made.stdout.strip()
    shown = server("silences", "list").stdout
    assert one in shown
    assert 'alertname=~"A|B", job!="x"' in shown
    assert json.loads(server("silences", "list", "--json").stdout)[0]["createdBy"] == "ana"
    gone = server("silences", "expire", one, "nosuch")
    assert (gone.returncode, gone.stderr) == (1, "nosuch: silence not found\n")
    time.sleep(0.01)
    assert server("silences", "list").stdout == "No silences.\n"
    assert one in server("silences", "list", "--expired").stdout
    every = ("--every", "mon-fri 02:00-04:00", "--every", "sun", "--zone", "Europe/Madrid")
    assert server("silences", "add", "a=b", "-c", "backup", *every).returncode == 0
    assert "mon-fri 02:00-04:00 Europe/Madrid; sun Europe/Madrid (" in " ".join(
        server("silences", "list", COLUMNS="300").stdout.split()
    )
    assert "recurrence" in json.loads(server("silences", "list", "--json").stdout)[0]
    wrong = server("silences", "add", "a=b", "-c", "backup", "--every", "someday")
    assert (wrong.returncode, "at character 1: 'someday'" in wrong.stderr) == (2, True)


def test_an_incident(server, target):
    target.truth = 0
    server.until(lambda: json.loads(server("incidents", "list", "--json").stdout), "an incident")
    looked = server("check")
    assert looked.returncode == 2
    assert "\x1b" not in looked.stdout, "what labels and annotations hold is shown, not obeyed"
    fires = server("alerts")
    assert fires.returncode == 1
    assert "Broken" in fires.stdout
    assert "\x1b" not in fires.stdout
    assert "open" in server("incidents", "list", "--status", "open").stdout
    taken = server("incidents", "ack", "#1", "--by", "ben", "--note", "mine")
    assert taken.stdout.startswith("#1 is acknowledged: ")
    assert server("incidents", "note", "1", "seen\nit", HYPERCARE_USER="ana").returncode == 0
    shown = server("incidents", "show", "1").stdout
    assert "runbook: https://wiki.example/broken" in shown
    assert "seen it" in shown
    assert "\x1b" not in shown
    timeline = json.loads(server("incidents", "show", "1", "--json").stdout)["timeline"]
    assert ("ana", "seen\nit") in [(t["by"], t["text"]) for t in timeline]
    assert "resolved" in server("incidents", "resolve", "1").stdout
    again = server("incidents", "ack", "1")
    assert (again.returncode, again.stdout) == (3, "")
    assert "nothing to acknowledge" in again.stderr
    assert server("incidents", "show", "7").returncode == 3
    assert server("incidents", "show", "../oncall").returncode == 3
    odd = server("incidents", "list", "--status", "odd")
    assert odd.returncode == 3
    assert "status" in odd.stderr
    target.truth = 1


@pytest.mark.parametrize("arguments", [("1",), ()])
def test_looking_again_and_again(server, platform, arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercare", "check", "--continuous", *arguments, "--json"], cwd=platform,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "HYPERCARE_URL": server.url},
    )  # fmt: skip
    lines = [json.loads(process.stdout.readline()) for _ in range(2 if arguments else 1)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    # On a busy machine it may have looked once more.
    lines += map(json.loads, rest.splitlines())
    assert process.returncode == lines[-1]["exit_code"], errors
    assert "Traceback" not in errors


def test_looking_without_a_server(cli, other_target):
    target, file = other_target
    # On a busy machine a look may find that its one scrape took too long.
    cli.until(lambda: cli("check", "--config", str(file), "--json").returncode == 0, "a healthy look")
    target.truth = 0

    def broken():
        look = cli("check", "--config", str(file))
        assert look.returncode == 2, look.stdout
        return "Broken" in look.stdout

    cli.until(broken, "a condition that holds now counts, whatever its for")
    assert target.posts == 0, "a look tells nobody"


def test_a_log_in_is_asked_for(platform, cli, target):
    (platform / "closed.yml").write_text((platform / "hypercare.yml").read_text() + "web: {token: sesame}\n")
    beyond = cli("serve", "--config", "hypercare.yml", "--data", str(platform / "d3"), "--listen", "0.0.0.0:0")
    assert beyond.returncode == 2
    assert "web.token_file" in beyond.stderr


def test_a_server_loads_what_few_need_only_when_it_is_needed():
    """20 MB of memory together; what loads one of them again at start fails here."""
    rare = {
        "alembic", "argon2", "cryptography", "dns", "google.protobuf", "hypercare.sim", "markdown_it", "psutil", "psycopg",
        "smtplib", "sqlalchemy.dialects.postgresql", "xml.etree.ElementTree",
    }  # fmt: skip
    code = f"import sys, hypercare.cli.serve, hypercare.web; print(sorted({rare!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
