"""The rows of sending: how far each destination has got."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from hypercare.state import metadata

remote_positions = Table(
    "remote_positions",
    metadata,
    Column("name", String(200), primary_key=True),
    # Everything before this place in the store's log has arrived, or was given up.
    Column("file", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    # What lies between was on its way when the row was written, in requests of this many shards.
    Column("until_file", BigInteger, nullable=False),
    Column("until_offset", BigInteger, nullable=False),
    Column("shards", Integer, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
)
