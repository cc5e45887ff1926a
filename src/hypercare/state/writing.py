"""Statements whose form differs between databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table


def upsert(db: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same primary key.

    Args:
        db: a connection.
        table: with a primary key.
        rows: all with the same columns, which include the key; columns that are not named stay as they are.

    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    make = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    statement = make(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))
