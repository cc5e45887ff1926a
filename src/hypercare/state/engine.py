"""Opening the state database: SQLite in a file (WAL) or in memory, or PostgreSQL, which several replicas share.

What differs between the two stays below ``state/``: the rooms use SQLAlchemy Core and ``upsert``.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import StaticPool

from hypercare.state import postgres
from hypercare.state.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from hypercare.model.time import Ms

_TRANSIENT: Final = frozenset(
    (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
)
_FIRST_ROW: Final = (
    "INSERT INTO leadership (name, term, holder, address, expires_at, seen_at) VALUES ('leader', 0, '', '', 0, 0) "
    "ON CONFLICT DO NOTHING"
)
LOOK: Final = "hypercare_look"
"""Execution option of connections that see a snapshot, and whose writes do nothing."""


class StateAwayError(Exception):
    """The state database cannot be reached now."""


class State:
    """The database of one running hypercare.

    The kernel writes on one connection; readers in other threads take their own and see committed rows only.

    Attributes:
        shared: whether other replicas may work on it, so that one of them leads.
        term: of our leadership, where it is shared; a transaction of another term cannot be committed.
        own: the database of this replica alone; the same one where it is not shared.
        away: since when it cannot be reached, and why; none while it can.
        written: how often rows were changed through this object, where it is not shared.

    """

    def __init__(self, engine: Engine, own: State | None = None) -> None:
        self.engine = engine
        self.shared = engine.dialect.name == "postgresql"
        self.term: int | None = None
        self.own: State = own or self
        self.away = ""
        self.written = 0
        self._lock = threading.Lock()
        self._raw: dict[int, Any] = {}
        if self.shared:
            event.listen(engine, "connect", self._note)
            event.listen(engine, "close", self._forget)

    @classmethod
    def open(cls, path: Path | None, url: str = "") -> State:
        """Open or create the database and bring its schema up to date.

        Args:
            path: the file; none keeps everything in memory.
            url: a ``postgresql://`` URL; then the file holds only what belongs to this replica.

        Raises:
            sqlalchemy.exc.DatabaseError: the file is not a database or cannot be opened, or the server refuses us.

        """
        own = cls._open_sqlite(path)
        if not url:
            return own
        engine = postgres.create(url)
        event.listen(engine, "before_execute", _swallow, retval=True)
        try:
            postgres.upgrade_alone(engine, upgrade)
            _found(engine)
        except DBAPIError:
            own.close()
            engine.dispose()
            raise
        return cls(engine, own)

    @classmethod
    def _open_sqlite(cls, path: Path | None) -> State:
        if path is None:
            engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _pragmas)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "before_execute", _swallow, retval=True)
        upgrade(engine)
        _found(engine)
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; nothing it does is kept. All its queries see one and the same state.

        Raises:
            StateAwayError: the database is away.
        """
        with self.look() as connection:
            yield connection
            connection.rollback()

    def look(self) -> Connection:
        """A connection that sees one snapshot; inserts, updates and deletes on it do nothing.

        Raises:
            StateAwayError: the database is away.
        """
        self.check()
        # Only where somebody else may write meanwhile is a snapshot to be asked for: SQLite's readers have one.
        return self.engine.connect().execution_options(**{LOOK: True})

    def seen_at(self) -> Ms:
        """The instant of the last commit; 0 where there was none."""
        with self.read() as db:
            return int(db.execute(text("SELECT seen_at FROM leadership WHERE name = 'leader'")).scalar() or 0)

    def check(self) -> None:
        """Raise StateAwayError while the database is away: nobody waits for what is known not to answer."""
        if self.away:
            raise StateAwayError(self.away)

    def commit(self, connection: Connection, now: Ms) -> None:
        """Make a transaction's rows permanent.

        Args:
            connection: of the transaction.
            now: the instant of the step, which a later process will not fall behind.

        Raises:
            postgres.LostLeadError: another replica leads by now; nothing is kept.
            sqlalchemy.exc.DBAPIError: it failed; where the connection broke, nobody knows whether it was kept.
        """
        if self.shared:
            postgres.commit(connection, self.term, now)
        elif connection.connection.total_changes != connection.info.get("changes"):
            connection.exec_driver_sql("UPDATE leadership SET seen_at = max(seen_at, ?) WHERE name = 'leader'", (now,))
            # Before the commit: whoever asks after it must not find the old number.
            self.written += 1
        connection.commit()

    def lost(self, why: str) -> None:
        """Note that the database does not answer: it is not asked again before ``back``."""
        if self.shared:
            self.away = self.away or why

    def back(self) -> None:
        """Note that it answers."""
        self.away = ""

    def interrupt(self, why: str) -> None:
        """Give up on a server that does not answer: whoever waits for it gets an error (from any thread)."""
        self.away = self.away or why
        with self._lock:
            raw = list(self._raw.values())
        for connection in raw:
            postgres.cut(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if self.own is not self:
            self.own.close()

    def _note(self, raw: Any, _record: Any) -> None:
        with self._lock:
            self._raw[id(raw)] = raw

    def _forget(self, raw: Any, _record: Any) -> None:
        with self._lock:
            self._raw.pop(id(raw), None)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot do it now, and may later; not that the request was wrong."""
    if isinstance(error, (StateAwayError, postgres.LostLeadError)):
        return True
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in _TRANSIENT
    return type(origin).__module__.startswith("psycopg")


def _found(engine: Engine) -> None:
    """Make the row of leadership, where there is none."""
    with engine.begin() as connection:
        connection.execute(text(_FIRST_ROW))


def _pragmas(connection: Any, _record: Any) -> None:
    """WAL lets readers go on beside the writer; FULL keeps a commit through a power cut."""
    # The driver would open transactions by itself, and late; SQLAlchemy's begin does it (see _begin).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
    connection.info["changes"] = connection.connection.total_changes


def _swallow(connection: Connection, clause: Any, multiparams: Any, params: Any, _options: Any) -> tuple[Any, Any, Any]:
    """Writes of somebody who only looks do nothing: a stand-by works its configuration out, the leader stores it."""
    if connection.get_execution_options().get(LOOK) and getattr(clause, "is_dml", False):
        return postgres.NOTHING, (), {}
    return clause, multiparams, params
