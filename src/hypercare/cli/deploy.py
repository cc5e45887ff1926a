"""Deployments under watch: start, list, show, sign, answer, note, action, cancel."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(
    help="Deployments under watch: start, list, show, sign, answer, note, action, cancel.", no_args_is_help=True
)
Ref = Annotated[str, typer.Argument(help="Number, id, or the service: its newest.")]
_BASE = "/api/hypercare/v1/deployments"
_EXIT = {"SUCCESS": 0, "CONCERNS": 1, "FAILURE": 2, "INCONCLUSIVE": 3, "": 0}


def _path(ref: str, action: str = "") -> str:
    return f"{_BASE}/{quote(ref.removeprefix('#'), safe='')}{action}"


def _say(watch: dict[str, Any]) -> None:
    verdict = f", {watch['verdict']}" if watch["verdict"] else ""
    print(f"#{watch['number']} {clean(watch['service'])} {clean(watch['version'])} is {watch['status']}{verdict}")


@app.command()
def start(  # noqa: PLR0917 - options of a command
    service: str,
    version: str,
    plan: Annotated[str, typer.Option(help="Its name; left out: the one for the service.")] = "",
    previous: Annotated[str, typer.Option(help="The version before.")] = "",
    color: Annotated[str, typer.Option(help="Of the new version, where two colours serve.")] = "",
    other_color: Annotated[str, typer.Option(help="Of the other one.")] = "",
    link: Annotated[str, typer.Option(help="The pipeline or the change.")] = "",
    at: Annotated[str, typer.Option(help="When it went out, RFC 3339; left out: now.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="End the running watch of the service.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """A version went out: watch it."""
    body = {
        "service": service, "version": version, "plan": plan, "previous": previous, "color": color,
        "other_color": other_color, "url": link, "at": at, "replace": replace, "by": whoami(by),
    }  # fmt: skip
    found = request(url, _BASE, body)
    if json:
        as_json(found)
        return
    until = local(found["ends_at"])
    print(f"#{found['number']} {service} {version} is watched by plan {found['plan_name']} until {until}")


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="running, done or cancelled.")] = None,
    service: Annotated[str, typer.Option(help="Of this service only.")] = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """The newest watches first."""
    found = request(url, _BASE, status=status, service=service)
    if json:
        as_json(found)
        return
    rows = [
        (f"#{w['number']}", w["service"], w["version"], w["status"], w["verdict"] or "-", local(w["started_at"]))
        for w in found
    ]
    table(("", "service", "version", "status", "verdict", "started"), rows, "No deployments.")


@app.command()
def show(ref: Ref, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """One watch with its evidence; exit code 0 SUCCESS or running, 1 CONCERNS, 2 FAILURE, 3 INCONCLUSIVE."""
    w = request(url, _path(ref))
    if json:
        as_json(w)
    else:
        _print(w)
    raise typer.Exit(_EXIT.get(w["verdict"], 3) if w["status"] == "done" else 0)


def _print(w: dict[str, Any]) -> None:
    _say(w)
    taken = [p for p in w["checkpoints"] if p["taken_at"]]
    left = [p for p in w["checkpoints"] if not p["taken_at"]]
    if w["status"] == "running" and left:
        print(f"next checkpoint {left[0]['number']} ({left[0]['phase']}) at {local(left[0]['due_at'])}")
    if taken:
        print()
        kinds = ("value", "baseline", "warning", "critical")
        readings = taken[-1]["readings"].items()
        rows = [(name, *(_number(r[kind]) for kind in kinds), r["unit"], r["state"]) for name, r in readings]
        table(("check", *kinds, "", "state"), rows, "No checks.")
    if w["findings"]:
        print()
        rows = [(local(f["at"]), f["level"], f["check"], f["method"], f["reason"]) for f in w["findings"]]
        table(("found", "level", "check", "by", "why"), rows, "")
    if w["verdicts"]:
        print()
        last = w["verdicts"][-1]
        print(f"{last['verdict']} at {local(last['at'])}")
        rows = [(o["state"], o["name"], o["reason"]) for o in last["outcomes"]]
        table(("", "criterion", "evidence"), rows, "")
    if w["actions"]:
        print()
        rows = [(a["action"], a["state"], a["reason"], a["text"]) for a in w["actions"]]
        table(("action", "state", "why", ""), rows, "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


@app.command()
def sign(
    ref: Ref,
    checkpoint: Annotated[int, typer.Argument(help="Its number; left out: the last one taken.")] = 0,
    notes: Annotated[str, typer.Option(help="What was seen.")] = "",
    action: Annotated[str, typer.Option(help="What was done.")] = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Sign a checkpoint: somebody has looked."""
    body = {"number": checkpoint, "notes": notes, "action": action, "by": whoami(by)}
    _say(request(url, _path(ref, "/sign"), body))


@app.command()
def answer(
    ref: Ref,
    criterion: str,
    state: Annotated[str, typer.Argument(help="pass, concern or fail.")],
    note: Annotated[str, typer.Option(help="A word about it.")] = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Answer a criterion that asks a person."""
    body = {"criterion": criterion, "state": state, "note": note, "by": whoami(by)}
    _say(request(url, _path(ref, "/answer"), body))


@app.command()
def note(ref: Ref, text: str, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Write a line into the journal."""
    _say(request(url, _path(ref, "/notes"), {"text": text, "by": whoami(by)}))


@app.command()
def action(
    ref: Ref,
    name: str,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Ask for an action, such as the roll-back."""
    _say(request(url, _path(ref, "/action"), {"action": name, "reason": reason, "by": whoami(by)}))


@app.command()
def cancel(ref: Ref, why: Annotated[str, typer.Option(help="Why.")] = "", by: By = "", url: Url = DEFAULT_URL) -> None:
    """Watch no longer; nothing is concluded."""
    _say(request(url, _path(ref, "/cancel"), {"text": why, "by": whoami(by)}))
