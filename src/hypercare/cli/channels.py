"""The ways to people: list, test, fake."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.show import as_json, local, table

app = typer.Typer(help="The ways to people: list, test, fake.", no_args_is_help=True)


@app.command("list")
def list_(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Every integration and contact way; exit code 1 if the last message of one was given up."""
    found = request(url, "/api/hypercare/v1/channels")
    if json:
        as_json(found)
    else:
        rows = [
            (w["kind"], w["name"], w["channel"], w["status"], _when(w["delivered_at"]), str(w["waiting"]), w["error"])
            for w in found
        ]
        table(("kind", "name", "channel", "status", "delivered", "waiting", "error"), rows, "No receivers.")
    if any(w["status"] == "critical" for w in found):
        raise typer.Exit(1)


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(help="Of a receiver; or person:NAME.")],
    by: By = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Send a test notification; exit code 1 unless it arrived everywhere."""
    person = name.removeprefix("person:") if name.startswith("person:") else ""
    body: dict[str, Any] = {"receiver": "" if person else name, "person": person, "by": whoami(by)}
    found = request(url, "/api/hypercare/v1/channels/test", body)
    if json:
        as_json(found)
    else:
        table(("channel", "target", "status", "error"), [_row(one) for one in found], "Nobody was told.")
    if any(one["status"] != "delivered" for one in found):
        raise typer.Exit(1)


@app.command()
def fake(
    kind: Annotated[str, typer.Argument(help="slack, pagerduty, webhook, …")],
    listen: Annotated[str, typer.Option("--listen", help="Address and port.")] = "127.0.0.1:9699",
) -> None:
    """Run a pretended receiver and show what arrives, until Ctrl-C: to try a configuration without the real one."""
    from hypercare.adapters.fakes import show
    from hypercare.channels.fakes import FAKES

    host, _, port = listen.rpartition(":")
    if kind not in FAKES or not port.isdecimal():
        print(f"hypercare: expected one of {', '.join(FAKES)}, and host:port", file=sys.stderr)
        raise typer.Exit(2)
    show(FAKES[kind](), host or "127.0.0.1", int(port))


def _when(at: str | None) -> str:
    return local(at) if at else "never"


def _row(one: dict[str, str]) -> tuple[str, ...]:
    return one["channel"], one["target"], one["status"], one["error"]
