"""What others may ask of the channels, through ``kernel.call``."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class SendTest:
    """Send a test notification to all integrations of a receiver, or all contact ways of a person.

    The result is a tuple of ``Sent``. What has not arrived after a minute is given up.

    Attributes:
        receiver: a receiver's name; empty for a person.
        person: a person's name.
        by: who asks.

    """

    receiver: str = ""
    person: str = ""
    by: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One test message in the outbox.

    Attributes:
        key: of the effect.
        channel: such as ``slack``.
        target: as in effects.

    """

    key: str
    channel: str
    target: str


@dataclasses.dataclass(frozen=True, slots=True)
class Hear:
    """Something came from outside. The result says whether it is the first time that this came.

    Attributes:
        id: names it: a signature, an event's id.

    """

    id: str


@dataclasses.dataclass(frozen=True, slots=True)
class OutsideKnows:
    """The outside has told us of a status itself, so that it need not be told; see ``memory.Message.told``."""

    message_id: str
    status: str
