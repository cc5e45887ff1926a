"""Sessions and tries to log in: rows, so that a restart forgets none of them and replicas agree."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from hypercare.access.commands import BeginOidc, BeginTry, EndTry, LogIn, LogOut, Seen, TakeOidc
from hypercare.access.tables import audit, oidc_logins, sessions, tokens, tries, users
from hypercare.kernel import CommandError
from hypercare.model.time import DAY, HOUR, MINUTE
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

WINDOW: Final[Ms] = 5 * MINUTE
OF_ADDRESS: Final = 10
"""Wrong tries within the window from one address (of IPv6 one network of 64 bits)."""
OF_ACCOUNT: Final = 30
"""Wrong tries for one account from addresses where it was not logged in during the last month."""
OF_ALL: Final = 200
"""Wrong tries together: each costs a slow hash."""
_OIDC_LASTS: Final[Ms] = 10 * MINUTE
_OIDC_WAITING: Final = 1000
_PRUNE: Final = "access.prune"
_TOO_MANY: Final = "too many tries; wait five minutes"


class Sessions:
    """Carries out what has to do with coming and going.

    Attributes:
        idle: a session that is not used for so long ends, ms.
        lasts: a session ends so long after it was opened, ms.

    """

    def __init__(self) -> None:
        self.idle: Ms = 12 * HOUR
        self.lasts: Ms = 7 * DAY
        self._counts = {"ok": 0, "failed": 0, "limited": 0}

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_PRUNE, self._prune)
        kernel.on_message(BeginTry, self._begin_try)
        kernel.on_message(EndTry, self._end_try)
        kernel.on_message(LogIn, self._log_in)
        kernel.on_message(LogOut, self._log_out)
        kernel.on_message(Seen, self._seen)
        kernel.on_message(BeginOidc, self._begin_oidc)
        kernel.on_message(TakeOidc, self._take_oidc)

    def configure(self, ctx: Context, idle: Ms, lasts: Ms) -> None:
        """Work by these lengths from now on."""

        def take() -> None:
            self.idle, self.lasts = idle, lasts

        ctx.after_commit(take)
        ctx.set_timer(_PRUNE, ctx.now + HOUR, _PRUNE, durable=False)

    def readings(self) -> Iterator[Reading]:
        """How log-ins ended."""
        samples = tuple(((("result", name),), float(count)) for name, count in self._counts.items())
        yield Reading("hypercare_logins_total", "counter", "Log-ins by password, by how they ended.", samples)

    def _begin_try(self, ctx: Context, command: BeginTry) -> str:
        account, address, since = command.account[:100], network(command.address), ctx.now - WINDOW
        recent = tries.c.at > since
        counts = select(func.count()).select_from(tries).where(recent)
        of_all = ctx.db.execute(counts).scalar_one()
        of_address = ctx.db.execute(counts.where(tries.c.address == address)).scalar_one()
        of_account = ctx.db.execute(counts.where(tries.c.account == account)).scalar_one()
        # A stranger who fails on purpose must not keep out who comes from where they always come from.
        locked = of_account >= OF_ACCOUNT and not self._is_at_home(ctx, account, command.address)
        if of_all >= OF_ALL or of_address >= OF_ADDRESS or locked:
            ctx.after_commit(lambda: self._count("limited"))
            return ""
        # Counted before the slow check, so that many tries at once are limited too.
        found = ctx.new_id()
        ctx.db.execute(insert(tries).values(id=found, at=ctx.now, account=account, address=address))
        return found

    def _is_at_home(self, ctx: Context, account: str, address: str) -> bool:
        query = select(audit.c.seq).where(
            audit.c.who == account,
            audit.c.address == address,
            audit.c.action == "log_in",
            audit.c.at > ctx.now - 30 * DAY,
        )
        return ctx.db.execute(query.limit(1)).first() is not None

    def _end_try(self, ctx: Context, command: EndTry) -> None:
        if command.good:
            ctx.db.execute(delete(tries).where(tries.c.id == command.id))
        ctx.after_commit(lambda: self._count("ok" if command.good else "failed"))

    def _count(self, result: str) -> None:
        self._counts[result] += 1

    def _log_in(self, ctx: Context, command: LogIn) -> None:
        if command.replaces:
            ctx.db.execute(delete(sessions).where(sessions.c.digest == command.replaces))
        ctx.db.execute(
            insert(sessions).values(
                digest=command.digest, user=command.user, via=command.via, proof=command.proof, opened_at=ctx.now,
                seen_at=ctx.now, address=command.address, agent=command.agent[:300],
            )
        )  # fmt: skip
        ctx.db.execute(update(users).where(users.c.name == command.user).values(last_login_at=ctx.now))

    def _log_out(self, ctx: Context, command: LogOut) -> None:
        ctx.db.execute(delete(sessions).where(sessions.c.digest == command.digest))

    def _seen(self, ctx: Context, command: Seen) -> None:
        if command.session:
            ctx.db.execute(update(sessions).where(sessions.c.digest == command.session).values(seen_at=ctx.now))
        if command.token:
            ctx.db.execute(update(tokens).where(tokens.c.id == command.token).values(used_at=ctx.now))

    def _begin_oidc(self, ctx: Context, command: BeginOidc) -> None:
        waiting = select(func.count()).select_from(oidc_logins).where(oidc_logins.c.at > ctx.now - _OIDC_LASTS)
        if ctx.db.execute(waiting).scalar_one() >= _OIDC_WAITING:
            raise CommandError("too many log-ins are under way; wait ten minutes", 429)
        ctx.db.execute(
            insert(oidc_logins).values(
                digest=command.digest, nonce=command.nonce, verifier=command.verifier, next=command.next, at=ctx.now
            )
        )

    def _take_oidc(self, ctx: Context, command: TakeOidc) -> tuple[str, str, str]:
        """Nonce, verifier and where to go next."""
        mine = oidc_logins.c.digest == command.digest
        row = ctx.db.execute(select(oidc_logins).where(mine)).first()
        if row is None or row.at <= ctx.now - _OIDC_LASTS:
            raise CommandError("this log-in was not begun here, or took too long; begin anew", 400)
        # Once: whoever comes again with the same state is not the one who was sent.
        ctx.db.execute(delete(oidc_logins).where(mine))
        return row.nonce, row.verifier, row.next

    def _prune(self, ctx: Context, key: str) -> None:
        ctx.set_timer(key, ctx.now + HOUR, _PRUNE, durable=False)
        over = (sessions.c.seen_at <= ctx.now - self.idle) | (sessions.c.opened_at <= ctx.now - self.lasts)
        ctx.db.execute(delete(sessions).where(over))
        ctx.db.execute(delete(tries).where(tries.c.at <= ctx.now - WINDOW))
        ctx.db.execute(delete(oidc_logins).where(oidc_logins.c.at <= ctx.now - _OIDC_LASTS))


def end_sessions(ctx: Context, user: str, keep: str = "") -> int:
    """End the sessions of a user but for one; how many those were."""
    done: Any = ctx.db.execute(delete(sessions).where(sessions.c.user == user, sessions.c.digest != keep))
    return int(done.rowcount)


def network(address: str) -> str:
    """What one person can change at will in an address left out: of IPv6 the last 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
