"""The one ``MetaData`` that all rooms' tables hang on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Index, MetaData
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_HASH: Final = "hash"

# Named constraints, so that migrations can address them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def hash_index(name: str, column: str) -> Index:
    """An index of texts that may be longer than a tree of PostgreSQL takes (2,704 bytes): a hash there."""
    # Not as postgresql_using: that loads the dialect, 2 MB, for everybody.
    return Index(name, column, info={_HASH: True})


def create_tables(connection: Connection) -> None:
    """All tables and indexes, in an empty database."""
    dialect = connection.dialect
    key = dialect.name, tuple(metadata.tables)
    if key not in _SCRIPTS:
        _SCRIPTS[key] = tuple(str(statement.compile(dialect=dialect)) for statement in _statements(dialect.name))
    for text in _SCRIPTS[key]:
        connection.exec_driver_sql(text)


_SCRIPTS: Final[dict[tuple[str, tuple[str, ...]], tuple[str, ...]]] = {}
"""By database and tables: writing them out takes longer than carrying them out, and every simulation has a database."""


def _statements(database: str) -> Iterator[ExecutableDDLElement]:
    for table in metadata.sorted_tables:
        yield CreateTable(table)
        for index in sorted(table.indexes, key=lambda i: str(i.name)):
            if database == "postgresql" and index.info.get(_HASH):
                index.dialect_options["postgresql"]["using"] = "hash"
            yield CreateIndex(index)
