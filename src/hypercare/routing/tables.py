"""Routing's rows."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from hypercare.state import metadata

alerts = Table(
    "routing_alerts",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("source", String(16), nullable=False),
    # The end is our own guess, because the sender named none.
    Column("guessed_end", Boolean, nullable=False),
    # The end has been published, or is once it flaps no longer (where it is damped).
    Column("ended", Boolean, nullable=False),
)

groups = Table(
    "routing_groups",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("flushed_at", BigInteger),
    Column("next_flush", BigInteger, nullable=False),
)

told = Table(
    "routing_told",
    metadata,
    Column("group_key", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("integration", String(64), primary_key=True),
    Column("firing", Text, nullable=False),
    Column("resolved", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    # Of the firing ones, those that were told as flapping.
    Column("flapping", Text),
)

flapping = Table(
    "routing_flapping",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("since", BigInteger, nullable=False),
    # By what it stops.
    Column("span", BigInteger, nullable=False),
    Column("low", Integer, nullable=False),
)

silences = Table(
    "routing_silences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("matchers", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    # Time intervals in Alertmanager's words, as JSON.
    Column("recurrence", Text),
)

journal = Table(
    "routing_journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("integration", String(64), nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("send", Boolean, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("by", Text, nullable=False),
    # The alert's labels, where it was received.
    Column("labels", Text),
    Index("ix_routing_journal_fingerprint_at", "fingerprint", "at"),
    Index("ix_routing_journal_at", "at"),
    sqlite_autoincrement=True,
)
