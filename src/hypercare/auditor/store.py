"""Reading the findings of the auditor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from sqlalchemy import Integer, bindparam, select

from hypercare.auditor.tables import audit_findings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.time import Ms


_C = audit_findings.c
_ALL: Final = select(audit_findings).order_by(_C.found_at.desc(), _C.key).limit(bindparam("most", type_=Integer))
_STANDING: Final = _ALL.where(_C.cleared_at.is_(None))


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
    rows = db.execute(_ALL if all else _STANDING, {"most": limit})
    return tuple(Found(*(getattr(row, field.name) for field in dataclasses.fields(Found))) for row in rows)
