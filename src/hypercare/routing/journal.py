"""The journal of decisions: answers "why was nobody paged?"; a row for each decision that differs from the last."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from hypercare.model.decision import Decision, Reason
from hypercare.model.labels import EMPTY, Labels
from hypercare.routing.tables import journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from hypercare.model.time import Ms
    from hypercare.routing.index import Group, Held, Index

_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One decision: about an alert (stage inhibit, interval, silence) or an integration (stage dedup).

    The stages ``received`` and ``ended`` are about the alert itself: when it came into a group, from where (``by``),
    with which ``labels``, and when it ended.
    """

    at: Ms
    group_key: str
    receiver: str
    integration: str
    fingerprint: str
    stage: str
    decision: Decision
    labels: Labels = EMPTY


class Journal:
    """Collects the entries of one flush; they are written with the other changes of the index."""

    def __init__(self, index: Index, group: Group, now: Ms) -> None:
        self._index = index
        self._group = group
        self._now = now

    def about_alert(self, fingerprint: str, stage: str, decision: Decision) -> None:
        """An alert was held back in this group, or passed after it had been (stage ``pass``)."""
        self._note("", fingerprint, stage, decision)

    def held_back(self) -> frozenset[str]:
        """Fingerprints of the alerts that the last decision about them in this group held back."""
        known = self._index.decisions.get(self._group.id, {})
        return frozenset([f for (_, f), last in known.items() if f and not last.send])

    def about_integration(self, integration: str, decision: Decision) -> None:
        """An integration was told, or there was nothing to tell."""
        self._note(integration, "", "dedup", decision)

    def _note(self, integration: str, fingerprint: str, stage: str, decision: Decision) -> None:
        known = self._index.decisions.setdefault(self._group.id, {})
        key = (integration, fingerprint)
        # A second notification for the same reason is news; a second silence is not.
        if known.get(key) == decision and not decision.send:
            return
        known[key] = decision
        self._index.journal.append(
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
                "labels": None,
            }
        )


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
            Labels.of(json.loads(row.labels)) if row.labels else EMPTY,
        )
        for row in db.execute(query)
    )


def load_received(db: Connection, limit: int = 20_000) -> Iterable[tuple[str, Labels]]:
    """Fingerprint and labels of alerts that were received, the newest first; one may come again and again."""
    c = journal.c
    query = select(c.fingerprint, c.labels).where(c.labels.is_not(None)).order_by(c.seq.desc()).limit(limit)
    return ((row.fingerprint, Labels.of(json.loads(row.labels))) for row in db.execute(query))


def note_received(index: Index, held: Held, now: Ms) -> None:
    """An alert begins: one entry for each group it comes into, the first with its labels."""
    labels: str | None = _encode(held.alert.labels.as_dict())
    for route, _, group_id in held.places:
        row = _row(now, index.groups[group_id].key, route.receiver, held.fingerprint, "received", held.source)
        index.journal.append({**row, "labels": labels})
        labels = None


def note_ended(index: Index, held: Held, now: Ms) -> None:
    """An alert ends."""
    index.journal.append({**_row(now, "", "", held.fingerprint, "ended", held.source), "labels": None})


def note_flapping(index: Index, fingerprint: str, text: str, now: Ms) -> None:
    """An alert begins to flap."""
    index.journal.append({**_row(now, "", "", fingerprint, "flapping", text), "labels": None})


def note_calm(index: Index, fingerprint: str, now: Ms) -> None:
    """An alert flaps no longer."""
    index.journal.append({**_row(now, "", "", fingerprint, "flapping ended", ""), "labels": None})


def _row(now: Ms, group_key: str, receiver: str, fingerprint: str, stage: str, by: str) -> dict[str, Any]:
    row = {"at": now, "group_key": group_key, "receiver": receiver, "integration": "", "fingerprint": fingerprint}
    return {**row, "stage": stage, "send": True, "reason": stage, "by": by}
