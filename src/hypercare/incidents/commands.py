"""What people tell an incident; give them to ``Kernel.call``, which answers with the ``Incident`` as it is then."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Acknowledge:
    """I take it: stops the escalation. ``id`` is the id or the number."""

    id: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Unacknowledge:
    """I cannot go on with it: whoever is on call is paged from the beginning."""

    id: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class AddNote:
    """Add a note to the timeline, at any time."""

    id: str
    by: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Resolve:
    """It is over, whatever the alerts say."""

    id: str
    by: str
    note: str = ""
