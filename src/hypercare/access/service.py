"""Access in the loop: users and tokens are made and changed, sessions open and end, tries to log in are counted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from hypercare.access import audit, store
from hypercare.access.commands import (
    AddToken,
    AddUser,
    AdmitOidc,
    DisableUser,
    EnableUser,
    LogOutEverywhere,
    Note,
    RevokeToken,
    SetPassword,
    SetRole,
)
from hypercare.access.roles import ROLE_OF_SCOPE, Role
from hypercare.access.sessions import Sessions, end_sessions
from hypercare.access.tables import tokens, users
from hypercare.kernel import CommandError
from hypercare.model.time import YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.access.store import TokenRow, UserRow
    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel, Origin
    from hypercare.ports import Reading

_NO: Final = r"\x00-\x1f\x7f:/\\\"'<>&"
_NAME: Final = re.compile(rf"[^\s{_NO}](?:[^{_NO}]{{0,98}}[^\s{_NO}])?")
_TOKENS_OF_ONE: Final = 100


class AccessService:
    """Keeps users, sessions, tokens and the journal.

    Args:
        on_change: told after every commit that may change who comes in.

    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self.sessions = Sessions()
        self._configured: frozenset[str] = frozenset()
        self._has_other_ways = False

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self.sessions.register(kernel)
        kernel.audit_with(self.audit)
        for kind, handler in self.handlers().items():
            kernel.on_message(kind, handler)

    def handlers(self) -> dict[type, Callable[[Context, Any], Any]]:
        """What carries out each command on users and tokens."""
        return {
            AddUser: self._add_user,
            SetRole: self._set_role,
            SetPassword: self._set_password,
            DisableUser: self._disable,
            EnableUser: self._enable,
            LogOutEverywhere: self._log_out_everywhere,
            AddToken: self._add_token,
            RevokeToken: self._revoke_token,
            AdmitOidc: self._admit,
            Note: lambda ctx, command: audit.record(ctx, command.entry),
        }

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        web = config.hypercare.web
        admins = any(user.role == str(Role.ADMIN) for user in web.users)
        names, others = frozenset(user.name for user in web.users), bool(web.token or web.token_file or admins)
        others = others or (web.oidc is not None and bool(web.oidc.roles.admin))

        def take() -> None:
            self._configured, self._has_other_ways = names, others
            self.on_change()

        ctx.after_commit(take)
        self.sessions.configure(ctx, web.session_idle, web.session_max)

    def audit(self, ctx: Context, origin: Origin, command: object, error: str) -> None:
        """Write a command into the journal, in its own transaction (or in another where it was refused)."""
        if getattr(command, "audited", True):
            audit.record(ctx, audit.entry_of(origin, command, f"refused: {error}" if error else "ok"))

    def readings(self) -> Iterator[Reading]:
        """Metrics."""
        return self.sessions.readings()

    # -- users -------------------------------------------------------------------------------------------------

    def _add_user(self, ctx: Context, command: AddUser) -> UserRow:
        name = command.name
        if not _NAME.fullmatch(name):
            raise CommandError("a name has 1 to 100 characters, and none of : / \\ \" ' < > &", 400)
        if name in self._configured or store.load_user(ctx.db, name) is not None:
            msg = f"there is a user {name!r} already"
            raise CommandError(msg, 409)
        if command.role is not Role.ADMIN and not self._has_other_ways and not store.count_admins(ctx.db):
            raise CommandError("from the first user on everybody has to log in: make an administrator first", 409)
        self._insert(ctx, name, command.role, command.by, password_hash=command.password_hash)
        return self._known(ctx, name)

    def _insert(
        self, ctx: Context, name: str, role: Role, by: str, *, password_hash: str = "", subject: str | None = None
    ) -> None:
        ctx.db.execute(
            insert(users).values(
                name=name, role=str(role), password_hash=password_hash, subject=subject, created_at=ctx.now,
                created_by=by, password_at=ctx.now if password_hash else None, last_login_at=None, disabled_at=None,
                disabled_by="",
            )
        )  # fmt: skip
        ctx.after_commit(self.on_change)

    def _set_role(self, ctx: Context, command: SetRole) -> UserRow:
        user = self._known(ctx, command.name)
        if command.role is not Role.ADMIN:
            self._keep_an_admin(ctx, user)
        self._change(ctx, user.name, role=str(command.role))
        return self._known(ctx, user.name)

    def _set_password(self, ctx: Context, command: SetPassword) -> UserRow:
        user = self._known(ctx, command.name)
        self._change(ctx, user.name, password_hash=command.password_hash, password_at=ctx.now)
        end_sessions(ctx, user.name, keep=command.keep)
        return self._known(ctx, user.name)

    def _disable(self, ctx: Context, command: DisableUser) -> UserRow:
        user = self._known(ctx, command.name)
        if user.disabled_at is not None:
            return user
        self._keep_an_admin(ctx, user)
        self._change(ctx, user.name, disabled_at=ctx.now, disabled_by=command.by)
        end_sessions(ctx, user.name)
        return self._known(ctx, user.name)

    def _enable(self, ctx: Context, command: EnableUser) -> UserRow:
        self._change(ctx, self._known(ctx, command.name).name, disabled_at=None, disabled_by="")
        return self._known(ctx, command.name)

    def _log_out_everywhere(self, ctx: Context, command: LogOutEverywhere) -> int:
        ctx.after_commit(self.on_change)
        return end_sessions(ctx, command.name)

    def _admit(self, ctx: Context, command: AdmitOidc) -> UserRow:
        user = store.load_subject(ctx.db, command.subject)
        if user is None:
            if not _NAME.fullmatch(command.name):
                raise CommandError("the provider's name for you cannot be used here", 403)
            if command.name in self._configured or store.load_user(ctx.db, command.name) is not None:
                # Whoever may choose a name at the provider must not become somebody else here.
                msg = f"the name {command.name!r} belongs to a user who logs in another way"
                raise CommandError(msg, 403)
            self._insert(ctx, command.name, command.role, "oidc", subject=command.subject)
            return self._known(ctx, command.name)
        if user.disabled_at is not None:
            raise CommandError("this user is disabled", 403)
        self._change(ctx, user.name, role=str(command.role))
        return self._known(ctx, user.name)

    def _change(self, ctx: Context, name: str, **values: Any) -> None:
        ctx.db.execute(update(users).where(users.c.name == name).values(**values))
        ctx.after_commit(self.on_change)

    def _known(self, ctx: Context, name: str) -> UserRow:
        user = store.load_user(ctx.db, name)
        if user is None:
            if name in self._configured:
                msg = f"{name!r} stands in the configuration, under web.users; change it there"
                raise CommandError(msg, 409)
            msg = f"there is no user {name!r}"
            raise CommandError(msg, 404)
        return user

    def _keep_an_admin(self, ctx: Context, user: UserRow) -> None:
        if user.role is Role.ADMIN and not self._has_other_ways and not store.count_admins(ctx.db, without=user.name):
            msg = f"{user.name} is the last administrator; make another one first"
            raise CommandError(msg, 409)

    # -- tokens ------------------------------------------------------------------------------------------------

    def _add_token(self, ctx: Context, command: AddToken) -> TokenRow:
        if not command.name.strip() or len(command.name) > 100:
            raise CommandError("a token has a name of up to 100 characters, which says what it is for", 400)
        if not command.scopes:
            raise CommandError("a token has a scope", 400)
        above = [str(scope) for scope in command.scopes if ROLE_OF_SCOPE[scope] > command.within]
        if above:
            msg = f"your role is too little to give out the scope {above[0]}"
            raise CommandError(msg, 403)
        if not 0 <= command.lasts <= 10 * YEAR:
            raise CommandError("a token lasts up to ten years", 400)
        if command.owner not in self._configured:
            self._known(ctx, command.owner)
        if len(store.load_tokens(ctx.db, command.owner)) >= _TOKENS_OF_ONE:
            msg = f"{command.owner} has {_TOKENS_OF_ONE} tokens; revoke some"
            raise CommandError(msg, 409)
        token_id = ctx.new_id()
        ctx.db.execute(
            insert(tokens).values(
                id=token_id, prefix=command.prefix, digest=command.digest, name=command.name.strip(),
                owner=command.owner, scopes=" ".join(sorted({str(s) for s in command.scopes})), created_at=ctx.now,
                created_by=command.by, expires_at=ctx.now + command.lasts if command.lasts else None, used_at=None,
                revoked_at=None, revoked_by="",
            )
        )  # fmt: skip
        ctx.after_commit(self.on_change)
        found = store.load_token(ctx.db, command.digest)
        assert found is not None  # noqa: S101 - written above, in the same transaction
        return found

    def _revoke_token(self, ctx: Context, command: RevokeToken) -> None:
        query = update(tokens).where(tokens.c.id == command.id, tokens.c.revoked_at.is_(None))
        if command.owner:
            query = query.where(tokens.c.owner == command.owner)
        done = ctx.db.execute(query.values(revoked_at=ctx.now, revoked_by=command.by))
        if not done.rowcount:
            msg = f"there is no valid token {command.id}"
            raise CommandError(msg, 404)
        ctx.after_commit(self.on_change)
