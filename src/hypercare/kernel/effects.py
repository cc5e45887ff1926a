"""Effects: what is to happen outside, recorded before it does."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.time import Ms


# Kept: making an encoder takes as long as encoding a page.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """One thing to do outside.

    Attributes:
        key: idempotency key; an effect whose key is in the outbox already is not recorded again. The receiver gets
            it with every try.
        channel: who performs it (a name in the channel registry).
        target: where it goes, as the channel understands it (``receiver/integration index``, a person's contact way).
            Secrets are not in it: the channel looks them up in the running configuration when it sends.
        subject: what it is about (``incident:<id>``, ``group:<key>``), for events and pages.
        lane: effects of one lane are performed one after the other, in the order in which they were recorded.
        payload: rendered content, JSON.
        cancel_key: names all effects that become needless together (``page:<incident id>``); see ``Context.cancel``.
        text: the payload as ``payload_text`` writes it, where whoever makes the effect has needed it already.

    """

    key: str
    channel: str
    target: str
    subject: str
    payload: Mapping[str, Any]
    lane: str = ""
    cancel_key: str = ""
    text: str = dataclasses.field(default="", compare=False, repr=False)


def payload_text(payload: Mapping[str, Any]) -> str:
    """A payload as the outbox keeps it: equal payloads have equal texts."""
    return _encode(payload)


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """The outside accepted it.

    Attributes:
        receipt: what the outside calls it (names and values), for those who want to speak of it later.

    """

    detail: str = ""
    receipt: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Retry:
    """It may work later; ``after`` is the outside's own wish (Retry-After), in ms, or none."""

    error: str
    after: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Permanent:
    """It will never work."""

    error: str


Outcome: TypeAlias = Delivered | Retry | Permanent
