"""Schedules made while hypercare runs: list, show, export, preview, save, copy, versions, restore, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, request_text, whoami
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="Schedules: of hypercare.yml, and those made while it runs.")
_BASE = "/api/hypercare/v1/oncall/schedules"
Name = Annotated[str, typer.Argument(help="Name of the schedule.")]
File = Annotated[Path, typer.Argument(help="YAML: a schedule alone, or below oncall.schedules.")]
Version = Annotated[int, typer.Option("--version", min=0, help="An earlier version; 0: the newest.")]
Comment = Annotated[str, typer.Option("--comment", "-c", help="Why.")]
AcceptGaps = Annotated[bool, typer.Option("--accept-gaps", help="Although the coming four weeks have gaps.")]


def _at(name: str, *more: str) -> str:
    return "/".join((_BASE, quote(name, safe=""), *more))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}", param_hint="FILE") from error


@app.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    deleted: Annotated[bool, typer.Option("--deleted", help="With those deleted.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """All schedules, and where they come from."""
    if context.invoked_subcommand is not None:
        return
    found = request(url, _BASE, deleted="true" if deleted else None)
    if json:
        as_json(found)
        return
    rows = [
        (s["name"], s["place"], "", "", "") if s["place"]
        else (s["name"], "made here", f"{s['version']} {s['how']}", s["saved_by"], s["comment"])
        for s in found
    ]  # fmt: skip
    table(("name", "from", "version", "by", "comment"), rows, "No schedules.")


@app.command()
def show(name: Name, version: Version = 0, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """A schedule: where it comes from, what refers to it, its YAML."""
    found = request(url, _at(name), version=version or None)
    if json:
        as_json(found)
        return
    if found["place"]:
        print(f"{clean(name)}: from {found['place']}")
    else:
        print(f"{clean(name)}: version {found['version']}, {found['how']} by {clean(found['saved_by'])} "
              f"{local(found['saved_at'])}")  # fmt: skip
    for place in found["used_by"]:
        print(f"referred to by {clean(place)}")
    print(clean(found["yaml"], lines=True), end="")


@app.command()
def export(name: Name, version: Version = 0, url: Url = DEFAULT_URL) -> None:
    """Print the lines for hypercare.yml."""
    print(request_text(url, _at(name, "yaml"), version=version or None), end="")


@app.command()
def preview(name: Name, file: File, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """The coming four weeks as a file would have them, against now; exit code 1 if there are gaps. Keeps nothing."""
    found = request(url, _at(name, "preview"), {"yaml": _text(file)})
    if json:
        as_json(found)
    else:
        _show_preview(found)
    raise typer.Exit(int(not found["covered"]))


def _show_preview(found: dict[str, Any]) -> None:
    shifts = [(s["person"], local(s["start_at"]), local(s["end_at"]), s["source"]) for s in found["shifts"]]
    table(("person", "from", "until", "by"), shifts, "Nobody would be on call.")
    moved = [
        (m["person"], f"{m['more_hours']:+.1f} h", what, local(s["from_at"]), local(s["until"]))
        for m in found["moved"]
        for what, spans in (("on call", m["gains"]), ("free", m["loses"]))
        for s in spans
    ]
    table(("person", "in all", "newly", "from", "until"), moved, "Nobody's shifts change.")
    gaps = [(local(g["from_at"]), local(g["until"]), g["reason"]) for g in found["gaps"]]
    table(("gap from", "until", "why"), gaps, "Every minute is covered.")
    for o in found["overlaps"]:
        print(
            f"{o['person']} twice at once ({' + '.join(o['schedules'])}): {local(o['from_at'])} to {local(o['until'])}"
        )


@app.command()
def save(
    name: Name,
    file: File,
    base: Annotated[
        int | None, typer.Option("--base", min=0, help="Only if this is the newest version; 0: only if it is new.")
    ] = None,
    accept_gaps: AcceptGaps = False,
    comment: Comment = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Keep the schedule of a file as the next version."""
    body = {"yaml": _text(file), "version": base, "accept_gaps": accept_gaps, "comment": comment, "by": whoami(by)}
    _saved(request(url, _at(name), body, method="PUT"))


def _saved(found: dict[str, Any]) -> None:
    print(f"{clean(found['name'])}: version {found['version']}")


@app.command()
def copy(
    name: Name,
    new: Annotated[str, typer.Argument(help="Name of the copy.")],
    version: Version = 0,
    accept_gaps: AcceptGaps = False,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Make an editable schedule of another, also of one of hypercare.yml."""
    definition = {**request(url, _at(name), version=version or None)["definition"], "name": new}
    body = {"definition": definition, "version": 0, "accept_gaps": accept_gaps, "comment": f"copy of {name}",
            "by": whoami(by)}  # fmt: skip
    _saved(request(url, _at(new), body, method="PUT"))


@app.command()
def versions(name: Name, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Who saved what and when, the newest first."""
    found = request(url, _at(name, "versions"))
    if json:
        as_json(found)
        return
    rows = [(str(v["version"]), v["how"], v["saved_by"], local(v["saved_at"]), v["comment"]) for v in found]
    table(("version", "how", "by", "at", "comment"), rows, "It is written in hypercare.yml: its versions are there.")


@app.command()
def restore(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="The version that is to count again.")],
    accept_gaps: AcceptGaps = False,
    comment: Comment = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Let an earlier version, also of a deleted schedule, be the newest."""
    body = {"version": version, "accept_gaps": accept_gaps, "comment": comment, "by": whoami(by)}
    _saved(request(url, _at(name, "restore"), body))


@app.command()
def delete(name: Name, comment: Comment = "", by: By = "", url: Url = DEFAULT_URL) -> None:
    """Delete a schedule that was made here, unless something refers to it; its versions can be restored."""
    _saved(request(url, _at(name), method="DELETE", by=whoami(by), comment=comment or None))
