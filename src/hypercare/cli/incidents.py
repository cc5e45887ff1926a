"""Incidents: list, show, ack, unack, note, resolve; what belongs to their rooms is in ``incident_room.py``."""

from __future__ import annotations

from typing import Annotated

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.incident_room import Ref, add_room, path_of, say
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="Incidents: list, ack, note, resolve; rooms, post-mortems, statistics.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/incidents"


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
    i = request(url, path_of(ref))
    if json:
        as_json(i)
        return
    print(f"#{i['number']} {clean(i['title'])}")
    print(f"{i['severity']} · {i['status']} · {clean(i['service']) or 'no service'}")
    if i["runbook_url"]:
        print(f"runbook: {clean(i['runbook_url'])}")
    if i["clocks"]:
        print()
        rows = [
            (
                c["clock"],
                c["state"],
                local(c["breach_at"]),
                local(c["met_at"]) if c["met_at"] else "-",
                c["met_by"] or "-",
            )
            for c in i["clocks"]
        ]
        table(("clock", "state", "limit", "met", "by"), rows, "")
    print()
    table(
        ("time", "", "what"), [(local(t["at"]), t["kind"], t["text"]) for t in i["timeline"]], "Nothing happened yet."
    )


@app.command()
def ack(
    ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="A word about it.")] = "", url: Url = DEFAULT_URL
) -> None:
    """Take an incident: the escalation stops."""
    say(request(url, path_of(ref, "/ack"), {"by": whoami(by), "note": note}))


@app.command()
def unack(ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="Why.")] = "", url: Url = DEFAULT_URL) -> None:
    """Hand an incident back: those on call are paged from the beginning."""
    say(request(url, path_of(ref, "/unack"), {"by": whoami(by), "note": note}))


def _phase(ref: str, action: str, by: str, note: str, url: str) -> None:
    clocks = request(url, path_of(ref, action), {"by": whoami(by), "note": note})
    rows = [(c["clock"], c["state"], local(c["breach_at"])) for c in clocks]
    table(("clock", "state", "limit"), rows, "The incident has no clocks.")


@app.command()
def assess(
    ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="What it is.")] = "", url: Url = DEFAULT_URL
) -> None:
    """Say that an acknowledged incident is assessed: its clock stops."""
    _phase(ref, "/assess", by, note, url)


@app.command()
def investigate(
    ref: Ref, by: By = "", note: Annotated[str, typer.Option(help="Where you look.")] = "", url: Url = DEFAULT_URL
) -> None:
    """Say that an acknowledged incident is under investigation: its clock stops."""
    _phase(ref, "/investigate", by, note, url)


@app.command()
def note(
    ref: Ref,
    text: str,
    kind: Annotated[str, typer.Option(help="note, finding, decision or action.")] = "note",
    at: Annotated[str, typer.Option(help="When it was: an RFC 3339 instant; now by default.")] = "",
    pin: Annotated[bool, typer.Option("--pin", help="Keep it above the others.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Add a note to the timeline."""
    body = {"by": whoami(by), "text": text, "kind": kind, "at": at, "pinned": pin}
    say(request(url, path_of(ref, "/notes"), body))


@app.command()
def resolve(
    ref: Ref,
    by: By = "",
    note: Annotated[str, typer.Option(help="What ended it.")] = "",
    cause: Annotated[str, typer.Option(help="What it was, for the statistics.")] = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Say that an incident is over."""
    say(request(url, path_of(ref, "/resolve"), {"by": whoami(by), "note": note, "cause": cause}))


add_room(app)
