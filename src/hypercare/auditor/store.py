"""Reading the findings of the auditor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sqlalchemy import select

from hypercare.auditor.tables import audit_findings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A finding and what became of it.

    Attributes:
        told: whom the auditor told, and how.
        cleared_at: since when it holds no more; none: it still does.

    """

    key: str
    check: str
    subject: str
    text: str
    found_at: Ms
    told: str
    cleared_at: Ms | None


def load_findings(db: Connection, *, all: bool = False, limit: int = 1000) -> tuple[Found, ...]:  # noqa: A002 - as in the API
    """What holds now, the newest first; ``all``: what is cleared too."""
    query = select(audit_findings).order_by(audit_findings.c.found_at.desc(), audit_findings.c.key).limit(limit)
    if not all:
        query = query.where(audit_findings.c.cleared_at.is_(None))
    return tuple(Found(*(getattr(row, field.name) for field in dataclasses.fields(Found))) for row in db.execute(query))
