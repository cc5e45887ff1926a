"""The rows of on-call: escalations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

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
    # A page of the last step was withdrawn when the pause began: somebody does not know yet.
    Column("page_again", Boolean),
    Index("ix_escalations_state", "state"),
)
