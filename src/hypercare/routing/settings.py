"""Everything routing takes from the configuration, in the words of this room."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from hypercare.model.time import MINUTE
from hypercare.routing.silence_limits import SilenceLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.notification import Notification
    from hypercare.model.time import Ms
    from hypercare.routing.flapping import FlapRule
    from hypercare.routing.inhibition import InhibitRule
    from hypercare.routing.intervals import TimeInterval
    from hypercare.routing.tree import Route


class Integration(Protocol):
    """One way in which a receiver is told; ``channels`` has the real ones."""

    @property
    def channel(self) -> str:
        """Name of the channel, e.g. ``slack``."""
        ...

    @property
    def name(self) -> str:
        """Channel and index within the receiver, e.g. ``slack/0``."""
        ...

    @property
    def target(self) -> str:
        """How the channel finds its settings again when it sends."""
        ...

    @property
    def send_resolved(self) -> bool:
        """Whether the end of alerts is told, too."""
        ...

    def render(self, notification: Notification) -> Mapping[str, Any]:
        """The content as JSON, without secrets."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class RoutingSettings:
    """One state of the configuration.

    Attributes:
        receivers: the integrations of each receiver, in the order of the configuration; may be empty.
        resolve_timeout: after how long an alert ends that came without an end and is not sent again.

    """

    tree: Route
    receivers: Mapping[str, tuple[Integration, ...]]
    intervals: Mapping[str, tuple[TimeInterval, ...]] = dataclasses.field(default_factory=dict)
    inhibit_rules: tuple[InhibitRule, ...] = ()
    resolve_timeout: Ms = 5 * MINUTE
    external_url: str = ""
    flapping: tuple[FlapRule, ...] = ()
    limits: SilenceLimits = dataclasses.field(default_factory=SilenceLimits)
