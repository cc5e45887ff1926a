"""What others may ask of routing, through ``kernel.call``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms
    from hypercare.routing.recurrence import Recurrence
    from hypercare.routing.silences import MatcherSets


@dataclasses.dataclass(frozen=True, slots=True)
class ReceiveAlerts:
    """Alerts that came through the API. The result is a tuple of texts, one for each alert that was refused.

    An alert without a start began now; one without an end ends ``resolve_timeout`` after it was sent last.
    """

    alerts: tuple[Alert, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PutSilence:
    """Create a silence, or change the one named by ``id``. The result is the id, which may be a new one.

    Attributes:
        starts_at: 0 for now.
        ends_at: an instant to come.
        recurrence: between both it is silent only then; none: as it was, or all the time where it is new.
        always: it does not recur (any more).

    """

    matcher_sets: MatcherSets
    starts_at: Ms
    ends_at: Ms
    created_by: str = ""
    comment: str = ""
    id: str = ""
    recurrence: Recurrence | None = None
    always: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ExpireSilence:
    """End a silence now; one that has ended stays as it is."""

    id: str
