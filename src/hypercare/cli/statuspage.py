"""What the public reads: show, post, maintenance."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.incident_room import instant_of
from hypercare.cli.show import as_json, clean, local, table

app = typer.Typer(help="The status page: show, post, maintenance, cancel.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/status-page"
Components = Annotated[list[str] | None, typer.Option("--component", help="May be given several times.")]


@app.command()
def show(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """The page as the public sees it."""
    found = request(url, _BASE)
    if json:
        as_json(found)
        return
    print(f"{clean(found['title'])}: {found['state']}")
    table(("component", "state"), [(c["name"], c["state"]) for c in found["components"]], "No components.")
    for i in found["incidents"]:
        print(f"\n{clean(i['title'])} ({i['state']}, since {local(i['started_at'])})")
        for post_ in i["posts"]:
            print(f"  {local(post_['at'])} {post_['state']}: {clean(post_['text'])}")
    for work in found["maintenance"]:
        print(f"\n{clean(work['title'])} ({work['state']}): {local(work['start_at'])} to {local(work['end_at'])}")


@app.command()
def post(
    *,
    text: str,
    incident: Annotated[str, typer.Option(help="Number or id; the post belongs to it and ends with it.")] = "",
    state: Annotated[str, typer.Option(help="investigating, identified, monitoring or resolved.")] = "investigating",
    impact: Annotated[str, typer.Option(help="none, degraded, partial or major.")] = "",
    title: str = "",
    topic: Annotated[str, typer.Option(help="Of an earlier post on the same.")] = "",
    component: Components = None,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell the public."""
    body = {
        "text": text, "incident": incident, "state": state, "impact": impact, "title": title, "topic": topic,
        "components": component or [], "by": whoami(by),
    }  # fmt: skip
    made = request(url, f"{_BASE}/posts", body)
    print(f"{clean(made['title'])} is {made['state']} (topic {made['topic']})")


@app.command()
def maintenance(
    title: str,
    start: Annotated[str, typer.Option("--from", help="An RFC 3339 instant, or a time from now such as 2h.")],
    until: Annotated[str, typer.Option("--until", help="The same.")],
    text: str = "",
    component: Components = None,
    by: By = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Announce maintenance."""
    body = {
        "title": title, "from": instant_of(start), "until": instant_of(until), "text": text,
        "components": component or [], "by": whoami(by),
    }  # fmt: skip
    made = request(url, f"{_BASE}/maintenance", body)
    print(f"{made['id']}: {clean(made['title'])}, {local(made['start_at'])} to {local(made['end_at'])}")


@app.command()
def cancel(work: str, url: Url = DEFAULT_URL) -> None:
    """Maintenance does not take place, or is over before its time."""
    made = request(url, f"{_BASE}/maintenance/{quote(work, safe='')}", method="DELETE")
    print(f"{made['id']}: cancelled")
