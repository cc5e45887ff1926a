"""messages of channels, holds and indexes of the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "channel_heard",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_heard")),
    )
    with op.batch_alter_table("channel_heard", schema=None) as batch_op:
        batch_op.create_index("ix_channel_heard_at", ["at"], unique=False)

    op.create_table(
        "channel_messages",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("ref", sa.String(length=255), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("alerts", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_messages")),
    )
    with op.batch_alter_table("channel_messages", schema=None) as batch_op:
        batch_op.create_index("ix_channel_messages_closed_at", ["closed", "at"], unique=False)
        batch_op.create_index("ix_channel_messages_ref", ["ref"], unique=False)
        batch_op.create_index("ix_channel_messages_subject", ["subject"], unique=False, postgresql_using="hash")

    op.create_table(
        "channel_secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channel_secrets")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("held", sa.Boolean(), nullable=True))
        batch_op.create_index("ix_outbox_done_at", ["done_at"], unique=False)
        batch_op.create_index("ix_outbox_subject", ["subject"], unique=False, postgresql_using="hash")
        batch_op.create_index("ix_outbox_target_seq", ["target", "seq"], unique=False)
