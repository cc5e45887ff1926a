"""Incidents: list, show, ack, unack, note, resolve."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="Incidents: list, show, ack, unack, note, resolve.", no_args_is_help=True)
Ref = Annotated[str, typer.Argument(help="Number or id.")]
_BASE = "/api/hypercare/v1/incidents"


def _path(ref: str, action: str = "") -> str:
    return f"{_BASE}/{quote(ref.removeprefix('#'), safe='')}{action}"


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="open, acknowledged, resolved or unresolved.")] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """The newest incidents first."""
    found = request(url, _BASE, status=status)
    if json:
        as_json(found)
        return
    rows = [
        (
            f"#{i['number']}",
            i["severity"],
            i["status"],
            i["service"],
            local(i["opened_at"]),
            i["acknowledged_by"] or "-",
            i["title"],
        )
        for i in found
    ]
    table(("", "sev", "status", "service", "opened", "taken by", "title"), rows, "No incidents.")


@app.command()
def show(ref: Ref, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """One incident: facts, alerts, timeline."""
    i = request(url, _path(ref))
    if json:
        as_json(i)
        return
    print(f"#{i['number']} {clean(i['title'])}")
    print(f"{i['severity']} · {i['status']} · {clean(i['service']) or 'no service'}")
    if i["runbook_url"]:
        print(f"runbook: {clean(i['runbook_url'])}")
    print()
    table(
        ("time", "", "what"), [(local(t["at"]), t["kind"], t["text"]) for t in i["timeline"]], "Nothing happened yet."
    )


def _say(incident: dict[str, Any]) -> None:
    print(f"#{incident['number']} is {incident['status']}: {clean(incident['title'])}")


@app.command()
def ack(
    ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="A word about it.")] = "", url: Url = DEFAULT_URL
) -> None:
    """Take an incident: the escalation stops."""
    _say(request(url, _path(ref, "/ack"), {"by": whoami(by), "note": note}))


@app.command()
def unack(ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="Why.")] = "", url: Url = DEFAULT_URL) -> None:
    """Hand an incident back: those on call are paged from the beginning."""
    _say(request(url, _path(ref, "/unack"), {"by": whoami(by), "note": note}))


@app.command()
def note(ref: Ref, text: str, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Add a note to the timeline."""
    _say(request(url, _path(ref, "/notes"), {"by": whoami(by), "text": text}))


@app.command()
def resolve(
    ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="What it was.")] = "", url: Url = DEFAULT_URL
) -> None:
    """Say that an incident is over."""
    _say(request(url, _path(ref, "/resolve"), {"by": whoami(by), "note": note}))
