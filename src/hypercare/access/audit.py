"""The journal of changes: who, when, from where, what, with what result; added to, never changed.

A change and its row are committed together, so that there is none without the other.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from hypercare.access.tables import audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from hypercare.kernel import Context, Origin
    from hypercare.model.time import Ms

_LONGEST: Final = 500
"""Characters of one text in the detail; of a note the beginning is enough, the whole stands in the timeline."""
_MANY: Final = 50
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What is written down.

    Attributes:
        via: how they showed who they are: session, token <prefix>, password, open, …
        request: method and path, or the command line.
        action: the command's name in words with underscores.
        detail: its fields; no secrets.
        result: ``ok``, or why it was refused.

    """

    who: str
    action: str
    role: str = ""
    via: str = ""
    address: str = ""
    agent: str = ""
    request: str = ""
    detail: tuple[tuple[str, str], ...] = ()
    result: str = "ok"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row as it is kept; ``hash`` is that of the row before and of this one's content."""

    seq: int
    at: Ms
    who: str
    role: str
    via: str
    address: str
    agent: str
    request: str
    action: str
    detail: dict[str, str]
    result: str
    hash: str


def record(ctx: Context, entry: Entry) -> None:
    """Add a row to the journal, in this step's transaction."""
    last = ctx.db.execute(select(audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).scalar()
    values: dict[str, Any] = {field: _plain(getattr(entry, field)) for field in _TEXTS}
    values |= {"at": ctx.now, "detail": json.dumps(dict(entry.detail), sort_keys=True)}
    ctx.db.execute(insert(audit).values(**values, hash=_hash(str(last or ""), values)))


def entry_of(origin: Origin, command: object, result: str = "ok") -> Entry:
    """What to write of a command."""
    who = origin.who or next((str(getattr(command, f)) for f in ("by", "user") if getattr(command, f, "")), "")
    return Entry(
        who=who,
        role=origin.role,
        via=origin.via,
        address=origin.address,
        agent=origin.agent,
        request=origin.request,
        action=_CAPITAL.sub("_", type(command).__name__.strip("_")).lower(),
        detail=tuple(_detail(command)),
        result=result,
    )


def load(
    db: Connection,
    *,
    since: Ms = 0,
    until: Ms | None = None,
    who: str = "",
    action: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[Row]:
    """Rows, the newest first.

    Args:
        db: to read from.
        since: not older than this.
        until: older than this; none: all.
        who: of this person only.
        action: of this kind only.
        before: older than the row of this number: for turning pages.
        limit: at most so many.

    """
    query = select(audit).where(audit.c.at >= since).order_by(audit.c.seq.desc()).limit(limit)
    if until is not None:
        query = query.where(audit.c.at < until)
    if who:
        query = query.where(audit.c.who == who)
    if action:
        query = query.where(audit.c.action == action)
    if before is not None:
        query = query.where(audit.c.seq < before)
    return [_row(row) for row in db.execute(query)]


def walk(db: Connection, since: Ms = 0) -> Iterator[Row]:
    """All rows from an instant on, the oldest first."""
    query = select(audit).where(audit.c.at >= since).order_by(audit.c.seq)
    for row in db.execute(query.execution_options(yield_per=500)):
        yield _row(row)


def broken(db: Connection) -> int | None:
    """The number of the first row that was changed, or before which one is missing; none: the journal is whole.

    Rows that were cut off at the end show only to who kept a later hash.
    """
    last = ""
    for row in db.execute(select(audit).order_by(audit.c.seq).execution_options(yield_per=500)):
        values = {field: getattr(row, field) for field in (*_TEXTS, "at", "detail")}
        if row.hash != _hash(last, values):
            return int(row.seq)
        last = row.hash
    return None


_TEXTS: Final = ("who", "role", "via", "address", "agent", "request", "action", "result")


def _hash(last: str, values: dict[str, Any]) -> str:
    text = json.dumps([last, *(values[key] for key in sorted(values))])
    return hashlib.sha256(text.encode()).hexdigest()


def _row(row: Any) -> Row:
    found = {field.name: getattr(row, field.name) for field in dataclasses.fields(Row)}
    return Row(**found | {"detail": json.loads(row.detail)})


def _plain(text: str) -> str:
    """Short, and without halves of surrogate pairs and NUL, which no database takes."""
    return text[:_LONGEST].encode("utf-8", "replace").decode().replace("\0", "")


def _detail(command: object) -> Iterator[tuple[str, str]]:
    if not dataclasses.is_dataclass(command):
        return
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        # repr=False marks secrets, here as everywhere in the house.
        if field.repr and value not in ("", None, ()):
            yield field.name, _plain(_words(value))


def _words(value: object) -> str:
    """A value in few words: texts and numbers as they are, of larger things only what they are."""
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, str | int | float | bool):
        return str(value)
    if isinstance(value, tuple | list | frozenset):
        shown = [_words(item) for item in list(value)[:_MANY]]
        return ", ".join(shown) + (" …" if len(value) > _MANY else "")
    if type(value).__str__ is not object.__str__ and not dataclasses.is_dataclass(value):
        return str(value)
    # Matchers and the like have a text form of their own; the rest may hold anything.
    return str(value) if "__str__" in type(value).__dict__ else type(value).__name__
