"""Who may come in: everybody on loopback, elsewhere who has a token or a password; and no foreign page's forms."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hypercare.access import Area, Role, Scope
from hypercare.model.time import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from starlette.requests import Request

    from hypercare.app import App
    from hypercare.config.services import User
    from hypercare.model.time import Ms

COOKIE: Final = "hypercare_session"
_SESSION: Final[Ms] = 12 * HOUR
_WINDOW: Final[Ms] = 5 * MINUTE
# Wrong tries within the window: of one address, and of all together (each costs a slow hash).
_TRIES: Final = 10
_TRIES_OF_ALL: Final = 200
_BASIC_KEPT: Final[Ms] = 60 * SECOND
# Verified in place of a hash that does not exist, so that the time of an answer does not tell which names do.
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$aHlwZXJjYXJlLW5vYm9keQ$ZDWJZeEj1bp5GqZOFBB2bUzQ8a9lJmjVYrGkuLwHgX8"


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has shown who they are.

    Attributes:
        name: for the timeline; with a token it is what they say.
        role: what they may do.
        by_token: came with the token, which belongs to nobody in person.
        scopes: of the token they came with; none: they may all that their role may.
        by_cookie: a browser sends it along by itself, so that a change has to say which page it comes from.

    """

    name: str
    role: Role
    by_token: bool = False
    scopes: frozenset[Scope] | None = None
    by_cookie: bool = False

    @property
    def may_change(self) -> bool:
        """Whether they may acknowledge, silence and the like."""
        return self.role >= Role.RESPONDER


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """An identity shown before; void once ``proof`` is not the hash of the secret it was shown with."""

    identity: Identity
    proof: str
    until: Ms


class Gate:
    """Judges who somebody is by the running configuration; sessions live in memory and end with the process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._hasher = PasswordHasher()
        self._lock = threading.Lock()
        self._sessions: dict[str, _Kept] = {}
        self._basic: dict[str, _Kept] = {}
        self._failures: list[tuple[Ms, str]] = []

    @property
    def closed(self) -> bool:
        """Whether somebody has to say who they are."""
        web = self._app.config.hypercare.web
        return bool(web.token or web.token_file or web.users)

    @property
    def open_areas(self) -> frozenset[Area]:
        """What nobody has to log in for, although the server demands it elsewhere."""
        return frozenset(Area(name) for name in self._app.config.hypercare.web.open)

    def identity(self, request: Request) -> Identity | None:
        """Who sends this, or none where they do not show it. Slow (a password hash) at most once a minute and user."""
        now = self._app.ports.clock.now()
        session = self._valid(self._sessions.get(_digest(request.cookies.get(COOKIE, ""))), now)
        if session is not None:
            return dataclasses.replace(session, by_cookie=True)
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return Identity("token", Role.ADMIN, by_token=True) if self._is_token(value.strip()) else None
        if scheme.lower() == "basic":
            return self._basic_identity(value.strip(), _address(request), now)
        return None

    def by(self, request: Request, claimed: str, fallback: str) -> str:
        """Who acts: who is logged in; on an open server, or with a token, who they say they are."""
        found = self.identity(request) if self.closed else None
        if found is not None and not found.by_token:
            return found.name
        return claimed.strip()[:100] or (found.name if found is not None else fallback)

    def log_in(self, name: str, password: str, address: str) -> Identity | None:
        """Check a user's password or, under a name that no user has, the token; wrong tries are limited."""
        now = self._app.ports.clock.now()
        with self._lock:
            self._failures = [f for f in self._failures if f[0] > now - _WINDOW]
            mine = sum(f[1] == address for f in self._failures)
            if mine >= _TRIES or len(self._failures) >= _TRIES_OF_ALL:
                return None
            # Counted before the slow check, so that many tries at once are limited too.
            attempt = (now, address)
            self._failures.append(attempt)
        found = self._checked(name, password)
        if found is not None:
            with self._lock:
                self._failures.remove(attempt)
        return found

    def open_session(self, identity: Identity) -> str:
        """A new session's secret."""
        now = self._app.ports.clock.now()
        secret = self._app.ports.ids.new() + self._app.ports.ids.new()
        kept = _Kept(identity, self._proof(identity), now + _SESSION)
        with self._lock:
            self._sessions = {k: v for k, v in self._sessions.items() if v.until > now} | {_digest(secret): kept}
        return secret

    def close_session(self, secret: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(_digest(secret), None)

    def _valid(self, kept: _Kept | None, now: Ms) -> Identity | None:
        """The identity as the configuration has it now: a changed password or role counts at once."""
        if kept is None or kept.until <= now or kept.proof != self._proof(kept.identity):
            return None
        user = None if kept.identity.by_token else self._user(kept.identity.name)
        return kept.identity if user is None else Identity(user.name, Role.of(user.role))

    def _basic_identity(self, value: str, address: str, now: Ms) -> Identity | None:
        # Verifying a password is slow by design; scripts send it with every request.
        digest = _digest(value)
        known = self._valid(self._basic.get(digest), now)
        if known is not None:
            return known
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        found = self.log_in(name, password, address)
        if found is not None:
            kept = _Kept(found, self._proof(found), now + _BASIC_KEPT)
            with self._lock:
                self._basic = {k: v for k, v in self._basic.items() if v.until > now} | {digest: kept}
        return found

    def _checked(self, name: str, password: str) -> Identity | None:
        user = self._user(name)
        if user is not None:
            return Identity(user.name, Role.of(user.role)) if self._verify(self._hash_of(user), password) else None
        if self._is_token(password):
            return Identity(name.strip()[:100] or "token", Role.ADMIN, by_token=True)
        self._verify(_NOBODY, password)
        return None

    def _user(self, name: str) -> User | None:
        return next((u for u in self._app.config.hypercare.web.users if u.name == name), None)

    def _token(self) -> str:
        web = self._app.config.hypercare.web
        return self._read(web.token_file) if web.token_file else web.token.reveal()

    def _is_token(self, given: str) -> bool:
        expected = self._token()
        return bool(expected) and hmac.compare_digest(_digest(given), _digest(expected))

    def _hash_of(self, user: User) -> str:
        return self._read(user.password_hash_file) if user.password_hash_file else user.password_hash.reveal()

    def _read(self, file: str) -> str:
        try:
            return self._app.ports.files.read(Path(file)).decode().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _proof(self, identity: Identity) -> str:
        if identity.by_token:
            return _digest(self._token())
        user = self._user(identity.name)
        return "" if user is None else _digest(self._hash_of(user))

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this address."""
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")
