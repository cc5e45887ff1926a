"""PostgreSQL as the state database: sessions, transactions that only the leader of their term can commit."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, String, create_engine, event, false, literal, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from hypercare.model.time import Ms

NOTHING: Final = select(literal(1)).where(false())
"""A statement without rows."""
_SESSION: Final = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    # What was sent and is not even acknowledged ends the connection.
    "tcp_user_timeout": "6000",
}
# A replica that stands still in the middle of a transaction must not hold the rows that the next leader needs.
_OPTIONS: Final = (
    "-c idle_in_transaction_session_timeout=10s -c lock_timeout=10s -c synchronous_commit=on -c timezone=UTC"
)
_MIGRATING: Final = 5_726_391_044_210_117
"""Key of the lock under which one replica at a time brings the schema up to date."""


class LostLeadError(Exception):
    """Another replica leads."""


@compiles(String, "postgresql")
def _text(_type: String, _compiler: Any, **_: Any) -> str:
    # Lengths tell people what to expect. SQLite does not enforce them; PostgreSQL would fail a whole step for a long
    # name, and gains nothing by it.
    return "TEXT"


@compiles(Integer, "postgresql")
def _integer(_type: Integer, _compiler: Any, **_: Any) -> str:
    # As in SQLite: a number that somebody asks for may be larger than any that is stored.
    return "BIGINT"


@compiles(CreateColumn, "postgresql")
def _counted(element: CreateColumn, compiler: Any, **options: Any) -> str:
    # Journals count events: 2³¹ of them are a few years of a busy platform.
    return str(compiler.visit_create_column(element, **options)).replace(" SERIAL", " BIGSERIAL", 1)


def create(url: str) -> Engine:
    """An engine for a ``postgresql://`` URL."""
    given = make_url(url).set(drivername="postgresql+psycopg")
    settings = {name: value for name, value in _SESSION.items() if name not in given.query}
    options = given.query.get("options", "")
    settings["options"] = f"{_OPTIONS} {options if isinstance(options, str) else ' '.join(options)}".strip()
    settings.setdefault("application_name", "hypercare")
    engine = create_engine(
        given.difference_update_query(["options"]),
        connect_args={name: value for name, value in settings.items() if name not in given.query or name == "options"},
        isolation_level="AUTOCOMMIT",
        pool_size=5,
        max_overflow=25,
        pool_timeout=10,
        pool_use_lifo=True,
    )
    event.listen(engine, "connect", _adapt)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "after_cursor_execute", _note_write)
    return engine


def _adapt(raw: Any, _record: Any) -> None:
    """PostgreSQL's texts hold no NUL: the sign for a character that cannot be shown stands for it."""
    from psycopg.types.string import StrDumper  # noqa: PLC0415 - needed with PostgreSQL only

    class Cleaned(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    raw.adapters.register_dumper(str, Cleaned)


def _begin(connection: Connection) -> None:
    # The driver is in autocommit mode, so that the transaction begins and ends in words of ours: see ``commit``.
    look = connection.get_execution_options().get("hypercare_look")
    connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if look else "BEGIN")
    connection.info["wrote"] = False


def _note_write(connection: Connection, _cursor: Any, statement: str, _params: Any, _context: Any, _many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
    if not statement.lstrip().startswith("SELECT"):
        connection.info["wrote"] = True


def commit(connection: Connection, term: int | None, now: Ms) -> None:
    """Commit what a leader wrote, if it still leads; the check and the commit travel in one message.

    The server does both without the client in between: a replica that was stopped after its last statement, and wakes
    up when another one leads, cannot commit.

    Raises:
        LostLeadError: another term has begun.
        sqlalchemy.exc.DBAPIError: the connection broke; nobody knows whether it was kept.
    """
    if not connection.info.get("wrote"):
        return
    if term is None:
        raise LostLeadError("this replica does not lead")
    fence = (
        f"WITH held AS (UPDATE leadership SET seen_at = {now:d} WHERE name = 'leader' AND term = {term:d} RETURNING 1) "  # noqa: S608 - numbers
        "SELECT 1 / count(*) FROM held; COMMIT"
    )
    try:
        connection.exec_driver_sql(fence)
    except DataError as error:
        msg = f"the lead of term {term} is over"
        raise LostLeadError(msg) from error


def cut(raw: Any) -> None:
    """End a connection from another thread; whoever waits on it gets an error."""
    try:
        with socket.socket(fileno=os.dup(raw.fileno())) as handle:
            handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already; psycopg's error for that is an OSError's sibling, handled by the caller's next use.
        return


def upgrade_alone(engine: Engine, upgrade: Callable[[Engine], None]) -> None:
    """Bring the schema up to date while no other replica does."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATING})
        try:
            upgrade(engine)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATING})
            connection.commit()
