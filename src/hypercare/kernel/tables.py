"""The kernel's rows: deadlines and effects."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from hypercare.state import hash_index, metadata

timers = Table(
    "timers",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("due_at", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("channel", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("error", Text, nullable=False),
    Column("cancel_key", Text),
    # The receiver asked us to slow down: until next_at nothing else goes to this target.
    Column("held", Boolean),
    Index("ix_outbox_state_seq", "state", "seq"),
    hash_index("ix_outbox_subject", "subject"),
    Index("ix_outbox_target_seq", "target", "seq"),
    Index("ix_outbox_done_at", "done_at"),
    sqlite_autoincrement=True,
)
