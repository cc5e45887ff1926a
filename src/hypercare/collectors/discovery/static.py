"""Targets written into the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hypercare.collectors.discovery.base import Discovery, Found

if TYPE_CHECKING:
    from hypercare.collectors.discovery.base import LabelPairs


class StaticDiscovery(Discovery):
    """A fixed list."""

    kind: ClassVar[str] = "static"

    def __init__(self, targets: tuple[LabelPairs, ...]) -> None:
        self._targets = targets

    def read(self) -> Found:
        """The list."""
        return Found(self._targets)

    @property
    def identity(self) -> object:
        """The list."""
        return self._targets
