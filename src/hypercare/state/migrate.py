"""Schema migrations: each version of the schema is a script below ``migrations/versions``.

A new table or column needs one: ``tools/new_migration.py "what changes"`` writes it from the difference between the
tables in the code and the newest schema; a test fails while there is a difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCRIPTS = Path(__file__).parent / "migrations"


def newest() -> str:
    """The newest version: scripts are named by their number."""
    return max((path.stem for path in (SCRIPTS / "versions").glob("[0-9]*.py")), default="")


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version, in one transaction.

    Raises:
        alembic.util.CommandError: the database is of a newer hypercare than this one.

    """
    # Looked at before alembic is imported: it takes 12 MB and a tenth of a second, and is seldom needed.
    if _version(engine) == newest():
        return
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see above
    from alembic.operations import Operations  # noqa: PLC0415 - see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    scripts = ScriptDirectory(str(SCRIPTS))

    def steps(revision: tuple[str, ...], _context: MigrationContext) -> object:
        # What alembic's own command calls; it has no public form without a configuration file.
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]  # noqa: SLF001

    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"fn": steps, "render_as_batch": True})
        with Operations.context(context):
            context.run_migrations()
