"""Frozen values as JSON, with instants that people and programs can read."""

from __future__ import annotations

from typing import Any

from hypercare.model.plain import plain
from hypercare.model.time import format_rfc3339


def timed(value: Any) -> Any:
    """JSON of a frozen value; instants (fields that end in _at, and at, since, until) as RFC 3339 texts."""
    return timed_values(plain(value))


def timed_values(value: Any) -> Any:
    """The same of what is JSON already."""
    if isinstance(value, dict):
        return {k: _instant(v) if _is_instant(k, v) else timed_values(v) for k, v in value.items()}
    if isinstance(value, list):
        return [timed_values(v) for v in value]
    return value


def _is_instant(name: str, value: Any) -> bool:
    return isinstance(value, int) and (name.endswith("_at") or name in {"at", "since", "until", "last_scrape"})


def _instant(at: int) -> str | None:
    """An instant as text; 0 says that it has not come yet."""
    return format_rfc3339(at) if at else None
