"""Schema migrations: each version of the schema is a script below ``migrations/versions``.

A new table or column needs one: ``tools/new_migration.py "what changes"`` writes it from the difference between the
tables in the code and the newest schema; a test fails while there is a difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from hypercare.state.schema import create_tables

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCRIPTS = Path(__file__).parent / "migrations"


def newest() -> str:
    """The newest version: scripts are named by their number."""
    return max((path.stem for path in (SCRIPTS / "versions").glob("[0-9]*.py")), default="")


def _version(engine: Engine) -> str | None:
    """The version of a database; none where it is empty."""
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            return "" if tables else None
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version, in one transaction.

    Raises:
        alembic.util.CommandError: the database is of a newer hypercare than this one.

    """
    # Alembic takes 13 MB and a fifth of a second, and is needed for old databases alone: an empty one gets the tables
    # of the code, which a test holds equal to what all migrations together make.
    version = _version(engine)
    if version is None:
        with engine.begin() as connection:
            create_tables(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": newest()})
    elif version != newest():
        migrate(engine)


def migrate(engine: Engine) -> None:
    """Run the migrations that the database lacks.

    Raises:
        alembic.util.CommandError: the database is of a newer hypercare than this one.

    """
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see upgrade
    from alembic.operations import Operations  # noqa: PLC0415 - see upgrade
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see upgrade

    scripts = ScriptDirectory(str(SCRIPTS))

    def steps(revision: tuple[str, ...], _context: MigrationContext) -> object:
        # What alembic's own command calls; it has no public form without a configuration file.
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]  # noqa: SLF001

    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"fn": steps, "render_as_batch": True})
        with Operations.context(context):
            context.run_migrations()
