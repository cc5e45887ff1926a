"""What can be said of targets at a moment: frozen, for readers in any thread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hypercare.collectors.exposition import Metadata
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms


class LastScrape(NamedTuple):  # made at every scrape: a tuple is the cheapest record
    """Outcome of a target's last scrape.

    Attributes:
        at: when it began.
        duration: seconds.
        error: empty where it went well.

    """

    at: Ms
    duration: float
    error: str = ""
    samples: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class TargetStatus:
    """One active target, in the words of Prometheus' /api/v1/targets.

    Attributes:
        health: up, down, or unknown before the first scrape.
        last_scrape: ms; 0 before the first.
        last_scrape_duration: seconds.
        skipped: scrapes left out because the one before was still running, since the start.

    """

    scrape_pool: str
    scrape_url: str
    global_url: str
    labels: Labels
    discovered_labels: Labels
    health: str
    last_error: str
    last_scrape: Ms
    last_scrape_duration: float
    samples: int
    interval: Ms
    timeout: Ms
    skipped: int
    metadata: dict[str, Metadata]


@dataclasses.dataclass(frozen=True, slots=True)
class DroppedTarget:
    """Discovered labels that relabelling dropped."""

    scrape_pool: str
    discovered_labels: Labels


@dataclasses.dataclass(frozen=True, slots=True)
class DiscoveryStatus:
    """One discovery of a job and what is wrong with it, or an empty ``error``."""

    scrape_pool: str
    kind: str
    found: int
    error: str


@dataclasses.dataclass(frozen=True, slots=True)
class TargetsSnapshot:
    """All targets, in the order of jobs and of discovery."""

    active: tuple[TargetStatus, ...] = ()
    dropped: tuple[DroppedTarget, ...] = ()
    discoveries: tuple[DiscoveryStatus, ...] = ()
