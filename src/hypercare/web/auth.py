"""Who somebody is: by session, by token, by password; everybody where nobody has to log in."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError

from hypercare.access import Area, Role, Scope, store
from hypercare.access.audit import Entry
from hypercare.access.commands import BeginTry, EndTry, LogIn, LogOut, Note, Seen
from hypercare.access.passwords import Passwords, digest
from hypercare.kernel import CommandError, Origin
from hypercare.model.time import MINUTE, SECOND
from hypercare.state import StateAwayError, is_away

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hypercare.app import App
    from hypercare.config.services import User
    from hypercare.model.time import Ms

COOKIE: Final = "hypercare_session"
SECURE_COOKIE: Final = "__Host-hypercare_session"
"""Its name over HTTPS: browsers take it from this very host alone, so that no neighbour can plant one."""
_BASIC_KEPT: Final[Ms] = 60 * SECOND
_CLOSED_KEPT: Final[Ms] = SECOND
_PATIENCE_SECONDS: Final = 30
_TOKEN_MARK: Final = "hc_"  # noqa: S105 - the beginning of every token, not one
_STATE: Final = "hypercare.identity"


class TooManyTriesError(Exception):
    """Wrong passwords too often: of this account, from this address, or of all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has shown who they are.

    Attributes:
        name: for the timeline; with the configuration's token it is what they say.
        role: what they may do.
        by_token: came with the configuration's token, which belongs to nobody in person.
        scopes: of the token they came with; none: they may all that their role may.
        by_cookie: a browser sends it along by itself, so that a change has to say which page it comes from.
        via: how they showed it, for the journal.

    """

    name: str
    role: Role
    by_token: bool = False
    scopes: frozenset[Scope] | None = None
    by_cookie: bool = False
    via: str = "password"

    @property
    def may_change(self) -> bool:
        """Whether they may acknowledge, silence and the like."""
        return self.role >= Role.RESPONDER

    @property
    def is_admin(self) -> bool:
        """Whether they may make users and tokens."""
        return self.role is Role.ADMIN


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """A password verified a moment ago; void once ``proof`` is not the digest of the hash it was verified with."""

    identity: Identity
    proof: str
    until: Ms


class Gate:
    """Judges who somebody is, by the rows of access and the running configuration.

    Args:
        app: has both.
        exposed: nobody comes in unknown, even where a reload takes away every user and token.

    """

    def __init__(self, app: App, *, exposed: bool = False) -> None:
        self._app = app
        self._exposed = exposed
        self.passwords = Passwords()
        self._lock = threading.Lock()
        self._basic: dict[str, _Kept] = {}
        self._closed: tuple[Ms, bool] | None = None
        self.on_change: Callable[[], None] = lambda: None
        app.access.on_change = self._forget

    @property
    def closed(self) -> bool:
        """Whether somebody has to say who they are: there is a token, a user, or another way to log in."""
        web = self._app.config.hypercare.web
        if self._exposed or web.token or web.token_file or web.users or web.oidc is not None:
            return True
        now, known = self._app.ports.clock.now(), self._closed
        # Another replica may have made the first user.
        if known is not None and known[0] <= now < known[0] + _CLOSED_KEPT:
            return known[1]
        try:
            with self._app.state.read() as db:
                found = store.any_user(db)
        except (StateAwayError, DBAPIError) as error:
            if known is None or not is_away(error):
                raise
            # Health and metrics are to be seen while the database is away.
            return known[1]
        self._closed = now, found
        return found

    @property
    def open_areas(self) -> frozenset[Area]:
        """What nobody has to log in for, although the server demands it elsewhere."""
        return frozenset(Area(name) for name in self._app.config.hypercare.web.open)

    def identity(self, request: Request) -> Identity | None:
        """Who sends this, or none where they do not show it. Slow (a password hash) at most once a minute and user.

        Raises:
            TooManyTriesError: wrong passwords too often.

        """
        if _STATE not in request.scope:
            # Asked again while a refusal is rendered.
            request.scope[_STATE] = None
            request.scope[_STATE] = self._identity(request)
        found: Identity | None = request.scope[_STATE]
        return found

    def watch(self, request: Request) -> Callable[[], bool]:
        """What tells, while an answer goes on for long, whether whoever asked for it may still have it.

        Looking does not keep a session from ending because nobody uses it.
        """
        anonymous = self.closed and self.identity(request) is None

        def still() -> bool:
            try:
                # Who was let in without a name came to what is open to all.
                return not self.closed or anonymous or self._identity(request, look=True) is not None
            except (StateAwayError, DBAPIError, TooManyTriesError):
                # A browser comes again by itself.
                return False

        return still

    def by(self, request: Request, claimed: str, fallback: str) -> str:
        """Who acts: who is logged in; on an open server, or with the token, who they say they are."""
        found = self.identity(request) if self.closed else None
        if found is not None and not found.by_token:
            return found.name
        return claimed.strip()[:100] or (found.name if found is not None else fallback)

    def role(self, request: Request) -> Role:
        """What whoever sends this may do; on an open server everything."""
        if not self.closed:
            return Role.ADMIN
        found = self.identity(request)
        return Role.NOBODY if found is None else found.role

    def role_of(self, name: str) -> Role:
        """What a user may do as of now; nobody's role where there is no such user, or none who may log in."""
        with self._app.state.read() as db:
            return self._role_of(name, store.load_user(db, name))

    def origin(self, request: Request, identity: Identity | None) -> Origin:
        """Where a change comes from, for the journal."""
        named = identity is not None and not identity.by_token
        via = identity.via if identity is not None else "open"
        return Origin(
            who=identity.name if identity is not None and named else "",
            role=str(identity.role) if identity is not None else "",
            via=via,
            address=address_of(request),
            agent=request.headers.get("user-agent", "")[:300],
            request=f"{request.method} {request.url.path}"[:300],
        )

    # -- coming and going --------------------------------------------------------------------------------------

    def log_in(self, name: str, password: str, address: str) -> Identity | None:
        """Check a user's password or, under a name that no user has, the token.

        Raises:
            TooManyTriesError: wrong passwords too often; this one was not looked at.

        """
        attempt = self._do(BeginTry(name[:100], address))
        if not attempt:
            raise TooManyTriesError
        found = self._checked(name, password)
        self._do(EndTry(str(attempt), found is not None))
        return found

    def note_failure(self, request: Request, name: str, why: str) -> None:
        """Write a log-in that failed into the journal."""
        origin = self.origin(request, None)
        entry = Entry(
            name[:100], "log_in", "", "", origin.address, origin.agent, origin.request, result=f"refused: {why}"
        )
        self._do(Note(entry))

    def note_refusal(self, request: Request, identity: Identity, why: str) -> None:
        """Write down that somebody asked for a change that they may not make."""
        o = self.origin(request, identity)
        entry = Entry(identity.name, "request", o.role, o.via, o.address, o.agent, o.request, result=f"refused: {why}")
        self._do(Note(entry))

    def open_session(self, request: Request, identity: Identity, via: str = "password") -> str:
        """A new session's secret; the one that came with the request ends."""
        ids = self._app.ports.ids
        secret = ids.new() + ids.new()
        agent = request.headers.get("user-agent", "")
        old = session_secret(request)
        self._do(
            LogIn(
                identity.name, "token" if identity.by_token else via, address_of(request), agent, digest(secret),
                digest(old) if old else "", self._proof(identity),
            )
        )  # fmt: skip
        return secret

    def new_token(self) -> str:
        """A new token's secret."""
        ids = self._app.ports.ids
        return _TOKEN_MARK + ids.new() + ids.new()

    def close_session(self, secret: str) -> None:
        """Log out."""
        self._do(LogOut(digest(secret)))
        self.on_change()

    def is_secure(self, request: Request) -> bool:
        """Whether the browser came over HTTPS, directly or to a proxy in front of us."""
        outside = urlsplit(self._app.config.hypercare.web.external_url)
        return request.url.scheme == "https" or (
            outside.scheme == "https" and outside.netloc == request.headers.get("host", "")
        )

    # -- ways to show who one is -------------------------------------------------------------------------------

    def _identity(self, request: Request, *, look: bool = False) -> Identity | None:
        now = self._app.ports.clock.now()
        secret = session_secret(request)
        session = self._by_session(secret, now, look=look) if secret else None
        if session is not None:
            return session
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(value.strip(), now, look=look)
        if scheme.lower() == "basic":
            return self._by_basic(value.strip(), address_of(request), now)
        return None

    def _by_session(self, secret: str, now: Ms, *, look: bool) -> Identity | None:
        """The identity as it is now: a changed password or role, or a disabled user, counts at once."""
        service = self._app.access.sessions
        with self._app.state.read() as db:
            row = store.load_session(db, digest(secret))
            if row is None or now >= row.seen_at + service.idle or now >= row.opened_at + service.lasts:
                return None
            user = store.load_user(db, row.user)
        found = self._of_session(row, user)
        if found is not None and not look and now >= row.seen_at + MINUTE:
            self._app.kernel.post(Seen(session=row.digest))
        return found

    def _of_session(self, row: store.SessionRow, user: store.UserRow | None) -> Identity | None:
        configured = self._user(row.user)
        if row.via == "token":
            found = Identity(row.user, Role.ADMIN, by_token=True, by_cookie=True, via="session")
            return found if row.proof == self._proof(found) else None
        if configured is not None:
            found = Identity(configured.name, Role.of(configured.role), by_cookie=True, via="session")
            return found if row.proof == self._proof(found) else None
        if user is None or user.disabled_at is not None or row.proof:
            return None
        return Identity(user.name, user.role, by_cookie=True, via="session")

    def _by_token(self, secret: str, now: Ms, *, look: bool) -> Identity | None:
        if self._is_token(secret):
            return Identity("token", Role.ADMIN, by_token=True, via="token of the configuration")
        if not secret.startswith(_TOKEN_MARK):
            return None
        with self._app.state.read() as db:
            row = store.load_token(db, digest(secret))
            user = store.load_user(db, row.owner) if row is not None else None
        if row is None or not row.valid(now):
            return None
        role = self._role_of(row.owner, user)
        if role is Role.NOBODY:
            return None
        if not look and (row.used_at is None or now >= row.used_at + MINUTE):
            self._app.kernel.post(Seen(token=row.id))
        return Identity(row.owner, role, scopes=frozenset(row.scopes), via=f"token {row.prefix}")

    def _role_of(self, name: str, user: store.UserRow | None) -> Role:
        configured = self._user(name)
        if configured is not None:
            return Role.of(configured.role)
        return Role.NOBODY if user is None or user.disabled_at is not None else user.role

    def _by_basic(self, value: str, address: str, now: Ms) -> Identity | None:
        # Verifying a password is slow by design; scripts send it with every request.
        key = digest(value)
        known = self._basic.get(key)
        if known is not None and known.until > now and known.proof == self._proof(known.identity):
            return known.identity
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if password.startswith(_TOKEN_MARK):
            return self._by_token(password, now, look=False)
        found = self.log_in(name, password, address)
        if found is not None:
            kept = _Kept(found, self._proof(found), now + _BASIC_KEPT)
            with self._lock:
                self._basic = {k: v for k, v in self._basic.items() if v.until > now} | {key: kept}
        return found

    def _checked(self, name: str, password: str) -> Identity | None:
        configured = self._user(name)
        if configured is not None:
            good = self.passwords.verify(self._hash_of(configured), password)
            return Identity(configured.name, Role.of(configured.role)) if good else None
        if self._is_token(password):
            return Identity(name.strip()[:100] or "token", Role.ADMIN, by_token=True, via="token of the configuration")
        with self._app.state.read() as db:
            user = store.load_user(db, name)
        if user is None or user.disabled_at is not None:
            # As long as where there is somebody.
            self.passwords.verify("", password)
            return None
        return Identity(user.name, user.role) if self.passwords.verify(user.password_hash, password) else None

    # -- what the configuration says ---------------------------------------------------------------------------

    def _user(self, name: str) -> User | None:
        return next((u for u in self._app.config.hypercare.web.users if u.name == name), None)

    def _token(self) -> str:
        web = self._app.config.hypercare.web
        return self._read(web.token_file) if web.token_file else web.token.reveal()

    def _is_token(self, given: str) -> bool:
        expected = self._token()
        return bool(expected) and hmac.compare_digest(digest(given), digest(expected))

    def _hash_of(self, user: User) -> str:
        return self._read(user.password_hash_file) if user.password_hash_file else user.password_hash.reveal()

    def _read(self, file: str) -> str:
        try:
            return self._app.ports.files.read(Path(file)).decode().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _proof(self, identity: Identity) -> str:
        """What a session or a kept password stands on; empty for a user of the rows, who is looked up every time."""
        if identity.by_token:
            return digest(self._token())
        user = self._user(identity.name)
        return "" if user is None else digest(self._hash_of(user))

    def _forget(self) -> None:
        """A user or a token has changed: nothing that was verified before counts."""
        with self._lock:
            self._basic = {}
        self._closed = None
        self.on_change()

    def _do(self, command: object) -> object:
        try:
            result: object = self._app.kernel.call(command).result(_PATIENCE_SECONDS)
        except TimeoutError as error:
            raise CommandError("hypercare is busy; try again", 503) from error
        return result


def session_secret(request: Request) -> str:
    """The session that a browser sends along."""
    return request.cookies.get(SECURE_COOKIE, "") or request.cookies.get(COOKIE, "")


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this address."""
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")
