"""Watches that ended long ago go, with all that belongs to them; reports and exports that were saved stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from hypercare.deploys import store, tables
from hypercare.model.time import HOUR, SECOND

if TYPE_CHECKING:
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

_KIND: Final = "deploys.purge"
_AT_ONCE: Final = 50
_PARTS: Final = (
    tables.baselines, tables.checkpoints, tables.findings, tables.verdicts, tables.answers, tables.requests,
    tables.journal,
)  # fmt: skip


class Purging:
    """Looks every hour for watches that ended longer ago than is kept; the newest of each service stays."""

    def __init__(self) -> None:
        self._kept: Ms = 0

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_KIND, self._on_due)

    def configure(self, ctx: Context, kept: Ms) -> None:
        """Keep ended watches so long from now on, ms."""
        self._kept = kept
        ctx.set_timer(_KIND, ctx.now + HOUR, _KIND, durable=False)

    def _on_due(self, ctx: Context, key: str) -> None:
        c = tables.watches.c
        newest = select(func.max(c.number)).group_by(c.service)
        old = select(c.id).where(
            c.status != store.RUNNING, c.ended_at < ctx.now - self._kept, c.number.not_in(newest.scalar_subquery())
        )
        gone: list[str] = list(ctx.db.execute(old.order_by(c.number).limit(_AT_ONCE)).scalars())
        if gone:
            for table in _PARTS:
                ctx.db.execute(delete(table).where(table.c.watch_id.in_(gone)))
            ctx.db.execute(delete(tables.watches).where(c.id.in_(gone)))
        ctx.set_timer(key, ctx.now + (SECOND if len(gone) == _AT_ONCE else HOUR), _KIND, durable=False)
