"""The rows of rules: alerts that are pending or firing."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from hypercare.state import metadata

rule_alerts = Table(
    "rule_alerts",
    metadata,
    Column("rule", String(64), primary_key=True),
    Column("fingerprint", String(32), primary_key=True),
    # For people who look into the database; the rule's key says the same.
    Column("origin", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    # The labels under which routing knows a firing alert; empty while it does not.
    Column("sent", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("active_at", BigInteger, nullable=False),
    Column("fired_at", BigInteger, nullable=False),
    Column("keep_since", BigInteger),
    # Text: NaN and infinities come back as they went.
    Column("value", String(32), nullable=False),
)
