"""Between rows and the objects of this room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy import insert as plain_insert

from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.routing import tables
from hypercare.routing.dedup import Told
from hypercare.routing.index import Held, Index, ToldKey
from hypercare.routing.recurrence_text import as_json, read_json
from hypercare.routing.silences import MatcherSets, Silence
from hypercare.state import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row


_encode = json.JSONEncoder(ensure_ascii=False).encode
"""Kept: making an encoder takes as long as encoding the labels of an alert."""


def _labels_text(labels: Labels) -> str:
    return _encode(labels.as_dict())


def read_labels(text: str) -> Labels:
    """Labels from their JSON."""
    return Labels(json.loads(text).items())


def matchers_text(sets: MatcherSets) -> str:
    """Matcher sets as JSON."""
    return json.dumps([[[m.name, m.op, m.value] for m in matchers] for matchers in sets], ensure_ascii=False)


def read_matchers(text: str) -> MatcherSets:
    """Matcher sets from their JSON."""
    return tuple(tuple(Matcher(n, MatchOp(op), v) for n, op, v in matchers) for matchers in json.loads(text))


def load_alerts(db: Connection) -> list[Held]:
    """All stored alerts, oldest first."""
    table = tables.alerts
    rows = db.execute(select(table).order_by(table.c.starts_at, table.c.fingerprint))
    return [_held(row) for row in rows]


def _held(row: Row[Any]) -> Held:
    alert = Alert(read_labels(row.labels), read_labels(row.annotations), row.starts_at, row.ends_at, row.generator_url)
    return Held(row.fingerprint, alert, row.source, row.updated_at, guessed_end=row.guessed_end, ended=row.ended)


def load_silences(db: Connection) -> tuple[Silence, ...]:
    """All stored silences in the order in which they were made."""
    table = tables.silences
    return tuple(_silence(row) for row in db.execute(select(table).order_by(table.c.seq)))


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        row.id,
        read_matchers(row.matchers),
        row.starts_at,
        row.ends_at,
        row.updated_at,
        row.created_by,
        row.comment,
        read_json(json.loads(row.recurrence)) if row.recurrence else None,
    )


def load_told(db: Connection) -> dict[ToldKey, Told]:
    """What all integrations were told last."""
    return {
        (row.group_key, row.receiver, row.integration): Told(
            frozenset(json.loads(row.firing)),
            frozenset(json.loads(row.resolved)),
            row.at,
            frozenset(json.loads(row.flapping or "[]")),
        )
        for row in db.execute(select(tables.told))
    }


def load_group_rows(db: Connection) -> Sequence[Row[Any]]:
    """The rows of all groups, oldest first."""
    table = tables.groups
    return db.execute(select(table).order_by(table.c.created_at, table.c.id)).all()


def _delete(db: Connection, column: Any, keys: list[str]) -> None:
    # In pieces: databases limit the number of parameters.
    for start in range(0, len(keys), 500):
        db.execute(delete(column.table).where(column.in_(keys[start : start + 500])))


def save(db: Connection, index: Index) -> None:
    """Write what has changed in the index since it was last written."""
    changes = index.changes
    if index.journal:
        db.execute(plain_insert(tables.journal), index.journal)
        index.journal.clear()
    held = [index.alerts[f] for f in changes.alerts if f in index.alerts]
    upsert(db, tables.alerts, [_alert_row(h) for h in held])
    _delete(db, tables.alerts.c.fingerprint, [f for f in changes.alerts if f not in index.alerts])
    upsert(db, tables.groups, [_group_row(index, g) for g in changes.groups if g in index.groups])
    _delete(db, tables.groups.c.id, [g for g in changes.groups if g not in index.groups])
    upsert(db, tables.told, [_told_row(k, index.told[k]) for k in changes.told if k in index.told])
    _delete_told(db, [k for k in changes.told if k not in index.told])
    changes.alerts.clear()
    changes.groups.clear()
    changes.told.clear()


def _delete_told(db: Connection, keys: list[ToldKey]) -> None:
    table = tables.told
    for start in range(0, len(keys), 300):
        wanted = keys[start : start + 300]
        db.execute(delete(table).where(tuple_(table.c.group_key, table.c.receiver, table.c.integration).in_(wanted)))


def _alert_row(held: Held) -> dict[str, Any]:
    alert = held.alert
    return {
        "fingerprint": held.fingerprint,
        "labels": _labels_text(alert.labels),
        "annotations": _labels_text(alert.annotations),
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "updated_at": held.updated_at,
        "generator_url": alert.generator_url,
        "source": held.source,
        "guessed_end": held.guessed_end,
        "ended": held.ended,
    }


def _group_row(index: Index, group_id: str) -> dict[str, Any]:
    group = index.groups[group_id]
    return {
        "id": group.id,
        "group_key": group.key,
        "route_id": group.route.id,
        "receiver": group.route.receiver,
        "labels": _labels_text(group.labels),
        "created_at": group.created_at,
        "flushed_at": group.flushed_at,
        "next_flush": group.next_flush,
    }


def _told_row(key: ToldKey, told: Told) -> dict[str, Any]:
    group_key, receiver, integration = key
    return {
        "group_key": group_key,
        "receiver": receiver,
        "integration": integration,
        "firing": json.dumps(sorted(told.firing)),
        "resolved": json.dumps(sorted(told.resolved)),
        "at": told.at,
        "flapping": json.dumps(sorted(told.flapping)) if told.flapping else None,
    }


def save_silences(db: Connection, silences: Iterable[Silence]) -> None:
    """Write silences; new ones come last in the order."""
    table = tables.silences
    known = {row.id: row.seq for row in db.execute(select(table.c.id, table.c.seq))}
    last = max(known.values(), default=0)
    rows: list[dict[str, Any]] = []
    for silence in silences:
        seq = known.get(silence.id)
        if seq is None:
            last += 1
            seq = last
        rows.append(
            {
                "id": silence.id,
                "seq": seq,
                "matchers": matchers_text(silence.matcher_sets),
                "starts_at": silence.starts_at,
                "ends_at": silence.ends_at,
                "updated_at": silence.updated_at,
                "created_by": silence.created_by,
                "comment": silence.comment,
                "recurrence": json.dumps(as_json(silence.recurrence)) if silence.recurrence else None,
            }
        )
    upsert(db, table, rows)
