"""Who leads: one row with a term, renewed by its holder, taken by another replica when it has expired.

All instants are by the clock of the database, so that the replicas' clocks need not agree. The lease alone decides who
tries to lead; that nobody commits who does not is held by the term (``postgres.commit``).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from hypercare.model.time import MINUTE, SECOND, Ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.state.engine import State

LEASE: Final[Ms] = 5 * SECOND
"""How long a leader that is not heard of still leads."""
FORGET_AFTER: Final[Ms] = 10 * MINUTE
_NOW: Final = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
_BEAT: Final = f"""
    INSERT INTO replicas (name, address, version, seen_at) VALUES (:name, :address, :version, {_NOW})
    ON CONFLICT (name) DO UPDATE SET address = :address, version = :version, seen_at = {_NOW}
"""  # noqa: S608 - constants
_RENEW: Final = f"UPDATE leadership SET expires_at = {_NOW} + :lease WHERE name = 'leader' AND term = :term"  # noqa: S608 - constants
_TAKE: Final = f"""
    UPDATE leadership SET term = term + 1, holder = :name, address = :address, expires_at = {_NOW} + :lease
    WHERE name = 'leader' AND expires_at < {_NOW} RETURNING term, seen_at
"""  # noqa: S608 - constants
_STANDING: Final = f"SELECT term, holder, address, expires_at - {_NOW} AS rest FROM leadership WHERE name = 'leader'"  # noqa: S608 - constants
_REPLICAS: Final = f"SELECT name, address, version, {_NOW} - seen_at AS ago FROM replicas ORDER BY name"  # noqa: S608 - constants
_FORGET: Final = f"DELETE FROM replicas WHERE seen_at < {_NOW} - :after"  # noqa: S608 - constants
_RELEASE: Final = "UPDATE leadership SET expires_at = 0 WHERE name = 'leader' AND term = :term"


@dataclasses.dataclass(frozen=True, slots=True)
class Replica:
    """One of the processes that share the state.

    Attributes:
        ago: how long since it was heard of, ms.

    """

    name: str
    address: str
    version: str
    ago: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How things stand.

    Attributes:
        term: of the last leader.
        holder: its name; empty where there never was one.
        address: where it is reached.
        rest: how long its lease still lasts, ms; negative: it has expired.
        replicas: all that were heard of lately.

    """

    term: int = 0
    holder: str = ""
    address: str = ""
    rest: Ms = 0
    replicas: tuple[Replica, ...] = ()


class Lease:
    """One replica's part in the choice of the leader.

    Attributes:
        term: by which this replica leads; none while it does not.
        seen_at: the last leader's own clock at its last commit, as found when the lease was taken.

    """

    def __init__(self, state: State, name: str, address: str, version: str) -> None:
        self._state = state
        self._me = {"name": name, "address": address, "version": version}
        self.name = name
        self.term: int | None = None
        self.seen_at: Ms = 0

    def beat(self, *, may_lead: bool = True) -> Standing:
        """Show that this replica lives; renew the lease, or take it where it has expired.

        Args:
            may_lead: whether to hold or take the lease; one that is not renewed expires.

        Raises:
            sqlalchemy.exc.DBAPIError: the database cannot be asked.
        """
        with self._state.engine.connect() as db, db.begin():
            db.execute(text(_BEAT), self._me)
            if may_lead:
                self._hold(db)
            row = db.execute(text(_STANDING)).one()
            if self.term is not None and row.term != self.term:
                self.term = None
            found = db.execute(text(_REPLICAS))
            replicas = tuple(Replica(each.name, each.address, each.version, each.ago) for each in found)
            if any(replica.ago > FORGET_AFTER for replica in replicas):
                db.execute(text(_FORGET), {"after": FORGET_AFTER})
        return Standing(row.term, row.holder, row.address, row.rest, replicas)

    def _hold(self, db: Connection) -> None:
        if self.term is not None:
            done: Any = db.execute(text(_RENEW), {"term": self.term, "lease": LEASE})
            if not done.rowcount:
                self.term = None
            return
        row = db.execute(text(_TAKE), {**self._me, "lease": LEASE}).one_or_none()
        if row is not None:
            self.term, self.seen_at = row.term, row.seen_at

    def release(self) -> None:
        """Let another replica lead at once.

        Raises:
            sqlalchemy.exc.DBAPIError: the database cannot be asked; the lease then expires by itself.
        """
        if self.term is not None:
            with self._state.engine.connect() as db, db.begin():
                db.execute(text(_RELEASE), {"term": self.term})
            self.term = None
