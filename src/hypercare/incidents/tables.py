"""The rows of incidents: the incident, the alerts in it, and its timeline."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from hypercare.state import metadata

incidents = Table(
    "incidents",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String(2), nullable=False),
    Column("status", String(16), nullable=False),
    Column("service", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("runbook_url", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", Text, nullable=False),
    Column("alerts_cleared_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("resolved_by", Text, nullable=False),
    # Since when none of its alerts calls for anybody: they have ended, or are silenced or inhibited.
    Column("calm_at", BigInteger),
    Index("ix_incidents_key_number", "key", "number"),
    Index("ix_incidents_status_number", "status", "number"),
    sqlite_autoincrement=True,
)

# One row for each time an alert fired within an incident, so that flapping stays visible afterwards.
incident_alerts = Table(
    "incident_alerts",
    metadata,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("fingerprint", String(16), primary_key=True),
    Column("starts_at", BigInteger, primary_key=True),
    Column("ends_at", BigInteger),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    # Why nobody needs to hear of it though it fires: "silenced", "inhibited"; null: somebody does.
    Column("suppressed", String(16)),
    Index("ix_incident_alerts_fingerprint", "fingerprint"),
)

timeline = Table(
    "incident_timeline",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("ix_incident_timeline_incident_id_seq", "incident_id", "seq"),
    sqlite_autoincrement=True,
)
