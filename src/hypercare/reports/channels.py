"""Every way in which people are told: what arrived last, what went wrong last, what waits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from hypercare.kernel.outbox import FAILED, PENDING, SENT
from hypercare.kernel.tables import outbox

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from hypercare.app import App
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One integration of a receiver, or one contact way of a person.

    Attributes:
        kind: ``receiver`` or ``person``.
        name: of the receiver or person.
        channel: such as ``slack``.
        target: as in deliveries.
        delivered_at: when something arrived there last; none: never, as far as deliveries are kept.
        failed_at: when something was given up last.
        error: of what was given up last, or of what waits.
        waiting: how many effects have not arrived yet.

    """

    kind: str
    name: str
    channel: str
    target: str
    delivered_at: Ms | None = None
    failed_at: Ms | None = None
    error: str = ""
    waiting: int = 0

    @property
    def status(self) -> str:
        """How it fares: ok, warning (something waits after an error), critical (the last one was given up), unknown."""
        if self.failed_at is not None and self.failed_at >= (self.delivered_at or 0):
            return "critical"
        if self.waiting and self.error:
            return "warning"
        return "ok" if self.delivered_at is not None else "unknown"


def ways(app: App, db: Connection) -> tuple[Way, ...]:
    """All of them, receivers first, in the order of the configuration."""
    found: list[Way] = []
    for target, channel in app.dispatcher.all_targets.items():
        kind, _, rest = target.partition("/")
        # receiver/<name>/<channel>/<index>, person/<name>/<index>; names may have slashes.
        name = "/".join(rest.split("/")[: -2 if kind == "receiver" else -1])
        if kind == "person" and not any(p.name == name for p in app.config.hypercare.people):
            continue
        found.append(_way(db, Way(kind, name, channel, target)))
    return tuple(found)


def _way(db: Connection, way: Way) -> Way:
    c = outbox.c
    latest = select(c.state, c.done_at, c.error).where(c.target == way.target).order_by(c.seq.desc()).limit(1)

    def last(state: str) -> Row[Any] | None:
        return db.execute(latest.where(c.state == state)).first()

    sent, failed, pending = last(SENT), last(FAILED), last(PENDING)
    counted = select(func.count()).where(c.target == way.target, c.state == PENDING)
    waits = db.execute(latest.where(c.state == PENDING, c.error != "")).first() if pending else None
    return dataclasses.replace(
        way,
        delivered_at=sent.done_at if sent else None,
        failed_at=failed.done_at if failed else None,
        error=waits.error if waits else failed.error if failed else "",
        waiting=int(db.execute(counted).scalar_one()) if pending else 0,
    )
