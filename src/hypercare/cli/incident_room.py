"""The room of an incident from the terminal: severity, roles, tasks, checklists, updates, merging, post-mortems."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, request_text, whoami
from hypercare.cli.failure import ServerError
from hypercare.cli.show import as_json, clean, local, table

if TYPE_CHECKING:
    from collections.abc import Sequence

Ref = Annotated[str, typer.Argument(help="Number or id.")]
Due = Annotated[str, typer.Option(help="When: an RFC 3339 instant, or a time from now such as 2h or 3d.")]
_BASE = "/api/hypercare/v1/incidents"


def path_of(ref: str, action: str = "") -> str:
    """The address of an incident."""
    return f"{_BASE}/{quote(ref.removeprefix('#'), safe='')}{action}"


def say(incident: dict[str, Any]) -> None:
    """One line about an incident."""
    print(f"#{incident['number']} is {incident['status']}: {clean(incident['title'])}")


def instant_of(text: str) -> str:
    """An instant for the server: as given, or so long from now."""
    from hypercare.adapters.system import SystemClock
    from hypercare.model.time import format_rfc3339, parse_duration

    if not text or "T" in text:
        return text
    try:
        return format_rfc3339(SystemClock().now() + parse_duration(text))
    except ValueError:
        pass
    try:
        day = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"not a time: {text!r}; write 2h, 3d, 2026-01-08 or 2026-01-08T09:00:00Z") from error
    return day.astimezone().isoformat()


def add_room(app: typer.Typer) -> None:
    """Add the commands to ``hypercare incidents``."""
    for command in (room, severity, describe, assign, task, done, tick, link, update, merge, split, similar, evidence):
        app.command()(command)
    app.command("open")(open_)
    app.command()(tasks)
    app.command()(stats)
    app.command()(postmortem)


def open_(
    title: str,
    severity: Annotated[str, typer.Option(help="P0 to P3.")] = "P1",
    service: Annotated[str, typer.Option(help="What it is about.")] = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Open an incident that no alert tells of; those on call are paged."""
    body = {"title": title, "severity": severity.upper(), "service": service, "by": whoami(by)}
    say(request(url, _BASE, body))


def room(ref: Ref, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Who leads, what is to be done, which steps are open, what the runbook says."""
    found = request(url, path_of(ref, "/room"))
    if json:
        as_json(found)
        return
    definition = found["definition"]
    print(f"{definition['severity']} {clean(definition['name'])}: {clean(definition['text'])}")
    for role in found["roles"]:
        print(f"{clean(role['role'])}: {clean(role['person'])}")
    for clock in found["clocks"]:
        print(f"to {clock['clock']}: {'met' if clock['met_at'] else 'by ' + local(clock['breach_at'])}")
    for part in found["checklists"]:
        print(f"\n{clean(part['source'] + ': ' if part['source'] else '')}{clean(part['phase'])}")
        for step in part["steps"]:
            mark = "x" if step["done_at"] else " "
            print(f"  [{mark}] {step['number']:>2} {clean(step['text'])}")
    _tasks(found["tasks"])
    for link_ in found["links"]:
        print(f"{clean(link_['title'])}: {clean(link_['url'])}")
    if found["runbook"]:
        print(f"\nRunbook {clean(found['runbook']['name'])}\n\n{clean(found['runbook']['text'], lines=True).strip()}")


def _tasks(found: Sequence[dict[str, Any]]) -> None:
    if found:
        print()
        rows = [
            (
                str(t["id"]),
                t["kind"],
                "done" if t["done_at"] else "open",
                t["owner"] or "-",
                local(t["due_at"]),
                t["text"],
            )
            for t in found
        ]
        table(("id", "kind", "", "owner", "due", "what"), rows, "")


def severity(
    ref: Ref, to: str, by: By = "", note: Annotated[str, typer.Option(help="Why.")] = "", url: Url = DEFAULT_URL
) -> None:
    """It is worse (P0), or not as bad (P3)."""
    say(request(url, path_of(ref, "/severity"), {"severity": to.upper(), "by": whoami(by), "note": note}))


def describe(
    ref: Ref,
    impact: Annotated[str | None, typer.Option(help="Who feels it.")] = None,
    cause: Annotated[str | None, typer.Option(help="What it was.")] = None,
    title: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Impact, cause, title."""
    body = {"impact": impact, "cause": cause, "title": title, "by": whoami(by)}
    say(request(url, path_of(ref, "/description"), body))


def assign(
    ref: Ref,
    role: Annotated[str, typer.Argument(help="commander, or any other word.")],
    person: Annotated[str, typer.Argument(help="Who; empty: nobody any more.")],
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Somebody takes a role, or hands it over."""
    say(request(url, path_of(ref, "/roles"), {"role": role, "person": person, "by": whoami(by)}))


def task(
    ref: Ref,
    text: str,
    owner: Annotated[str, typer.Option(help="Who does it.")] = "",
    due: Due = "",
    action: Annotated[bool, typer.Option("--action", help="So that it does not come again.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Somebody is to do something."""
    kind = "action" if action else "task"
    body = {"text": text, "owner": owner, "due": instant_of(due), "kind": kind, "by": whoami(by)}
    made = request(url, path_of(ref, "/tasks"), body)
    print(f"{made['kind']} {made['id']} of #{made['incident']}: {clean(made['text'])}")


def done(
    number: Annotated[int, typer.Argument(help="Of the task.")],
    undo: Annotated[bool, typer.Option("--undo", help="Not done after all.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """A task is done."""
    made = request(url, f"{_BASE}/tasks/{number}", {"done": not undo, "by": whoami(by)})
    print(f"{made['kind']} {made['id']} is {'done' if made['done_at'] else 'open'}: {clean(made['text'])}")


def tasks(
    actions: Annotated[bool, typer.Option("--actions", help="Those after incidents alone.")] = False,
    all: Annotated[bool, typer.Option("--all", help="Also what is done.")] = False,  # noqa: A002 - the option's name
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Tasks and actions of all incidents, those due first."""
    found = request(url, f"{_BASE}/tasks", kind="action" if actions else "", done=str(all).lower())
    if json:
        as_json(found)
        return
    rows = [
        (str(t["id"]), f"#{t['incident']}", t["kind"], "done" if t["done_at"] else "open", t["owner"] or "-",
         local(t["due_at"]), t["text"])
        for t in found
    ]  # fmt: skip
    table(("id", "", "kind", "", "owner", "due", "what"), rows, "Nothing is to be done.")


def tick(
    ref: Ref,
    step: Annotated[int, typer.Argument(help="Its number, as in `incidents room`.")],
    undo: Annotated[bool, typer.Option("--undo", help="Not done after all.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """A step of a checklist is done."""
    say(request(url, path_of(ref, f"/steps/{step}"), {"done": not undo, "by": whoami(by)}))


def link(ref: Ref, address: str, title: str = "", by: By = "", url: Url = DEFAULT_URL) -> None:
    """Keep a link: a call, a document, a ticket."""
    say(request(url, path_of(ref, "/links"), {"url": address, "title": title, "by": whoami(by)}))


def update(
    ref: Ref,
    text: str,
    stage: Annotated[str, typer.Option(help="investigating, identified, mitigating or monitoring.")] = "",
    public: Annotated[bool, typer.Option("--public", help="On the status page, too.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell those who wait how it stands."""
    body = {"text": text, "stage": stage, "public": public, "by": whoami(by)}
    say(request(url, path_of(ref, "/updates"), body))


def merge(ref: Ref, into: str, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Two incidents are one: INTO goes on."""
    say(request(url, path_of(ref, "/merge"), {"into": into, "by": whoami(by)}))


def split(
    ref: Ref,
    alerts: Annotated[list[str], typer.Argument(help="Fingerprints, as in `incidents show --json`.")],
    title: str = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """One incident is two: these alerts go on in a new one."""
    say(request(url, path_of(ref, "/split"), {"alerts": alerts, "title": title, "by": whoami(by)}))


def similar(ref: Ref, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Incidents of the same time, and past ones that are like it, with the reasons."""
    found = request(url, path_of(ref, "/similar"))
    if json:
        as_json(found)
        return
    for name in ("related", "similar"):
        rows = [
            (f"#{f['incident']['number']}", f["incident"]["status"], f["incident"]["title"], "; ".join(f["reasons"]))
            for f in found[name]
        ]
        table((name, "status", "title", "why"), rows, f"No {name} incidents.")


def evidence(ref: Ref, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """What was kept when it opened."""
    found = request(url, path_of(ref, "/evidence"))
    if json:
        as_json(found)
        return
    rows = [(local(e["at"]), e["kind"], e["title"], _what(e)) for e in found]
    table(("kept", "kind", "of", "what"), rows, "Nothing was kept.")


def _what(item: dict[str, Any]) -> str:
    data = item["data"]
    if item["kind"] == "graph":
        return str(data["error"] or f"{data['expr']}: {len(data['series'])} series")
    if item["kind"] == "deployments":
        return ", ".join(f"{d['service']} {d['version']}" for d in data["items"]) or "none"
    return ", ".join(a["labels"].get("alertname", "") for a in data["items"]) or "none"


def stats(
    since: Annotated[str, typer.Option("--from", help="An RFC 3339 instant; 30 days ago by default.")] = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Times to detect, acknowledge and resolve (medians); incidents by severity, service and cause."""
    found = request(url, f"{_BASE}/stats", **({"from": since} if since else {}))
    if json:
        as_json(found)
        return
    from hypercare.model.time import format_duration

    def row(kind: str, part: dict[str, Any]) -> tuple[str, ...]:
        spans = [part[name] for name in ("detect", "acknowledge", "resolve")]
        shown = [format_duration(s["median"] // 1000 * 1000) if s["count"] else "-" for s in spans]
        return (kind, part["name"], str(part["incidents"]), *shown)

    rows = [row("all", found["whole"])]
    rows += [row(kind, part) for kind in ("severity", "service", "cause") for part in found[f"by_{kind}"]]
    table(("by", "", "incidents", "detected", "acknowledged", "resolved"), rows, "")


def postmortem(
    *,
    ref: Ref,
    edit: Annotated[bool, typer.Option("--edit", help="Open it in $EDITOR.")] = False,
    export: Annotated[str, typer.Option("--export", help="Write it to this file; - for standard output.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="Take the text from this file.")] = None,
    state: Annotated[str, typer.Option("--state", help="Move it to draft, review or done.")] = "",
    passed: Annotated[str, typer.Option("--done", help="evidence or meeting: it is done.")] = "",
    start: Annotated[bool, typer.Option("--start", help="Draw one up.")] = False,
    by: By = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Show, draw up, edit, export the post-mortem of an incident, or move it on."""
    who, path = whoami(by), path_of(ref, "/postmortem")
    if start:
        request(url, path, {"by": who})
    if file is not None:
        request(url, path, {"text": file.read_text(encoding="utf-8"), "by": who}, "PUT")
    if edit:
        _edit(url, path, who)
    if passed:
        request(url, path_of(ref, f"/milestones/{quote(passed, safe='')}"), {"by": who})
    if state:
        request(url, f"{path}/state", {"state": state, "by": who})
    if json:
        as_json(request(url, path))
    elif export:
        text = request_text(url, f"{path}.md")
        if export == "-":
            sys.stdout.write(text)
        else:
            Path(export).write_text(text, encoding="utf-8")
    else:
        _show(request(url, path))


def _show(found: dict[str, Any]) -> None:
    i = found["incident"]
    print(f"#{i['number']} {clean(i['title'])}: post-mortem in {found['state']}, version {found['version']}")
    for m in found["milestones"]:
        print(f"  {m['name']}: {'done by ' + clean(m['done_by']) if m['done_at'] else 'due ' + local(m['due_at'])}")
    print()
    print(clean(found["text"], lines=True))
    _tasks(found["actions"])


def _edit(url: str, path: str, who: str) -> None:
    """The text through an editor; where somebody else wrote meanwhile, ours is kept in a file."""
    found = request(url, path)
    with tempfile.NamedTemporaryFile("w", suffix=".md", delete=False, encoding="utf-8") as draft:
        draft.write(found["text"])
    name = Path(draft.name)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    ended = subprocess.run([*shlex.split(editor), str(name)], check=False)  # noqa: S603 - the user's own editor
    text = name.read_text(encoding="utf-8")
    if ended.returncode or text == found["text"]:
        name.unlink()
        print("nothing changed", file=sys.stderr)
        return
    try:
        request(url, path, {"text": text, "version": found["version"], "by": who}, "PUT")
    except ServerError:
        print(f"your text is in {name}", file=sys.stderr)
        raise
    name.unlink()
