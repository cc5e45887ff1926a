"""Reading and writing the rows of rules."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from hypercare.model.alerts import AlertState
from hypercare.model.labels import Labels
from hypercare.rules.tables import rule_alerts
from hypercare.rules.transitions import Active

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """An alert as it was stored.

    Attributes:
        sent: the labels under which routing knows it, or none.

    """

    active: Active
    sent: Labels | None


def load_active(db: Connection) -> dict[str, tuple[Stored, ...]]:
    """All stored alerts by the key of their rule."""
    rows = db.execute(select(rule_alerts).order_by(rule_alerts.c.active_at, rule_alerts.c.fingerprint)).all()
    found: dict[str, list[Stored]] = {}
    for row in rows:
        labels, annotations = _read(row.labels), _read(row.annotations)
        state = AlertState(row.state)
        active = Active(
            labels=labels,
            annotations=annotations,
            value=float(row.value),
            state=state,
            active_at=row.active_at,
            fired_at=row.fired_at,
            keep_since=row.keep_since,
            told=annotations if state is AlertState.FIRING else None,
            told_at=row.fired_at,
            restored=True,
        )
        sent = _read(row.sent) if row.sent else None
        found.setdefault(row.rule, []).append(Stored(active, sent))
    return {rule: tuple(alerts) for rule, alerts in found.items()}


def save(db: Connection, rule: str, origin: str, alerts: Iterable[Stored]) -> None:
    """Write alerts of a rule, in place of what was stored of them."""
    rows = [
        {
            "rule": rule,
            "fingerprint": alert.labels.fingerprint(),
            "origin": origin,
            "labels": _write(alert.labels),
            "annotations": _write(alert.annotations),
            "sent": "" if sent is None else _write(sent),
            "state": str(alert.state),
            "active_at": alert.active_at,
            "fired_at": alert.fired_at,
            "keep_since": alert.keep_since,
            "value": repr(float(alert.value)),
        }
        for alert, sent in ((each.active, each.sent) for each in alerts)
    ]
    if rows:
        forget(db, rule, [str(row["fingerprint"]) for row in rows])
        db.execute(insert(rule_alerts), rows)


def forget(db: Connection, rule: str, fingerprints: Iterable[str]) -> None:
    """Delete alerts of a rule."""
    table = rule_alerts.c
    for fingerprint in fingerprints:
        db.execute(delete(rule_alerts).where(table.rule == rule, table.fingerprint == fingerprint))


def _write(labels: Labels) -> str:
    return json.dumps(labels.pairs, ensure_ascii=True)


def _read(text: str) -> Labels:
    return Labels((name, value) for name, value in json.loads(text))
