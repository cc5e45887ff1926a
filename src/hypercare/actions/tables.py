"""The rows of actions: runs, and what each program or request of a run said."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from hypercare.state import metadata

runs = Table(
    "action_runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    # Whoever asks gives it: asked again, it does not run again.
    Column("request_id", String(255), nullable=False, unique=True),
    Column("action", String(64), nullable=False),
    Column("service", Text, nullable=False),
    # Names and values for the places in texts, JSON.
    Column("context", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("incident_id", String(64), nullable=False),
    # wanted (to be tried again), waiting (for an approval), running, done, failed, refused or interrupted.
    Column("state", String(16), nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("wanted_at", BigInteger, nullable=False),
    Column("decide_by", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    # The step that runs or ran last, from 0, of so many; and which try of it.
    Column("step", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    # How often all of it was run again after an interruption.
    Column("repeats", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("text", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Index("ix_action_runs_state", "state"),
    Index("ix_action_runs_action_started_at", "action", "started_at"),
    sqlite_autoincrement=True,
)

outputs = Table(
    "action_outputs",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("what", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # running, done, failed or interrupted.
    Column("state", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("text", Text, nullable=False),
    Column("output", Text, nullable=False),
)
