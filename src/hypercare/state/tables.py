"""The rows of leadership: who leads by which term, and which replicas there are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from hypercare.state.schema import metadata

leadership = Table(
    "leadership",
    metadata,
    # Always "leader".
    Column("name", String(16), primary_key=True),
    # Grows with each leader; a transaction of an older term cannot be committed.
    Column("term", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    # Where other replicas reach the leader.
    Column("address", Text, nullable=False),
    # By the clock of the database, ms.
    Column("expires_at", BigInteger, nullable=False),
    # The leader's own clock at its last commit, ms: the next leader's clock does not go on from before.
    Column("seen_at", BigInteger, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("address", Text, nullable=False),
    Column("version", Text, nullable=False),
    # By the clock of the database, ms.
    Column("seen_at", BigInteger, nullable=False),
)
