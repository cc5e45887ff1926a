"""Statements whose form differs between databases."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Executable, Table
    from sqlalchemy.dialects import postgresql


def upsert(db: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same primary key.

    Args:
        db: a connection.
        table: with a primary key.
        rows: all with the same columns, which include the key; columns that are not named stay as they are.

    """
    if not rows:
        return
    db.execute(_statement(table, db.dialect.name, tuple(rows[0])), list(rows))


@functools.lru_cache(maxsize=1024)
def _statement(table: Table, dialect: str, columns: tuple[str, ...]) -> Executable:
    """Made once for each table and choice of columns: that takes longer than carrying it out."""
    keys = [column.name for column in table.primary_key.columns]
    statement = _postgresql_insert(table) if dialect == "postgresql" else sqlite.insert(table)
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _postgresql_insert(table: Table) -> postgresql.Insert:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 2 MB, for those who have one

    return postgresql.insert(table)
