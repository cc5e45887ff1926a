"""Reading access: users, sessions, tokens; from any thread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from hypercare.access.roles import Role, Scope
from hypercare.access.tables import sessions, tokens, users

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class UserRow:
    """A user made on the page or by command.

    Attributes:
        by_oidc: logs in by OpenID Connect; the role follows the provider's claims.

    """

    name: str
    role: Role
    by_oidc: bool
    has_password: bool
    created_at: Ms
    created_by: str
    last_login_at: Ms | None
    disabled_at: Ms | None
    password_hash: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class SessionRow:
    """An open session."""

    digest: str = dataclasses.field(repr=False)
    user: str
    via: str
    proof: str = dataclasses.field(repr=False)
    opened_at: Ms
    seen_at: Ms
    address: str
    agent: str


@dataclasses.dataclass(frozen=True, slots=True)
class TokenRow:
    """A token, without what it is."""

    id: str
    prefix: str
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    created_at: Ms
    created_by: str
    expires_at: Ms | None
    used_at: Ms | None
    revoked_at: Ms | None
    revoked_by: str

    def valid(self, now: Ms) -> bool:
        """Whether it lets somebody in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def any_user(db: Connection) -> bool:
    """Whether there is a user who may log in."""
    return db.execute(select(users.c.name).where(users.c.disabled_at.is_(None)).limit(1)).first() is not None


def load_users(db: Connection) -> list[UserRow]:
    """All users by name, without what proves them."""
    return [dataclasses.replace(_user(row), password_hash="") for row in db.execute(select(users).order_by("name"))]


def load_user(db: Connection, name: str) -> UserRow | None:
    """The user of a name."""
    row = db.execute(select(users).where(users.c.name == name)).first()
    return None if row is None else _user(row)


def load_subject(db: Connection, subject: str) -> UserRow | None:
    """The user whom a provider knows under this."""
    row = db.execute(select(users).where(users.c.subject == subject)).first()
    return None if row is None else _user(row)


def count_admins(db: Connection, without: str = "") -> int:
    """How many administrators may log in, one of them left out."""
    query = (
        select(func.count()).select_from(users).where(users.c.role == str(Role.ADMIN), users.c.disabled_at.is_(None))
    )
    return int(db.execute(query.where(users.c.name != without)).scalar_one())


def load_session(db: Connection, digest: str) -> SessionRow | None:
    """The session of a cookie's digest."""
    row = db.execute(select(sessions).where(sessions.c.digest == digest)).first()
    return None if row is None else _session(row)


def load_sessions(db: Connection, user: str = "") -> list[SessionRow]:
    """Sessions, of one user or of all, those seen last first."""
    query = select(sessions).order_by(sessions.c.seen_at.desc(), sessions.c.digest)
    return [_session(row) for row in db.execute(query if not user else query.where(sessions.c.user == user))]


def load_token(db: Connection, digest: str) -> TokenRow | None:
    """The token of a secret's digest."""
    row = db.execute(select(tokens).where(tokens.c.digest == digest)).first()
    return None if row is None else _token(row)


def load_tokens(db: Connection, owner: str = "", *, revoked: bool = False) -> list[TokenRow]:
    """Tokens, the newest first."""
    query = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id)
    if owner:
        query = query.where(tokens.c.owner == owner)
    if not revoked:
        query = query.where(tokens.c.revoked_at.is_(None))
    return [_token(row) for row in db.execute(query)]


def _user(row: Any) -> UserRow:
    return UserRow(
        row.name, Role.of(row.role), row.subject is not None, bool(row.password_hash), row.created_at, row.created_by,
        row.last_login_at, row.disabled_at, row.password_hash,
    )  # fmt: skip


def _session(row: Any) -> SessionRow:
    return SessionRow(*(getattr(row, field.name) for field in dataclasses.fields(SessionRow)))


def _token(row: Any) -> TokenRow:
    found = {field.name: getattr(row, field.name) for field in dataclasses.fields(TokenRow)}
    return TokenRow(**found | {"scopes": tuple(Scope(s) for s in row.scopes.split())})
