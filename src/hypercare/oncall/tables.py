"""The rows of on-call: escalations, and changes that people make to schedules."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

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
    Column("acknowledged_by", Text),
    Index("ix_escalations_state", "state"),
)

changes = Table(
    "oncall_changes",
    metadata,
    Column("id", String(64), primary_key=True),
    # Later ones are above earlier ones.
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("schedule", Text, nullable=False),
    Column("person", Text, nullable=False),
    # Of a swap: the other of the two.
    Column("other", Text, nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    # The UID of an imported event.
    Column("uid", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_by", Text, nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_oncall_changes_schedule", "schedule"),
)

# Contact ways that are used later: after a delay, or when quiet hours are over.
later_pages = Table(
    "oncall_later_pages",
    metadata,
    # The idempotency key of the page.
    Column("key", String(64), primary_key=True),
    Column("incident_id", String(64), nullable=False),
    Column("person", Text, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("policy", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    # waiting, sent or withdrawn.
    Column("state", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Column("done_at", BigInteger),
    Index("ix_oncall_later_pages_incident_id", "incident_id"),
    Index("ix_oncall_later_pages_state", "state"),
)

# What steps ask of other rooms.
step_requests = Table(
    "oncall_step_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("incident_id", String(64), nullable=False),
    Column("service", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("taken_at", BigInteger),
    Column("taken_by", Text, nullable=False),
    Index("ix_oncall_step_requests_kind_taken_at", "kind", "taken_at"),
)

# How many alerts began to fire in an incident, for steps that ask.
alert_counts = Table(
    "oncall_alert_counts",
    metadata,
    Column("incident_id", String(64), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("count", Integer, nullable=False),
)

clocks = Table(
    "oncall_clocks",
    metadata,
    Column("incident_id", String(64), primary_key=True),
    # acknowledge, assess, investigate or resolve.
    Column("clock", String(16), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("severity", String(2), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("warning_at", BigInteger, nullable=False),
    Column("breach_at", BigInteger, nullable=False),
    Column("warned_at", BigInteger),
    Column("breached_at", BigInteger),
    Column("met_at", BigInteger),
    Column("met_by", Text, nullable=False),
    # Notifications of a clock that begins anew have other keys.
    Column("run", Integer, nullable=False),
    Index("ix_oncall_clocks_met_at", "met_at"),
)

# Schedules that people made while hypercare runs: every save adds a row, nothing is changed or taken away.
schedule_versions = Table(
    "oncall_schedule_versions",
    metadata,
    Column("name", String(200), primary_key=True),
    # From 1; the highest counts.
    Column("version", Integer, primary_key=True, autoincrement=False),
    # JSON, with the keys of hypercare.yml.
    Column("content", Text, nullable=False),
    # saved, restored or deleted.
    Column("how", String(16), nullable=False),
    Column("comment", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
)
