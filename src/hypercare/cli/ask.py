"""Questions to a running hypercare: query, alerts, targets."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import typer

from hypercare.adapters.system import SystemClock
from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.failure import ServerError
from hypercare.cli.given import duration, instant
from hypercare.cli.show import as_json, local, table
from hypercare.model.time import SECOND

_PLACE: Final = re.compile(r"(\d+):(\d+): parse error: (.*)", re.DOTALL)
"""How Prometheus' API says where an expression is wrong."""


def query(
    expression: Annotated[str, typer.Argument(help="PromQL.")],
    *,
    time: Annotated[str | None, typer.Option(help="Instant: unix seconds or RFC 3339; now by default.")] = None,
    from_: Annotated[str, typer.Option("--from", help="A range from here: -1h, 2026-01-05T09:00, RFC 3339.")] = "",
    to: Annotated[str, typer.Option("--to", help="The range's end, the same; now by default.")] = "now",
    step: Annotated[str, typer.Option(help="Of a range, such as 30s; about 100 steps by default.")] = "",
    form: Annotated[str, typer.Option("--format", "-o", help="table, promql (as promtool), json or csv.")] = "table",
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Evaluate a PromQL expression now (or at --time), or over a range (--from, --to)."""
    from hypercare.cli.query_show import FORMATS, show

    form = "json" if json else form
    if form not in FORMATS:
        msg = f"choose one of {', '.join(FORMATS)}"
        raise typer.BadParameter(msg, param_hint="--format")
    if not from_:
        show(_evaluated(url, "/api/v1/query", expression, time=time), form)
        return
    if time is not None:
        raise typer.BadParameter("an instant (--time) and a range (--from) exclude each other", param_hint="--time")
    now = SystemClock().now()
    start, end = instant(from_, now, "--from"), instant(to, now, "--to")
    if end <= start:
        raise typer.BadParameter("--to is not after --from", param_hint="--to")
    every = duration(step, "--step") if step else max(SECOND, (end - start) // 100 // SECOND * SECOND)
    span = start / SECOND, end / SECOND
    found = _evaluated(url, "/api/v1/query_range", expression, start=span[0], end=span[1], step=every / SECOND)
    show(found, form, span)


def _evaluated(url: str, path: str, expression: str, **parameters: Any) -> Any:
    """What a server makes of an expression; its place is pointed at where it is wrong."""
    try:
        return request(url, path, query=expression, **parameters)["data"]
    except ServerError as error:
        found = _PLACE.search(str(error))
        if found is None:
            raise
        from hypercare.promql import PromqlError

        wrong = PromqlError(f"parse error: {found[3]}", int(found[1]), int(found[2]), 1)
        raise ServerError(wrong.render(expression), error.status) from error


def alerts(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """List the firing alerts; exit code 1 if there is an active one."""
    found = request(url, "/api/v2/alerts")
    if json:
        as_json(found)
    else:
        rows = [
            (
                a["status"]["state"] + (", flapping" if a.get("flappingSince") else ""),
                *(a["labels"].get(name, "") for name in ("severity", "alertname")),
                a["labels"].get("service") or a["labels"].get("job", ""),
                local(a["startsAt"]),
                a["annotations"].get("summary", ""),
            )
            for a in sorted(found, key=lambda a: str(a["startsAt"]))
        ]
        table(("state", "severity", "alert", "service", "since", "summary"), rows, "Nothing fires.")
    raise typer.Exit(int(any(a["status"]["state"] != "suppressed" for a in found)))


def targets(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """List what is scraped; exit code 1 if something is down."""
    found = request(url, "/api/v1/targets", state="active")["data"]["activeTargets"]
    if json:
        as_json(found)
    else:
        rows = [
            (
                t["health"],
                t["labels"].get("job", ""),
                t["labels"].get("instance", ""),
                local(t["lastScrape"]),
                t["lastError"],
            )
            for t in found
        ]
        table(("health", "job", "instance", "last scrape", "error"), rows, "No targets.")
    raise typer.Exit(int(any(t["health"] == "down" for t in found)))
