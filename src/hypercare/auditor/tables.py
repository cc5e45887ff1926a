"""The rows of the auditor: its findings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from hypercare.state import metadata

audit_findings = Table(
    "audit_findings",
    metadata,
    Column("key", String(255), primary_key=True),
    # step, timer, page, unreached, owner or lane.
    Column("check", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("told", Text, nullable=False),
    Column("cleared_at", BigInteger),
    Index("ix_audit_findings_cleared_at", "cleared_at"),
)
