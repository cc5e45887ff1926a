"""An alert as it travels from a rule (or another Prometheus) to routing."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from hypercare.model.labels import EMPTY, Labels

if TYPE_CHECKING:
    from hypercare.model.time import Ms


class AlertState(enum.StrEnum):
    """The states of an alerting rule's element."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """One alert: identified by its labels; firing until ``ends_at``.

    Attributes:
        ends_at: none while the alert's source keeps it firing (our own rules say when it ends); an instant in the
            future where a foreign source promised to send it again; one in the past: resolved then.
        generator_url: a page that shows the expression.

    """

    labels: Labels
    annotations: Labels = EMPTY
    starts_at: Ms = 0
    ends_at: Ms | None = None
    generator_url: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal for equal labels."""
        return self.labels.fingerprint()

    @property
    def name(self) -> str:
        """The ``alertname`` label."""
        return self.labels.get("alertname")

    def resolved_at(self, now: Ms) -> bool:
        """Whether the alert has ended by ``now``."""
        return self.ends_at is not None and self.ends_at <= now
