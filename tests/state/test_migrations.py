"""The schema that migrations make is the one that the rooms' tables describe."""

from __future__ import annotations

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

import hypercare.app  # noqa: F401 - every room's tables register themselves
from hypercare.state import State, metadata
from hypercare.state.migrate import migrate, newest


def test_no_table_or_column_lacks_a_migration():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_gets_what_all_migrations_together_make():
    def tables(engine):
        with engine.connect() as db:
            rows = db.exec_driver_sql("SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
            return sorted(tuple(row) for row in rows)

    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    fresh = State.open(None)
    assert tables(fresh.engine) == tables(engine)
    with fresh.read() as db:
        assert db.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == newest()


def test_opening_twice_keeps_what_is_there(tmp_path):
    path = tmp_path / "state.db"
    State.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO timers VALUES ('a', 'k', 5)")
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]
    again = State.open(path)
    with again.read() as db:
        assert db.exec_driver_sql("SELECT * FROM timers").all() == [("a", "k", 5)]
    again.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"this is not a database, but somebody's letter" * 50)
    with pytest.raises(DatabaseError):
        State.open(path)
    assert path.read_bytes().startswith(b"this is not")


def test_a_reader_sees_committed_rows_while_a_writer_works(tmp_path):
    state = State.open(tmp_path / "state.db")
    with state.engine.connect() as writer, writer.begin():
        writer.exec_driver_sql("INSERT INTO timers VALUES ('a', 'k', 5)")
        with state.read() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM timers").scalar() == 0
    with state.read() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM timers").scalar() == 1
