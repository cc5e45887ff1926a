"""The audit log: show, export, verify."""

from __future__ import annotations

from typing import Annotated

import typer

from hypercare.adapters.system import SystemClock
from hypercare.cli.client import DEFAULT_URL, Json, Url, request, request_text
from hypercare.cli.given import instant
from hypercare.cli.show import as_json, clean, local, table
from hypercare.model.time import format_rfc3339

Since = Annotated[str, typer.Option("--since", help="-7d, 2026-01-05T09:00 (local), RFC 3339.")]
Who = Annotated[str, typer.Option("--who", help="Of this person only.")]
Action = Annotated[str, typer.Option("--action", help="Of this kind only, such as acknowledge.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]
Export = Annotated[bool, typer.Option("--export", help="Print all of it as JSON lines, the oldest first.")]
Verify = Annotated[bool, typer.Option("--verify", help="See whether rows were changed or are missing; exit code 1.")]


def audit(
    since: Since = "",
    who: Who = "",
    action: Action = "",
    limit: Limit = 50,
    export: Export = False,
    verify: Verify = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Who changed what, when, from where."""
    start = format_rfc3339(instant(since, SystemClock().now(), "--since")) if since else None
    if export:
        print(request_text(url, "/api/v1/audit/export", since=start), end="")
        return
    if verify:
        found = request(url, "/api/v1/audit/verify")
        whole = found["whole"]
        print(
            "the audit log is whole" if whole else f"row {found['first_broken']} was changed, or one before it is gone"
        )
        print(f"{found['rows_to']} rows, the last hash is {found['hash']}")
        raise typer.Exit(0 if whole else 1)
    found = request(url, "/api/v1/audit", since=start, who=who or None, action=action or None, limit=limit)
    if json:
        as_json(found)
        return
    rows = [
        (local(r["at"]), r["who"], r["action"], clean(", ".join(f"{k}={v}" for k, v in r["detail"].items()))[:80],
         r["via"], r["address"], r["result"])
        for r in found
    ]  # fmt: skip
    table(("when", "who", "what", "detail", "by", "from", "result"), rows, "Nothing was changed.")
