"""What is asked of access; give them to ``Kernel.call``.

``audited`` False: told in the journal by what they are part of, or no change by a person.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from hypercare.access.audit import Entry
    from hypercare.access.roles import Role, Scope
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class AddUser:
    """A new user; ``password_hash`` is Argon2, empty for who logs in elsewhere only."""

    name: str
    role: Role
    by: str
    password_hash: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class SetRole:
    """Another role; holds at once, also for sessions and tokens."""

    name: str
    role: Role
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class SetPassword:
    """Another password; ends all sessions of the user, but for the one that asks (``keep``: its digest)."""

    name: str
    by: str
    password_hash: str = dataclasses.field(repr=False)
    keep: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class DisableUser:
    """Nobody comes in under this name any more: sessions end, tokens are void while it lasts."""

    name: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class EnableUser:
    """Take a user back."""

    name: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class LogOutEverywhere:
    """End all sessions of a user; answers how many."""

    name: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class AddToken:
    """A new token of which only the digest is kept.

    Attributes:
        within: the role of who asks: nobody gives out more than they may.
        lasts: ms; 0: it does not expire.

    """

    name: str
    owner: str
    scopes: tuple[Scope, ...]
    by: str
    within: Role
    lasts: Ms = 0
    prefix: str = ""
    digest: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class RevokeToken:
    """A token that is not valid any more; of this owner only, where one is given."""

    id: str
    by: str
    owner: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BeginTry:
    """Somebody tries to log in; answers the id of the try, or raises CommandError 429 where there were too many."""

    audited: ClassVar[bool] = False
    account: str
    address: str


@dataclasses.dataclass(frozen=True, slots=True)
class EndTry:
    """How a try ended; a good one is forgotten, a bad one counts."""

    audited: ClassVar[bool] = False
    id: str
    good: bool


@dataclasses.dataclass(frozen=True, slots=True)
class LogIn:
    """Open a session.

    Attributes:
        digest: of the new cookie.
        replaces: the digest of the cookie that came with the log-in: its session ends, so that nobody can prepare one.
        proof: see the table.

    """

    user: str
    via: str
    address: str
    agent: str
    digest: str = dataclasses.field(repr=False)
    replaces: str = dataclasses.field(default="", repr=False)
    proof: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class LogOut:
    """End the session of a cookie."""

    digest: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """A session or token was used (no more than once a minute)."""

    audited: ClassVar[bool] = False
    session: str = ""
    token: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BeginOidc:
    """Somebody is sent to the provider."""

    audited: ClassVar[bool] = False
    digest: str = dataclasses.field(repr=False)
    nonce: str = dataclasses.field(repr=False)
    verifier: str = dataclasses.field(repr=False)
    next: str


@dataclasses.dataclass(frozen=True, slots=True)
class TakeOidc:
    """Somebody comes back from the provider; answers the row of their going there, once, or none."""

    audited: ClassVar[bool] = False
    digest: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class AdmitOidc:
    """The provider vouches for somebody; answers the ``UserRow`` (made at the first time, its role as the claims say).

    Attributes:
        subject: "<issuer> <subject>".
        name: what they are to be called; taken by somebody else: refused.

    """

    subject: str
    name: str
    role: Role


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """Write into the journal what is no command: a log-in that failed, a request that was refused."""

    audited: ClassVar[bool] = False
    entry: Entry
