"""Messages that channels remember: read when the next one goes out, or when somebody answers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from hypercare.channels.tables import messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from hypercare.model.time import Ms
    from hypercare.state import State

OPEN: Final = "open"
ACKNOWLEDGED: Final = "acknowledged"
RESOLVED: Final = "resolved"


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """What people have done about what a message tells.

    Attributes:
        status: open, acknowledged or resolved.
        text: who did what, for people; empty where nobody did anything.

    """

    status: str = OPEN
    text: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A message that was delivered.

    Attributes:
        ref: by what name an answer from outside comes back.
        receipt: what the outside answered that is needed to speak of the message again.
        content: what was delivered last, as the channel rendered it.
        alerts: fingerprints of the alerts that fired in it.
        told: the status that the outside knows.
        closed: what comes next of its subject is a new message.

    """

    id: str
    channel: str
    target: str
    subject: str
    ref: str
    receipt: Mapping[str, str]
    content: Mapping[str, Any]
    alerts: tuple[str, ...]
    told: str
    standing: Standing
    closed: bool
    at: Ms


def message_id(target: str, subject: str) -> str:
    """The same for all deliveries of one subject to one target."""
    return hashlib.blake2b(f"{target}\xff{subject}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def load(db: Connection, target: str, subject: str) -> Message | None:
    """What was told of a subject at a target."""
    return load_by_id(db, message_id(target, subject))


def load_by_id(db: Connection, id_: str) -> Message | None:
    """A message by its id."""
    row = db.execute(select(messages).where(messages.c.id == id_)).first()
    return None if row is None else _message(row)


def load_by_ref(db: Connection, channel: str, ref: str) -> Message | None:
    """The message that an answer from outside is about."""
    query = select(messages).where(messages.c.ref == ref[:255], messages.c.channel == channel)
    row = db.execute(query.order_by(messages.c.at.desc(), messages.c.id).limit(1)).first()
    return None if row is None else _message(row)


def load_of_subject(db: Connection, subject: str) -> tuple[Message, ...]:
    """All messages about a subject."""
    query = select(messages).where(messages.c.subject == subject)
    return tuple(_message(row) for row in db.execute(query.order_by(messages.c.at, messages.c.id)))


def load_open(db: Connection) -> tuple[Message, ...]:
    """All messages of which more is to come, the oldest first."""
    query = select(messages).where(messages.c.closed.is_(False))
    return tuple(_message(row) for row in db.execute(query.order_by(messages.c.at, messages.c.id)))


def recall(state: State, target: str, subject: str) -> Message | None:
    """What was told of a subject at a target; for whoever has no connection of their own."""
    with state.read() as db:
        return load(db, target, subject)


def put(db: Connection, message: Message) -> None:
    """Write a message, or what is new of it."""
    row = {
        "channel": message.channel,
        "target": message.target,
        "subject": message.subject,
        "ref": message.ref[:255],
        "receipt": _json(dict(message.receipt)),
        "content": _json(dict(message.content)),
        "alerts": _json(list(message.alerts)),
        "status": message.told,
        "standing": _json(dataclasses.asdict(message.standing)),
        "closed": message.closed,
        "at": message.at,
    }
    if not db.execute(update(messages).where(messages.c.id == message.id).values(row)).rowcount:
        db.execute(insert(messages).values(id=message.id, **row))


def purge(db: Connection, before: Ms) -> None:
    """Forget messages that nothing was said of since then."""
    db.execute(delete(messages).where(messages.c.at < before))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        channel=row.channel,
        target=row.target,
        subject=row.subject,
        ref=row.ref,
        receipt=json.loads(row.receipt),
        content=json.loads(row.content),
        alerts=tuple(json.loads(row.alerts)),
        told=row.status,
        standing=Standing(**json.loads(row.standing)),
        closed=row.closed,
        at=row.at,
    )
