"""Who gave a command, and from where: what the journal of changes tells of it."""

from __future__ import annotations

import contextvars
import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a command comes from.

    Attributes:
        who: whoever showed who they are; empty: the command's own ``by`` tells.
        via: how they showed it.
        agent: what the client calls itself.
        request: method and path, or a command line.

    """

    who: str = ""
    role: str = ""
    via: str = ""
    address: str = ""
    agent: str = ""
    request: str = ""


ORIGIN: Final[contextvars.ContextVar[Origin | None]] = contextvars.ContextVar("hypercare_origin", default=None)
"""Of the request that is being answered; none: what is done is no change by a person."""
