"""Actions on the platform: list, show, run, approve, refuse."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="Actions on the platform: list, show, run, approve, refuse.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/actions"
Number = Annotated[int, typer.Argument(help="Number of the run.", min=1)]
Note = Annotated[str, typer.Option("--note", help="Why.")]
Values = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE for a place, such as service=gateway.")]


@app.command("list")
def list_(
    waiting: Annotated[bool, typer.Option("--waiting", help="Only runs that wait for an approval.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """The actions there are, and their last runs."""
    actions = [] if waiting else request(url, _BASE)
    runs = request(url, f"{_BASE}/runs", state="waiting" if waiting else None, limit=20)
    if json:
        as_json({"actions": actions, "runs": runs})
        return
    if not waiting:
        rows = [(a["name"], clean(a["description"]), ", ".join(_traits(a))) for a in actions]
        table(("action", "what", "how"), rows, "No actions; write them under actions: in hypercare.yml.")
        print()
    lines = [
        (str(r["number"]), r["action"], r["service"], r["state"], local(r["wanted_at"]), clean(r["by"]),
         clean(r["text"] or r["reason"])[:80])
        for r in runs
    ]  # fmt: skip
    empty = "Nothing waits for an approval." if waiting else "No runs."
    table(("run", "action", "service", "state", "asked", "by", "text"), lines, empty)


@app.command()
def show(number: Number, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """One run with its output."""
    _show(request(url, f"{_BASE}/runs/{number}"), json=json)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The action.")],
    values: Values = None,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Ask for an action; it may wait for an approval. Exit code 1: it was refused or has failed at once."""
    pairs = [value.partition("=") for value in values or ()]
    for place, sign, _ in pairs:
        if not sign or not place:
            raise typer.BadParameter(f"{place!r} is not NAME=VALUE", param_hint="--set")
    body = {"by": whoami(by), "reason": reason, "context": {k: v for k, _, v in pairs}, "dry_run": dry_run}
    _show(request(url, f"{_BASE}/{quote(name, safe='')}/run", body), json=json)


@app.command()
def approve(number: Number, by: By = "", url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Let a run begin that waits for an approval."""
    _show(request(url, f"{_BASE}/runs/{number}/approve", {"by": whoami(by)}), json=json)


@app.command()
def refuse(number: Number, note: Note = "", by: By = "", url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Do not let it begin."""
    _show(request(url, f"{_BASE}/runs/{number}/refuse", {"by": whoami(by), "note": note}), json=json, good=True)


def _traits(action: dict[str, Any]) -> list[str]:
    found = [f"{action['steps']} steps"] if action["steps"] > 1 else []
    return found + [name.replace("_", " ") for name in ("approval", "dry_run", "repeatable") if action[name]]


def _show(found: dict[str, Any], *, json: bool, good: bool = False) -> None:
    if json:
        as_json(found)
    else:
        service = f" of {found['service']}" if found["service"] else ""
        print(f"#{found['number']} {found['action']}{clean(service)} is {found['state']}")
        print(f"asked for by {clean(found['by'])}, {local(found['wanted_at'])}: {clean(found['reason'])}")
        if found["text"]:
            print(clean(found["text"], lines=True))
        for said in found["outputs"]:
            print(f"\n{said['state']}: {clean(said['what'])}  {clean(said['text'])}")
            print(clean(said["output"], lines=True).rstrip())
    if not good and found["state"] in {"refused", "failed", "interrupted"}:
        raise typer.Exit(1)
