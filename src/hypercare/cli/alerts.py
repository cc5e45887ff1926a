"""Alerts: list them, and ask what became of one."""

from __future__ import annotations

from typing import Annotated

import typer

from hypercare.cli import ask
from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="List the firing alerts; exit code 1 if there is an active one. Or ask why: alerts why LABELS.")


@app.callback(invoke_without_command=True)
def alerts(context: typer.Context, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """List the firing alerts; exit code 1 if there is an active one."""
    if context.invoked_subcommand is None:
        ask.alerts(url, json)


@app.command("why")
def why(
    matchers: Annotated[list[str], typer.Argument(help='Such as alertname=Broken or service=~"a|b".')],
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """What became of an alert: who was told when, with what answer, and why somebody was not."""
    found = request(url, "/api/hypercare/v1/alerts/why", match=matchers)
    if json:
        as_json(found)
        return
    if not found["alerts"]:
        print(clean(found["text"]))
        raise typer.Exit(1)
    for alert in found["alerts"]:
        inner = ", ".join(f'{n}="{v}"' for n, v in alert["labels"].items())
        print(f"{{{clean(inner)}}}")
        print(clean(alert["now"]))
        table(("time", "what"), [(local(line["at"]), line["text"]) for line in alert["journal"]], "Nothing happened.")
