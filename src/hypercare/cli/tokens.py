"""Tokens of programs: list, add, revoke."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.failure import ServerError
from hypercare.cli.show import as_json, local, table

app = typer.Typer(help="Tokens of programs: list, add, revoke.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/admin/tokens"


@app.command("list")
def list_(
    revoked: Annotated[bool, typer.Option("--revoked", help="Show the revoked ones too.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """All tokens, by how they begin."""
    found = request(url, _BASE, revoked="true" if revoked else None)
    if json:
        as_json(found)
        return
    rows = [
        (t["id"], t["prefix"], t["name"], t["owner"], " ".join(t["scopes"]),
         local(t["expires_at"]) if t["expires_at"] else "never", local(t["used_at"]) if t["used_at"] else "never",
         "" if t["valid"] else "revoked" if t["revoked_at"] else "expired")
        for t in found
    ]  # fmt: skip
    table(("id", "begins", "for", "owner", "scopes", "expires", "used", ""), rows, "No tokens.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scopes: Annotated[list[str], typer.Option("--scope", "-s", help="query, metrics, ingest, read, respond, admin.")],
    owner: Annotated[str, typer.Option("--owner", help="A user; who asks by default.")] = "",
    expires: Annotated[str, typer.Option("--expires", help="Such as 90d; never.")] = "90d",
    url: Url = DEFAULT_URL,
) -> None:
    """Make a token and print it, once."""
    body = {"name": name, "scopes": scopes, "owner": owner, "expires": "" if expires == "never" else expires}
    made = request(url, _BASE, body)
    print("it is shown this once:", file=sys.stderr)
    print(made["token"])


@app.command()
def revoke(ids: Annotated[list[str], typer.Argument(help="Ids of tokens.")], url: Url = DEFAULT_URL) -> None:
    """Make tokens invalid, at once and for good."""
    failed = False
    for token_id in ids:
        try:
            request(url, f"{_BASE}/{quote(token_id, safe='')}", method="DELETE")
        except ServerError as error:
            if not error.status:
                raise
            print(f"{token_id}: {error}", file=sys.stderr)
            failed = True
    if failed:
        raise typer.Exit(1)
