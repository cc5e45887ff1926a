"""What channels remember: the messages that may be answered or have to be kept up to date, and a secret of our own."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text

from hypercare.state import hash_index, metadata

messages = Table(
    "channel_messages",
    metadata,
    # Of target and subject, as ``memory.message_id`` makes it: both may be longer than an index takes.
    Column("id", String(64), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # By what name an answer from outside comes back: "C024/1700000000.1" of Slack, a dedup_key of PagerDuty.
    Column("ref", String(255), nullable=False),
    Column("receipt", Text, nullable=False),
    # The content that was delivered last, to be sent anew when people have done something.
    Column("content", Text, nullable=False),
    # Fingerprints of the alerts that fired in it.
    Column("alerts", Text, nullable=False),
    # What the outside knows: open, acknowledged, resolved; and what we say of it (as in ``Standing``).
    Column("status", String(16), nullable=False),
    Column("standing", Text, nullable=False),
    # Nothing more is to come: what is told next of this subject is a new message.
    Column("closed", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_channel_messages_ref", "ref"),
    hash_index("ix_channel_messages_subject", "subject"),
    Index("ix_channel_messages_closed_at", "closed", "at"),
)

secrets = Table(
    "channel_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Deliveries from outside that were taken: a second one with the same name is refused, or passed over.
heard = Table(
    "channel_heard",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("ix_channel_heard_at", "at"),
)
