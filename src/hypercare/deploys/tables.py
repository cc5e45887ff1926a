"""The rows of watched deployments."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from hypercare.state import metadata

watches = Table(
    "deploy_watches",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("service", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("color", Text, nullable=False),
    Column("other_color", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("by", Text, nullable=False),
    # The plan as it was at the start: a reload must not move the goalposts of a watch under way.
    Column("plan_name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    # running, done, cancelled
    Column("status", String(16), nullable=False),
    # The last conclusion; empty before the first.
    Column("verdict", String(16), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("extensions", Integer, nullable=False),
    Index("ix_deploy_watches_status", "status"),
    Index("ix_deploy_watches_service_number", "service", "number"),
    sqlite_autoincrement=True,
)

# What each check is held against; kept, so that a restart and the report have the same.
baselines = Table(
    "deploy_baselines",
    metadata,
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), primary_key=True),
    Column("check", Text, primary_key=True),
    # JSON: {"times": [...], "values": [...], "traffic": [...] or null}; null where there was nothing to record.
    Column("samples", Text),
    Column("missing", Text, nullable=False),
)

checkpoints = Table(
    "deploy_checkpoints",
    metadata,
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("phase", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("taken_at", BigInteger),
    # JSON by check: value, traffic, baseline, bounds, state, reason.
    Column("readings", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("signed_by", Text, nullable=False),
    Column("signed_at", BigInteger),
    Column("missed_at", BigInteger),
)

findings = Table(
    "deploy_findings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), nullable=False),
    Column("check", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("method", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("value", Float, nullable=False),
    Column("bound", Float, nullable=False),
    Column("change", Float),
    Column("reason", Text, nullable=False),
    Column("query", Text, nullable=False),
    # JSON {"times": [...], "values": [...]}: what led to it, for the picture.
    Column("points", Text, nullable=False),
    Index("ix_deploy_findings_watch_id", "watch_id"),
    sqlite_autoincrement=True,
)

verdicts = Table(
    "deploy_verdicts",
    metadata,
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("final", Boolean, nullable=False),
    # JSON list: name, state, reason, required.
    Column("outcomes", Text, nullable=False),
)

answers = Table(
    "deploy_answers",
    metadata,
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), primary_key=True),
    Column("criterion", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# What was asked of the actions: one row a request, so that nothing is asked twice.
requests = Table(
    "deploy_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), nullable=False),
    Column("action", Text, nullable=False),
    # The check whose finding asked for it; empty: the verdict did.
    Column("check", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    # asked, done (then looked at), unknown (cut short, then looked at), helped, in vain, unclear (nothing was seen
    # since), failed, refused
    Column("state", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("ended_at", BigInteger),
    Index("ix_deploy_requests_watch_id", "watch_id"),
)

journal = Table(
    "deploy_journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("watch_id", String(64), ForeignKey("deploy_watches.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_deploy_journal_watch_id_seq", "watch_id", "seq"),
    sqlite_autoincrement=True,
)

# Versions of services that were seen running, so that a new one is noticed once.
versions = Table(
    "deploy_versions",
    metadata,
    Column("service", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)
