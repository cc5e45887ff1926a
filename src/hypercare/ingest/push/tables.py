"""The rows of pushes: groups by their labels, and the metric families last pushed to each."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from hypercare.state import metadata

push_groups = Table(
    "push_groups",
    metadata,
    # A fingerprint of the labels, which a URL may write in several ways.
    Column("key", String(32), primary_key=True),
    Column("labels", Text, nullable=False),
    # Instants; 0: not yet.
    Column("pushed_at", BigInteger, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
)

push_families = Table(
    "push_families",
    metadata,
    Column("group_key", String(32), primary_key=True),
    Column("name", Text, primary_key=True),
    # In the text format, labels of the group included.
    Column("body", Text, nullable=False),
)
