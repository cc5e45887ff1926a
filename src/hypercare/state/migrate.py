"""Schema migrations: each version of the schema is a script below ``migrations/versions``.

A new table or column needs one: ``tools/new_migration.py "what changes"`` writes it from the difference between the
tables in the code and the newest schema; a test fails while there is a difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version, in one transaction.

    Raises:
        alembic.util.CommandError: the database is of a newer hypercare than this one.

    """
    scripts = ScriptDirectory(str(SCRIPTS))

    def steps(revision: tuple[str, ...], _context: MigrationContext) -> object:
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]  # noqa: SLF001 - what alembic's own command calls; it has no public form without a config file

    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"fn": steps, "render_as_batch": True})
        if context.get_current_heads() == tuple(scripts.get_heads()):
            return
        with Operations.context(context):
            context.run_migrations()
