"""Users: list, add, role, password, disable, enable, log-out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hypercare.cli.client import DEFAULT_URL, By, Json, Url, request, whoami
from hypercare.cli.show import as_json, local, table

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="Users: list, add, role, password, disable, enable, log-out.", no_args_is_help=True)
_BASE = "/api/hypercare/v1/admin/users"
Name = Annotated[str, typer.Argument(help="The user's name.")]
RoleName = Annotated[str, typer.Option("--role", "-r", help="viewer, responder or admin.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory of a server that is stopped: to make the first administrator."),
]


@app.command("list")
def list_(url: Url = DEFAULT_URL, json: Json = False) -> None:
    """All users."""
    found = request(url, _BASE)
    if json:
        as_json(found)
        return
    rows = [
        (u["name"], u["role"], u["source"], str(len(u["sessions"])), str(u["tokens"]),
         local(u["last_login_at"]) if u["last_login_at"] else "", "disabled" if u["disabled_at"] else "")
        for u in found
    ]  # fmt: skip
    table(("name", "role", "from", "sessions", "tokens", "last log-in", ""), rows, "No users: nobody has to log in.")


@app.command()
def add(name: Name, role: RoleName = "viewer", data: Data = None, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Make a user; the password is asked for, or is the first line of the standard input."""
    _check_role(role)
    password = new_password()
    if data is None:
        request(url, _BASE, {"name": name, "role": role, "password": password, "by": whoami(by)})
    else:
        from hypercare.access import Role
        from hypercare.access.commands import AddUser
        from hypercare.access.passwords import Passwords

        _directly(data, "add", lambda: AddUser(name, Role.of(role), whoami(by), Passwords().hash(name, password)), by)
    print(f"{name} is {role}")


@app.command("role")
def role_(
    name: Name, role: Annotated[str, typer.Argument(help="viewer, responder or admin.")], url: Url = DEFAULT_URL
) -> None:
    """Give another role; holds at once."""
    _check_role(role)
    _change(url, name, {"role": role})


@app.command()
def password(name: Name, data: Data = None, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Set another password, which ends all sessions; it is asked for, or is the first line of the standard input."""
    given = new_password()
    if data is None:
        _change(url, name, {"password": given})
        return
    from hypercare.access.commands import SetPassword
    from hypercare.access.passwords import Passwords

    _directly(data, "password", lambda: SetPassword(name, whoami(by), Passwords().hash(name, given)), by)


@app.command()
def disable(name: Name, url: Url = DEFAULT_URL) -> None:
    """Let nobody in under this name: sessions end, tokens are void."""
    _change(url, name, {"disabled": True})


@app.command()
def enable(name: Name, data: Data = None, by: By = "", url: Url = DEFAULT_URL) -> None:
    """Take a user back."""
    if data is None:
        _change(url, name, {"disabled": False})
        return
    from hypercare.access.commands import EnableUser

    _directly(data, "enable", lambda: EnableUser(name, whoami(by)), by)


@app.command("log-out")
def log_out(name: Name, url: Url = DEFAULT_URL) -> None:
    """End all sessions of a user."""
    ended = request(url, f"{_BASE}/{quote(name, safe='')}/logout", {})["ended"]
    print(f"{ended} sessions ended")


def _change(url: str, name: str, body: dict[str, Any]) -> None:
    request(url, f"{_BASE}/{quote(name, safe='')}", {**body, "by": whoami("")}, "PATCH")


def _check_role(role: str) -> None:
    if role not in {"viewer", "responder", "admin"}:
        msg = f"not a role: {role!r}; expected viewer, responder or admin"
        raise typer.BadParameter(msg, param_hint="--role")


def new_password() -> str:
    """A password from the terminal (twice), or the first line of the standard input; never an argument.

    Raises:
        BadParameter: there is none, or the two differ.

    """
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise typer.BadParameter("no password on the standard input")
        return line
    import getpass

    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise typer.BadParameter("the two passwords differ")
    return first


def _directly(data: Path, what: str, make: Callable[[], object], by: str) -> None:
    """Carry out a command on the state of a server that is stopped."""
    import os

    from sqlalchemy.exc import DatabaseError

    # Every room's tables register themselves: a new database gets them all.
    import hypercare.app  # noqa: F401
    from hypercare.access import audit
    from hypercare.access.service import AccessService
    from hypercare.adapters.system import SystemClock, SystemIds
    from hypercare.kernel import CommandError, Context, Origin
    from hypercare.model.errors import InputError
    from hypercare.state import State
    from hypercare.tsdb.files import lock_directory

    try:
        (data / "metrics").mkdir(parents=True, exist_ok=True)
        lock = lock_directory(data / "metrics")
        state = State.open(data / "state.db")
    except (OSError, InputError, DatabaseError) as error:
        hint = "if a server runs on it, leave --data away: the server makes the change (HYPERCARE_TOKEN, --url)"
        print(f"hypercare: {error}\n    hint: {hint}", file=sys.stderr)
        raise typer.Exit(1) from error
    ctx = Context(SystemClock().now(), state, SystemIds())
    try:
        command = make()
        AccessService().handlers()[type(command)](ctx, command)
        origin = Origin(whoami(by), "", "command line", "", "", f"hypercare users {what}")
        audit.record(ctx, audit.entry_of(origin, command))
        ctx.commit()
    except CommandError as error:
        ctx.rollback()
        print(f"hypercare: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:
        state.close()
        os.close(lock)
