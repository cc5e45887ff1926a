"""Write a migration from the difference between the tables in the code and the newest schema.

usage: .venv/bin/python tools/new_migration.py "what changes"
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import hypercare.access.tables
import hypercare.actions.tables
import hypercare.auditor.tables
import hypercare.channels.tables
import hypercare.deploys.tables
import hypercare.incidents.tables
import hypercare.ingest.push.tables
import hypercare.kernel.tables
import hypercare.oncall.tables
import hypercare.remote.tables
import hypercare.routing.tables
import hypercare.rules.tables  # noqa: F401 - every room's tables register themselves
from hypercare.state import metadata
from hypercare.state.migrate import SCRIPTS, migrate


def main() -> None:
    """Write the script, or say that there is nothing to write."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        script = produce_migrations(context, metadata)
    if script.upgrade_ops is None or script.upgrade_ops.is_empty():
        print("the newest schema has all tables of the code")
        return
    scripts = ScriptDirectory(str(SCRIPTS))
    number = f"{len(list(scripts.walk_revisions())) + 1:04d}"
    code = render_python_code(script.upgrade_ops, render_as_batch=True)
    code = "\n".join(line for line in code.splitlines() if "###" not in line).strip()
    written = scripts.generate_revision(number, sys.argv[1], head="head", upgrades=code, imports="")
    assert written is not None
    path = Path(written.path)
    target = path.with_name(f"{number}.py")
    path.rename(target)
    subprocess.run([sys.executable, "-m", "ruff", "format", str(target)], check=True)
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", str(target)], check=False)
    print(target)


if __name__ == "__main__":
    main()
