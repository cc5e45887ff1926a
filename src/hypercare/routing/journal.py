"""The journal of decisions: answers "why was nobody paged?"; a row for each decision that differs from the last."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from hypercare.model.decision import Decision, Reason
from hypercare.routing.tables import journal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.model.time import Ms
    from hypercare.routing.index import Group, Index


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One decision: about an alert (stage inhibit, interval, silence) or an integration (stage dedup)."""

    at: Ms
    group_key: str
    receiver: str
    integration: str
    fingerprint: str
    stage: str
    decision: Decision


class Journal:
    """Collects the entries of one flush."""

    def __init__(self, index: Index, group: Group, now: Ms) -> None:
        self._index = index
        self._group = group
        self._now = now
        self._rows: list[dict[str, Any]] = []

    def about_alert(self, fingerprint: str, stage: str, decision: Decision) -> None:
        """An alert was held back in this group, or passed after it had been (stage ``pass``)."""
        self._note("", fingerprint, stage, decision)

    def was_held_back(self, fingerprint: str) -> bool:
        """Whether the last decision about an alert in this group was to hold it back."""
        last = self._index.decisions.get((self._group.id, "", fingerprint))
        return last is not None and not last.send

    def about_integration(self, integration: str, decision: Decision) -> None:
        """An integration was told, or there was nothing to tell."""
        self._note(integration, "", "dedup", decision)

    def _note(self, integration: str, fingerprint: str, stage: str, decision: Decision) -> None:
        key = (self._group.id, integration, fingerprint)
        # A second notification for the same reason is news; a second silence is not.
        if self._index.decisions.get(key) == decision and not decision.send:
            return
        self._index.decisions[key] = decision
        self._rows.append(
            {
                "at": self._now,
                "group_key": self._group.key,
                "receiver": self._group.route.receiver,
                "integration": integration,
                "fingerprint": fingerprint,
                "stage": stage,
                "send": decision.send,
                "reason": str(decision.reason),
                "by": decision.by,
            }
        )

    def save(self, db: Connection) -> None:
        """Write what was collected."""
        if self._rows:
            db.execute(insert(journal), self._rows)


def purge(db: Connection, before: Ms) -> None:
    """Drop old entries."""
    db.execute(delete(journal).where(journal.c.at < before))


def load_journal(
    db: Connection, *, fingerprint: str = "", group_key: str = "", since: Ms = 0, limit: int = 500
) -> tuple[Entry, ...]:
    """Entries, newest first.

    Args:
        db: a connection.
        fingerprint: only decisions about this alert.
        group_key: only decisions about this group and its alerts.
        since: only decisions at or after this instant.
        limit: at most so many.

    """
    query = select(journal).where(journal.c.at >= since).order_by(journal.c.seq.desc()).limit(limit)
    if fingerprint:
        query = query.where(journal.c.fingerprint == fingerprint)
    if group_key:
        query = query.where(journal.c.group_key == group_key)
    return tuple(
        Entry(
            row.at,
            row.group_key,
            row.receiver,
            row.integration,
            row.fingerprint,
            row.stage,
            Decision(row.send, Reason(row.reason), row.by),
        )
        for row in db.execute(query)
    )
