"""The rows of access: users, their sessions and tokens, tries to log in, and the journal of changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from hypercare.state import metadata

# Users that are made on the page or by command; those of the configuration are not here.
users = Table(
    "users",
    metadata,
    Column("name", String(100), primary_key=True),
    # Argon2; empty: logs in elsewhere (OpenID Connect) only.
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    # "<issuer> <subject>" of who logs in by OpenID Connect, else null.
    Column("subject", String(512), unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("password_at", BigInteger),
    Column("last_login_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("disabled_by", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of the cookie: who reads the table cannot come in with it.
    Column("digest", String(64), primary_key=True),
    Column("user", String(100), nullable=False),
    # password, token or oidc
    Column("via", String(16), nullable=False),
    # Void once this is not the digest of the secret that it was opened with; empty where the user's row is asked.
    Column("proof", String(64), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Index("ix_sessions_user", "user"),
)

tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    # The beginning of the secret, by which people know it again.
    Column("prefix", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # A user's name; what the token may is never more than what they may.
    Column("owner", String(100), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("revoked_by", Text, nullable=False),
    Index("ix_api_tokens_owner", "owner"),
)

# Tries to log in that failed, or whose password is being verified.
tries = Table(
    "login_tries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("account", String(100), nullable=False),
    Column("address", String(64), nullable=False),
    Index("ix_login_tries_at", "at"),
)

# Log-ins by OpenID Connect that are under way at the provider.
oidc_logins = Table(
    "oidc_logins",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Rows are added and never changed; each carries the hash of the one before it, so that a gap or a change shows.
audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("via", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_at", "at"),
    Index("ix_audit_who", "who"),
    sqlite_autoincrement=True,
)
