"""On-call: who, shifts, coverage, fairness; overrides and swaps; calendars; schedules are in schedules.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hypercare.adapters.system import SystemClock
from hypercare.cli import schedules
from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.given import instant
from hypercare.cli.show import as_json, local, table
from hypercare.model.time import format_duration, format_rfc3339, parse_duration, parse_rfc3339

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.coverage import Coverage

app = typer.Typer(help="Who is on call; schedules, shifts, coverage, changes, calendars, escalations, audit.")
app.add_typer(schedules.app, name="schedules")
_BASE = "/api/hypercare/v1/oncall"
_FOUR_WEEKS = "+4w"
From = Annotated[str, typer.Option("--from", help="now, -7d, +2w, 2026-01-05T09:00 (local) or RFC 3339.")]
To = Annotated[str, typer.Option("--to", help="The same, or +4w after --from; excluded.")]
Only = Annotated[str, typer.Option("--schedule", "-s", help="One schedule; all by default.")]
Comment = Annotated[str, typer.Option("--comment", "-c", help="Why.")]
Schedule = Annotated[str, typer.Argument(help="Name of the schedule.")]
Preview = Annotated[bool, typer.Option("--preview", help="Only tell what it would change.")]


def _when(text: str, now: Ms, option: str) -> Ms:
    """An instant; ``+4w`` is after ``now``."""
    if text.startswith("+"):
        try:
            return now + parse_duration(text[1:])
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=option) from error
    return instant(text, now, option)


def _span(start: str, end: str) -> tuple[Ms, Ms]:
    now = SystemClock().now()
    begins = _when(start, now, "--from")
    ends = _when(end, begins if end.startswith("+") else now, "--to")
    if ends <= begins:
        raise typer.BadParameter("--to is not after --from", param_hint="--to")
    return begins, ends


def _asked(start: str, end: str, schedule: str) -> dict[str, Any]:
    begins, ends = _span(start, end)
    return {"from": format_rfc3339(begins), "to": format_rfc3339(ends), "schedule": schedule or None}


@app.callback(invoke_without_command=True)
def now(
    context: typer.Context,
    at: Annotated[str, typer.Option("--at", help="At this instant, not now.")] = "",
    for_: Annotated[list[str], typer.Option("--for", help="Who is paged for an alert: service=api, repeatable.")] = [],  # noqa: B006 - typer copies it
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Who is on call now, at an instant, or for an alert with given labels."""
    if context.invoked_subcommand is not None:
        return
    when = format_rfc3339(_when(at, SystemClock().now(), "--at")) if at else None
    if for_:
        found = request(url, f"{_BASE}/for", label=for_, at=when)
        if json:
            as_json(found)
            return
        print(f"policy {found['policy']}")
        steps = [(local(s["at"]), ", ".join(s["notify"]), ", ".join(s["people"])) for s in found["steps"]]
        table(("at", "step", "people"), steps, "The policy has no steps.")
        return
    found = request(url, _BASE, at=when)
    if json:
        as_json(found)
        return
    rows = [(s["schedule"], s["person"] or "nobody", local(s["until"]), s["next_person"]) for s in found["now"]]
    table(("schedule", "person", "until", "next"), rows, "No schedules are configured.")


@app.command()
def shifts(
    start: From = "now",
    end: To = _FOUR_WEEKS,
    schedule: Only = "",
    person: Annotated[str, typer.Option("--person", "-p", help="One person.")] = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Every shift of a span."""
    found = request(url, f"{_BASE}/shifts", **_asked(start, end, schedule), person=person or None)
    if json:
        as_json(found)
        return
    rows = [(s["schedule"], s["person"], local(s["start_at"]), local(s["end_at"]), s["source"]) for s in found]
    table(("schedule", "person", "from", "until", "by"), rows, "Nobody is on call.")


@app.command()
def coverage(
    start: From = "now",
    end: To = _FOUR_WEEKS,
    schedule: Only = "",
    config: Annotated[Path | None, typer.Option("--config", help="Prove a hypercare.yml, without a server.")] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Prove that somebody reachable is on call at every minute; exit code 1 if there is a gap."""
    if config is not None:
        found = _offline(config, *_span(start, end), schedule)
    else:
        found = request(url, f"{_BASE}/coverage", **_asked(start, end, schedule))
    if json:
        as_json(found)
    else:
        _show_coverage(found)
    raise typer.Exit(int(not found["covered"]))


def _show_coverage(found: dict[str, Any]) -> None:
    rows = [("gap", g["schedule"], *_stretch(g), g["reason"]) for g in found["gaps"]]
    rows += [
        ("overlap", " + ".join(o["schedules"]), *_stretch(o), f"{o['person']} is on call in both")
        for o in found["overlaps"]
    ]
    span = f"{', '.join(found['schedules']) or 'no schedule'}, {local(found['from_at'])} to {local(found['until'])}"
    table(("what", "schedule", "from", "until", "lasts", "why"), rows, "Every minute is covered.")
    print(f"{'covered' if found['covered'] else 'NOT covered'}: {span}")
    if found["console_only"]:
        print(f"reached on the console only: {', '.join(found['console_only'])}")


def _stretch(item: dict[str, Any]) -> tuple[str, str, str]:
    length = parse_rfc3339(item["until"]) - parse_rfc3339(item["from_at"])
    return _minute(item["from_at"]), _minute(item["until"]), format_duration(length)


def _minute(text: str) -> str:
    """With its date and offset: a list of gaps is read by people in several zones."""
    import datetime as dt

    return dt.datetime.fromisoformat(text).astimezone().strftime("%a %Y-%m-%d %H:%M %z")


def _offline(path: Path, start: Ms, end: Ms, schedule: str) -> dict[str, Any]:
    from hypercare.adapters.system import SystemFiles
    from hypercare.channels.registry import INTEGRATIONS
    from hypercare.config import load
    from hypercare.model.errors import InputError
    from hypercare.oncall.coverage import coverage as prove
    from hypercare.oncall.reading import plan_of
    from hypercare.rules import check_template

    try:
        config = load(path, SystemFiles(), os.environ, INTEGRATIONS, check_template, check_files=False)
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    plan = plan_of(config.hypercare)
    if schedule and plan.schedule(schedule) is None:
        msg = f"there is no schedule {schedule!r} in {path}"
        raise typer.BadParameter(msg, param_hint="--schedule")
    return _as_answer(prove(plan, start, end, schedule))


def _as_answer(found: Coverage) -> dict[str, Any]:
    """In the form of the API's answer."""

    def span(item: Any) -> dict[str, str]:
        return {"from_at": format_rfc3339(item.from_at), "until": format_rfc3339(item.until)}

    return {
        "covered": found.covered, **span(found), "schedules": list(found.schedules),
        "gaps": [{"schedule": g.schedule, **span(g), "reason": g.reason} for g in found.gaps],
        "overlaps": [{"schedules": list(o.schedules), "person": o.person, **span(o)} for o in found.overlaps],
        "console_only": list(found.console_only),
    }  # fmt: skip


@app.command()
def fairness(
    start: From = "-28d", end: To = "now", schedule: Only = "", url: Url = DEFAULT_URL, json: Json = False
) -> None:
    """Hours, nights (22:00 to 07:00), weekends and pages of each person, by their own clock."""
    found = request(url, f"{_BASE}/fairness", **_asked(start, end, schedule))
    if json:
        as_json(found)
        return
    rows = [
        (p["person"], str(p["shifts"]), *(f"{p[k]:.1f}" for k in ("hours", "night_hours", "weekend_hours")),
         f"{100 * p['share']:.0f} %", str(p["pages"]))
        for p in found["people"]
    ]  # fmt: skip
    table(("person", "shifts", "hours", "nights", "weekends", "share", "pages"), rows, "No people are configured.")


@app.command()
def override(
    schedule: Schedule,
    person: Annotated[str, typer.Argument(help="Who stands in.")],
    start: From = "now",
    end: To = "+1d",
    comment: Comment = "",
    by: By = "",
    preview: Preview = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Let somebody stand in; prints the id."""
    if preview:
        _try(url, schedule, person, "", *_span(start, end))
        return
    body = {"schedule": schedule, "person": person, **_body(start, end, comment, by)}
    print(request(url, f"{_BASE}/overrides", body)["id"])


@app.command()
def swap(
    schedule: Schedule,
    one: Annotated[str, typer.Argument(help="A person.")],
    other: Annotated[str, typer.Argument(help="The other.")],
    start: From = "now",
    end: To = "+2w",
    *,
    comment: Comment = "",
    by: By = "",
    preview: Preview = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Let two people take each other's turns; prints the id."""
    if preview:
        _try(url, schedule, one, other, *_span(start, end))
        return
    body = {"schedule": schedule, "people": [one, other], **_body(start, end, comment, by)}
    print(request(url, f"{_BASE}/swaps", body)["id"])


def _try(url: str, schedule: str, person: str, other: str, start: Ms, end: Ms) -> None:
    """What a change would do."""
    body = {"schedule": schedule, "person": person, "other": other}
    body |= {"from": format_rfc3339(start), "until": format_rfc3339(end)}
    found = request(url, f"{_BASE}/preview", body)
    rows = [
        (when, d["person"], local(d["start_at"]), local(d["end_at"]))
        for when, key in (("now", "before"), ("then", "after"))
        for d in found[key]
    ]
    table(("", "person", "from", "until"), rows, "Nobody is on call, now or then.")
    for word, key in (("not covered", "opens"), ("covered again", "closes")):
        for gap in found[key]:
            print(f"{word}: {gap['schedule']}, {local(gap['from_at'])} to {local(gap['until'])}: {gap['reason']}")
    for o in found["doubles"]:
        print(
            f"{o['person']} twice at once ({' + '.join(o['schedules'])}): {local(o['from_at'])} to {local(o['until'])}"
        )


@app.command("take-over")
def take_over(
    schedule: Schedule,
    person: Annotated[str, typer.Option("--person", "-p", help="Who takes over; you by default.")] = "",
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Be on call now, until the end of the running shift; prints the id."""
    body = {"schedule": schedule, "person": person or whoami(by), "by": whoami(by)}
    print(request(url, f"{_BASE}/take-over", body)["id"])


def _body(start: str, end: str, comment: str, by: str) -> dict[str, str]:
    begins, ends = _span(start, end)
    return {"from": format_rfc3339(begins), "until": format_rfc3339(ends), "comment": comment, "by": whoami(by)}


@app.command()
def changes(
    everything: Annotated[bool, typer.Option("--all", help="Also those over and taken out.")] = False,
    schedule: Only = "",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Overrides and swaps that people made."""
    found = request(url, f"{_BASE}/changes", schedule=schedule or None, all="true" if everything else None)
    if json:
        as_json(found)
        return
    rows = [
        (c["id"], c["kind"], c["schedule"], f"{c['person']} ⇄ {c['other']}" if c["other"] else c["person"],
         local(c["start_at"]), local(c["end_at"]), c["created_by"], c["comment"],
         f"taken out by {c['removed_by']}" if c["removed_at"] else "")
        for c in found
    ]  # fmt: skip
    table(("id", "what", "schedule", "who", "from", "until", "by", "comment", ""), rows, "No overrides or swaps.")


@app.command()
def remove(id_: Annotated[str, typer.Argument(metavar="ID")], by: By = "", url: Url = DEFAULT_URL) -> None:
    """Take out an override or a swap."""
    request(url, f"{_BASE}/changes/{quote(id_, safe='')}", method="DELETE", by=whoami(by))


@app.command("import")
def import_(
    schedule: Schedule,
    file: Annotated[Path, typer.Argument(help="An iCalendar file.")],
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Put the events of an iCalendar file into a schedule as overrides; all of them or none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}", param_hint="FILE") from error
    made = request(url, f"{_BASE}/import", {"schedule": schedule, "calendar": text, "by": whoami(by)})
    print(f"{len(made)} shifts imported")


@app.command()
def export(
    schedule: Only = "",
    person: Annotated[str, typer.Option("--person", "-p", help="One person.")] = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Print the iCalendar feed; calendars subscribe to /api/hypercare/v1/oncall/calendar.ics."""
    from hypercare.cli.client import request_text

    print(request_text(url, f"{_BASE}/calendar.ics", schedule=schedule or None, person=person or None), end="")


@app.command()
def escalations(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Escalations under way: what comes next, for whom, and when."""
    found = request(url, "/api/hypercare/v1/escalations")
    if json:
        as_json(found)
        return
    rows = []
    for e in found:
        step = next((s for s in e["steps"] if not s["done"]), None)
        what = "end of the round" if step is None else ", ".join(step["people"]) or step["what"]
        when = f"paused: {e['paused_why']}" if e["state"] == "paused" else local(e["next_at"])
        rows.append((f"#{e['number']}", e["severity"], e["policy"], when, what, e["title"]))
    table(("", "sev", "policy", "next", "to", "title"), rows, "Nobody is being paged.")


@app.command()
def audit(
    all_: Annotated[bool, typer.Option("--all", help="What is over, too.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """What should have happened and has not, and whether the heartbeats go out; exit code 1 if something is wrong."""
    found = request(url, "/api/hypercare/v1/audit/findings", all="true" if all_ else None)
    beats = request(url, "/api/hypercare/v1/heartbeats")
    if json:
        as_json({"findings": found, "heartbeats": beats})
    else:
        rows = [(local(f["found_at"]), local(f["cleared_at"]) if f["cleared_at"] else "-", f["text"]) for f in found]
        table(("found", "over", "what"), rows, "Nothing is overdue.")
        for beat in beats:
            why = "; ".join(beat["withheld"])
            print(f"heartbeat {beat['name']}: " + (f"withheld: {why}" if why else beat["error"] or "goes out"))
    if any(f["cleared_at"] is None for f in found) or any(b["withheld"] or b["error"] for b in beats):
        raise typer.Exit(1)
