"""Every table holds on both databases what it is given: large numbers, empty and absent values, all characters."""

from __future__ import annotations

import pytest
from sqlalchemy import Boolean, Float, Integer, LargeBinary, String, delete, insert, select

import hypercare.app  # noqa: F401 - every room's tables register themselves
from hypercare.state import State, metadata, upsert
from postgres_kit import Server

TEXT = "käse 🧀 'quoted' \"double\" \\ % :name \n" + "long " * 2_000


@pytest.fixture(scope="module")
def server():
    server = Server().start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def states(server):
    states = {"postgresql": State.open(None, server.make("tables")), "sqlite": State.open(None)}
    states["postgresql"].term = 0
    yield states
    for state in states.values():
        state.close()


def _value(column, variant):
    """One of three values; the keys of a table differ from variant to variant."""
    kind = column.type
    if column.nullable and variant == 2:
        return None
    for key in column.foreign_keys:
        return _value(key.column, variant)
    if isinstance(kind, Boolean):
        return variant == 1
    if isinstance(kind, Integer):
        return (1, 2**53 - 1, -(2**53))[variant]
    if isinstance(kind, Float):
        return (0.1, -1e300, 5e-324)[variant]
    if isinstance(kind, LargeBinary):
        return (b"", b"\0\xff", bytes(range(256)))[variant]
    if isinstance(kind, String):
        # Keys are names and hashes: a tree of PostgreSQL takes no more than 2,700 bytes.
        return (column.name, "é" if column.primary_key or column.index or column.unique else TEXT, "")[variant]
    raise AssertionError(f"{column}: a type without values in this test: {kind!r}")


def _rows(table):
    return [{column.name: _value(column, variant) for column in table.columns} for variant in range(3)]


def _read(db, table):
    return sorted(repr(dict(row._mapping)) for row in db.execute(select(table)))


def _write_all(db):
    for table in metadata.sorted_tables:
        db.execute(delete(table))
    for table in metadata.sorted_tables:
        db.execute(insert(table), _rows(table))


def _change(db, table):
    """The last row gets what the second has, wherever nothing has to differ."""
    rows = _rows(table)
    differing = {c.name for c in table.columns if c.unique or c.primary_key or c.foreign_keys}
    differing |= {c.name for index in table.indexes if index.unique for c in index.columns}
    changed = {name: value if name in differing else rows[1][name] for name, value in rows[2].items()}
    upsert(db, table, [changed])
    assert _read(db, table) == sorted(map(repr, [rows[0], rows[1], changed])), table.name


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_table_gives_back_what_it_was_given(states, database):
    engine = states[database].engine
    with engine.connect() as db, db.begin():
        _write_all(db)
    with engine.connect() as db:
        for table in metadata.sorted_tables:
            assert _read(db, table) == sorted(map(repr, _rows(table))), table.name
    with engine.connect() as db, db.begin():
        for table in metadata.sorted_tables:
            _change(db, table)
        for table in reversed(metadata.sorted_tables):
            where = [column == _value(column, 0) for column in table.primary_key.columns]
            assert db.execute(delete(table).where(*where)).rowcount == 1, table.name


def test_numbers_given_by_an_older_version_become_long_ones(server):
    """What 0.1 made on PostgreSQL before its 16th migration counts in 32 bits."""
    url = server.make("narrow")
    state = State.open(None, url)
    counted = [t.autoincrement_column for t in metadata.sorted_tables if t.autoincrement_column is not None]
    assert len(counted) > 10
    with state.engine.begin() as db:
        for column in counted:
            sequence = f"{column.table.name}_{column.name}_seq"
            db.exec_driver_sql(f"ALTER TABLE {column.table.name} ALTER COLUMN {column.name} TYPE INTEGER")
            db.exec_driver_sql(f"ALTER SEQUENCE {sequence} AS INTEGER")
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '0015'")
    state.close()
    state = State.open(None, url)
    with state.read() as db:
        kinds = {row[0] for row in db.exec_driver_sql("SELECT data_type FROM information_schema.sequences")}
        narrow = db.exec_driver_sql(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'integer'"
        ).scalar()
    state.close()
    assert (kinds, narrow) == ({"bigint"}, 0)
