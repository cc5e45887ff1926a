"""numbers given by PostgreSQL have 64 bits, as those of SQLite have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen what earlier versions made: columns of 32 bits that count, and their sequences."""
    db = op.get_bind()
    if db.dialect.name != "postgresql":
        return
    counted = db.execute(
        sa.text(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND data_type = 'integer' AND column_default LIKE 'nextval(%' ORDER BY table_name"
        )
    ).all()
    quote = db.dialect.identifier_preparer.quote
    for table, column in counted:
        sequence: str = db.execute(
            sa.text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": quote(str(table)), "column": column}
        ).scalar_one()
        db.exec_driver_sql(f"ALTER TABLE {quote(str(table))} ALTER COLUMN {quote(str(column))} TYPE BIGINT")
        db.exec_driver_sql(f"ALTER SEQUENCE {sequence} AS BIGINT")
