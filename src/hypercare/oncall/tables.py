"""The rows of on-call: escalations, and changes that people make to schedules."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from hypercare.state import metadata

escalations = Table(
    "escalations",
    metadata,
    Column("incident_id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("policy", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    # Rounds count on when an incident is opened again, so that no page has the key of an earlier one.
    Column("first_round", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("paused_at", BigInteger),
    Column("paused_why", Text),
    Index("ix_escalations_state", "state"),
)

changes = Table(
    "oncall_changes",
    metadata,
    Column("id", String(64), primary_key=True),
    # Later ones are above earlier ones.
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("schedule", Text, nullable=False),
    Column("person", Text, nullable=False),
    # Of a swap: the other of the two.
    Column("other", Text, nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    # The UID of an imported event.
    Column("uid", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_by", Text, nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_oncall_changes_schedule", "schedule"),
)
