"""Opening the state database: SQLite in a file (WAL), or in memory for the simulator."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from hypercare.state.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine


class State:
    """The database of one running hypercare.

    The kernel writes on one connection; readers in other threads take their own and see committed rows only.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, path: Path | None) -> State:
        """Open or create the database and bring its schema up to date.

        Args:
            path: the file; none keeps everything in memory.

        Raises:
            sqlalchemy.exc.DatabaseError: the file is not a database or cannot be opened.

        """
        if path is None:
            engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _pragmas)
        event.listen(engine, "begin", _begin)
        upgrade(engine)
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; nothing it does is kept."""
        with self.engine.connect() as connection:
            yield connection
            connection.rollback()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


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
