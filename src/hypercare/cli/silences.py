"""Silences: list, add, expire."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hypercare.adapters.system import SystemClock
from hypercare.cli.client import DEFAULT_URL, Json, Url, request, whoami
from hypercare.cli.failure import ServerError
from hypercare.cli.show import as_json, local, table
from hypercare.model.matchers import MatchOp
from hypercare.model.time import format_rfc3339, parse_duration, parse_rfc3339

app = typer.Typer(help="Silences: list, add, expire.", no_args_is_help=True)
Author = Annotated[str, typer.Option("--by", "--author", envvar="HYPERCARE_USER", help="Who you are.")]
_OPS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}


def _matchers(silence: dict[str, Any]) -> str:
    return ", ".join(f'{m["name"]}{_OPS[m["isRegex"], m["isEqual"]]}"{m["value"]}"' for m in silence["matchers"])


@app.command("list")
def list_(
    expired: Annotated[bool, typer.Option("--expired", help="Show the expired ones too.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """All silences."""
    found = [s for s in request(url, "/api/v2/silences") if expired or s["status"]["state"] != "expired"]
    if json:
        as_json(found)
        return
    heads: tuple[str, ...] = ("id", "state", "matchers", "ends", "by", "comment")
    rows: list[tuple[str, ...]] = [
        (s["id"], s["status"]["state"], _matchers(s), local(s["endsAt"]), s["createdBy"], s["comment"]) for s in found
    ]
    if any(s.get("every") for s in found):
        heads = (*heads, "every")
        rows = [(*row, _recurs(s)) for row, s in zip(rows, found, strict=True)]
    table(heads, rows, "No silences.")


def _recurs(silence: dict[str, Any]) -> str:
    """When it is silent, and its window now or next."""
    every, window = str(silence.get("every", "")), silence.get("window")
    if not window:
        return every
    active = silence["status"]["state"] == "active"
    when = f"now until {local(window['endsAt'])}" if active else f"next {local(window['startsAt'])}"
    return f"{every} ({when})"


@app.command()
def add(
    matchers: Annotated[list[str], typer.Argument(help='Such as alertname=Foo or service=~"a|b".')],
    comment: Annotated[str, typer.Option("--comment", "-c", help="Why.")],
    duration: Annotated[
        str, typer.Option("--duration", "-d", help="How long; 1h, or 365d where it recurs.", show_default=False)
    ] = "",
    every: Annotated[
        list[str] | None, typer.Option("--every", help="Silent only then, such as 'mon-fri 02:00-04:00'; repeat it.")
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="The zone of --every, such as Europe/Madrid.")] = "UTC",
    start: Annotated[str, typer.Option("--start", help="When it begins: RFC 3339; now.", show_default=False)] = "",
    by: Author = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Silence the alerts that fit all matchers, at once or again and again; prints the id.

    What --every takes: weekdays (mon-fri, sat,sun), times (22:00-06:00), days of the month (days 1-7,last), months
    (dec-feb), years, in any order; times over midnight belong to the day on which they begin.
    """
    from hypercare.config import parse_matchers
    from hypercare.routing.recurrence_text import as_json, read_every

    now = SystemClock().now()
    try:
        parsed = [m for text in matchers for m in parse_matchers(text)]
        begin = parse_rfc3339(start) if start else now
        end = max(begin, now) + parse_duration(duration or ("365d" if every else "1h"))
        recurrence = as_json(read_every("; ".join(every or ()), zone))
    except ValueError as error:
        print(f"hypercare: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    body = {
        "matchers": [
            {"name": m.name, "value": m.value, "isRegex": m.op in {MatchOp.REGEX, MatchOp.NOT_REGEX},
             "isEqual": m.op in {MatchOp.EQUAL, MatchOp.REGEX}}
            for m in parsed
        ],
        "startsAt": format_rfc3339(begin), "endsAt": format_rfc3339(end),
        "createdBy": whoami(by), "comment": comment,
    } | ({"recurrence": recurrence} if recurrence else {})  # fmt: skip
    print(request(url, "/api/v2/silences", body)["silenceID"])


@app.command()
def expire(ids: Annotated[list[str], typer.Argument(help="Ids of silences.")], url: Url = DEFAULT_URL) -> None:
    """End silences now."""
    failed = False
    for silence_id in ids:
        try:
            request(url, f"/api/v2/silence/{quote(silence_id, safe='')}", method="DELETE")
        except ServerError as error:
            if not error.status:
                raise
            print(f"{silence_id}: {error}", file=sys.stderr)
            failed = True
    if failed:
        raise typer.Exit(1)
