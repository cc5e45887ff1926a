"""What the API and the pages of users have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.access import Role, Scope, store
from hypercare.access.commands import AddToken, SetPassword
from hypercare.access.passwords import digest
from hypercare.kernel import CommandError
from hypercare.web.auth import address_of, session_secret
from hypercare.web.calls import call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from hypercare.app import App
    from hypercare.model.time import Ms
    from hypercare.web.auth import Gate, Identity

_PATIENCE_SECONDS = 30


def known_users(app: App) -> list[dict[str, Any]]:
    """All users by name, each with open sessions and the number of valid tokens."""
    now, service = app.ports.clock.now(), app.access.sessions
    with app.state.read() as db:
        rows, sessions, tokens = store.load_users(db), store.load_sessions(db), store.load_tokens(db)
    found: dict[str, dict[str, Any]] = {row.name: user_view(row) for row in rows}
    for user in app.config.hypercare.web.users:
        found[user.name] = {
            "name": user.name, "role": user.role, "source": "configuration", "has_password": True, "created_at": None,
            "created_by": "", "last_login_at": None, "disabled_at": None,
        }  # fmt: skip
    for name, one in found.items():
        one["sessions"] = [
            {"via": s.via, "address": s.address, "agent": s.agent, "opened_at": s.opened_at, "seen_at": s.seen_at}
            for s in sessions
            if s.user == name and now < s.seen_at + service.idle and now < s.opened_at + service.lasts
        ]
        one["tokens"] = sum(t.owner == name and t.valid(now) for t in tokens)
    return [found[name] for name in sorted(found)]


def user_view(row: store.UserRow) -> dict[str, Any]:
    """A user without what proves them."""
    return {
        "name": row.name, "role": str(row.role), "source": "oidc" if row.by_oidc else "here",
        "has_password": row.has_password, "created_at": row.created_at, "created_by": row.created_by,
        "last_login_at": row.last_login_at, "disabled_at": row.disabled_at,
    }  # fmt: skip


def token_view(row: store.TokenRow, now: Ms) -> dict[str, Any]:
    """A token without what it is."""
    return {
        "id": row.id, "prefix": row.prefix, "name": row.name, "owner": row.owner, "scopes": list(map(str, row.scopes)),
        "created_at": row.created_at, "created_by": row.created_by, "expires_at": row.expires_at,
        "used_at": row.used_at, "revoked_at": row.revoked_at, "revoked_by": row.revoked_by, "valid": row.valid(now),
    }  # fmt: skip


def person(gate: Gate, request: Request) -> Identity:
    """Who asks in person.

    Raises:
        CommandError: nobody in person: the server is open, or they came with a token, which must not beget others.

    """
    found = gate.identity(request) if gate.closed else None
    if found is None or found.by_token:
        raise CommandError("this is for users; nobody is logged in by name", 403)
    if found.scopes is not None:
        raise CommandError("a token cannot do this; log in with the password", 403)
    return found


async def new_token(
    app: App, gate: Gate, name: str, owner: str, scopes: Iterable[Scope], by: str, within: Role, lasts: Ms
) -> tuple[store.TokenRow, str]:
    """Make a token: its row, and the secret that nobody can be told again.

    Raises:
        CommandError: it may not be made.

    """
    secret = gate.new_token()
    command = AddToken(name, owner, tuple(scopes), by, within, lasts, secret[:11], digest(secret))
    return await call(app, command), secret


def change_password(app: App, gate: Gate, request: Request, old: str, new: str) -> None:
    """Another password for who asks; the old one is looked at like one of a log-in.

    Raises:
        CommandError: the old one is not right, or the new one is not good enough.
        TooManyTriesError: wrong passwords too often.

    """
    me = person(gate, request)
    if gate.log_in(me.name, old, address_of(request)) is None:
        raise CommandError("the old password is not right", 403)
    secret = session_secret(request)
    keep = digest(secret) if secret else ""
    app.kernel.call(SetPassword(me.name, me.name, gate.passwords.hash(me.name, new), keep)).result(_PATIENCE_SECONDS)
