"""The rows of incidents: the incident, the alerts in it, its timeline, and what people keep in its room."""

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
    # What people say of it: who feels it, what it was, how far the work is (investigating, identified, …).
    Column("impact", Text),
    Column("cause", Text),
    Column("stage", String(16)),
    # The incident that goes on in place of this one.
    Column("merged_into", String(64)),
    # When those who wait expect news next.
    Column("next_update_at", BigInteger),
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
    Column("pinned_at", BigInteger),
    Index("ix_incident_timeline_incident_id_seq", "incident_id", "seq"),
    sqlite_autoincrement=True,
)

# Who leads, who speaks, …: one holder a role; who held it before is in the timeline.
roles = Table(
    "incident_roles",
    metadata,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("role", String(64), primary_key=True),
    Column("person", Text, nullable=False),
    Column("assigned_by", Text, nullable=False),
    Column("assigned_at", BigInteger, nullable=False),
)

# What somebody is to do: while the incident goes on ("task"), or so that it does not come again ("action").
tasks = Table(
    "incident_tasks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("due_at", BigInteger),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("done_at", BigInteger),
    Column("reminded_at", BigInteger),
    Index("ix_incident_tasks_incident_id", "incident_id"),
    sqlite_autoincrement=True,
)

links = Table(
    "incident_links",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_incident_links_incident_id", "incident_id"),
    sqlite_autoincrement=True,
)

# The checklists as they were when the incident opened: a changed runbook must not move anybody's ticks.
steps = Table(
    "incident_steps",
    metadata,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    # The runbook's name, or empty for the phases of the configuration.
    Column("source", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("until", BigInteger),
    Column("text", Text, nullable=False),
    Column("procedure", Text, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("done_at", BigInteger),
)

# What was seen when it opened; kept here, so that it outlives the retention of the metrics.
evidence = Table(
    "incident_evidence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("ix_incident_evidence_incident_id", "incident_id"),
    sqlite_autoincrement=True,
)

# Deployments that were heard of, for incidents to come.
deployments = Table(
    "incident_deployments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_incident_deployments_at", "at"),
    sqlite_autoincrement=True,
)

postmortems = Table(
    "incident_postmortems",
    metadata,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("text", Text, nullable=False),
    # Counts up with each change, so that nobody overwrites what they have not seen.
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("done_at", BigInteger),
)

# What has to be done by when after an incident: confirm the evidence, meet, finish the document.
milestones = Table(
    "incident_milestones",
    metadata,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("done_at", BigInteger),
    Column("reminded_at", BigInteger),
)

# What the public reads; posts with one topic belong together.
posts = Table(
    "status_posts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    # Empty for what no incident of ours is about.
    Column("incident_id", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("impact", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("by", Text, nullable=False),
    Index("ix_status_posts_topic", "topic"),
    Index("ix_status_posts_at", "at"),
    sqlite_autoincrement=True,
)

maintenance = Table(
    "status_maintenance",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("cancelled_by", Text, nullable=False),
    Column("cancelled_at", BigInteger),
    Index("ix_status_maintenance_end_at", "end_at"),
)
