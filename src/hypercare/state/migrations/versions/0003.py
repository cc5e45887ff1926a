"""effects are cancelled, escalations pause, journal of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    with op.batch_alter_table("escalations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("paused_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("paused_why", sa.Text(), nullable=True))

    with op.batch_alter_table("incident_alerts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("suppressed", sa.String(length=16), nullable=True))

    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calm_at", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cancel_key", sa.Text(), nullable=True))

    with op.batch_alter_table("routing_journal", schema=None) as batch_op:
        batch_op.add_column(sa.Column("labels", sa.Text(), nullable=True))
