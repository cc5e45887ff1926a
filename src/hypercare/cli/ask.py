"""Questions to a running hypercare: query, alerts, targets, oncall."""

from __future__ import annotations

from typing import Annotated

import typer

from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.show import as_json, clean, local, table


def query(
    expression: Annotated[str, typer.Argument(help="PromQL.")],
    time: Annotated[str | None, typer.Option(help="Instant: unix seconds or RFC 3339; now by default.")] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Evaluate a PromQL expression now (or at --time)."""
    data = request(url, "/api/v1/query", query=expression, time=time)["data"]
    if json:
        as_json(data)
        return
    if data["resultType"] in {"scalar", "string"}:
        print(clean(data["result"][1], lines=True))
        return
    rows = []
    for series in data["result"]:
        labels = ", ".join(f'{k}="{v}"' for k, v in series["metric"].items() if k != "__name__")
        name = series["metric"].get("__name__", "") + (f"{{{labels}}}" if labels else "")
        values = [series["value"][1]] if "value" in series else [f"{v}@{t}" for t, v in series["values"]]
        rows.append((name or "{}", " ".join(values)))
    table(("series", "value"), rows, "no data")


def alerts(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """List the firing alerts; exit code 1 if there is an active one."""
    found = request(url, "/api/v2/alerts")
    if json:
        as_json(found)
    else:
        rows = [
            (
                a["status"]["state"],
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


def oncall(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Who is on call now."""
    found = request(url, "/api/hypercare/v1/oncall")
    if json:
        as_json(found)
        return
    rows = [(s["schedule"], s["person"] or "nobody", local(s["until"]), s["next_person"]) for s in found["now"]]
    table(("schedule", "person", "until", "next"), rows, "No schedules are configured.")
