"""richer steps, later pages, clocks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "oncall_alert_counts",
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "at", name=op.f("pk_oncall_alert_counts")),
    )
    op.create_table(
        "oncall_clocks",
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("clock", sa.String(length=16), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(length=2), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("warning_at", sa.BigInteger(), nullable=False),
        sa.Column("breach_at", sa.BigInteger(), nullable=False),
        sa.Column("warned_at", sa.BigInteger(), nullable=True),
        sa.Column("breached_at", sa.BigInteger(), nullable=True),
        sa.Column("met_at", sa.BigInteger(), nullable=True),
        sa.Column("met_by", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "clock", name=op.f("pk_oncall_clocks")),
    )
    with op.batch_alter_table("oncall_clocks", schema=None) as batch_op:
        batch_op.create_index("ix_oncall_clocks_met_at", ["met_at"], unique=False)

    op.create_table(
        "oncall_later_pages",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_oncall_later_pages")),
    )
    with op.batch_alter_table("oncall_later_pages", schema=None) as batch_op:
        batch_op.create_index("ix_oncall_later_pages_incident_id", ["incident_id"], unique=False)
        batch_op.create_index("ix_oncall_later_pages_state", ["state"], unique=False)

    op.create_table(
        "oncall_step_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oncall_step_requests")),
    )
    with op.batch_alter_table("oncall_step_requests", schema=None) as batch_op:
        batch_op.create_index("ix_oncall_step_requests_kind_taken_at", ["kind", "taken_at"], unique=False)

    with op.batch_alter_table("escalations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("acknowledged_by", sa.Text(), nullable=True))
