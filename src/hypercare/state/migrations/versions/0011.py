"""deployments under watch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "deploy_versions",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service", "version", name=op.f("pk_deploy_versions")),
    )
    op.create_table(
        "deploy_watches",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("other_color", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("extensions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deploy_watches")),
        sa.UniqueConstraint("id", name=op.f("uq_deploy_watches_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("deploy_watches", schema=None) as batch_op:
        batch_op.create_index("ix_deploy_watches_service_number", ["service", "number"], unique=False)
        batch_op.create_index("ix_deploy_watches_status", ["status"], unique=False)

    op.create_table(
        "deploy_answers",
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("criterion", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_answers_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("watch_id", "criterion", name=op.f("pk_deploy_answers")),
    )
    op.create_table(
        "deploy_baselines",
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("samples", sa.Text(), nullable=True),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_baselines_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("watch_id", "check", name=op.f("pk_deploy_baselines")),
    )
    op.create_table(
        "deploy_checkpoints",
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("readings", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.Column("missed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_checkpoints_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("watch_id", "number", name=op.f("pk_deploy_checkpoints")),
    )
    op.create_table(
        "deploy_findings",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("bound", sa.Float(), nullable=False),
        sa.Column("change", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_findings_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_findings")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("deploy_findings", schema=None) as batch_op:
        batch_op.create_index("ix_deploy_findings_watch_id", ["watch_id"], unique=False)

    op.create_table(
        "deploy_journal",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_journal_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_deploy_journal")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("deploy_journal", schema=None) as batch_op:
        batch_op.create_index("ix_deploy_journal_watch_id_seq", ["watch_id", "seq"], unique=False)

    op.create_table(
        "deploy_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_requests_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_requests")),
    )
    with op.batch_alter_table("deploy_requests", schema=None) as batch_op:
        batch_op.create_index("ix_deploy_requests_watch_id", ["watch_id"], unique=False)

    op.create_table(
        "deploy_verdicts",
        sa.Column("watch_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["deploy_watches.id"], name=op.f("fk_deploy_verdicts_watch_id_deploy_watches")
        ),
        sa.PrimaryKeyConstraint("watch_id", "at", name=op.f("pk_deploy_verdicts")),
    )
