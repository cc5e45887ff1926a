"""What targets say about their metric families."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Metadata:
    """Type, help and unit of one metric family of one target."""

    metric: str
    type: str = "unknown"
    help: str = ""
    unit: str = ""

    def with_(self, kind: str, text: str) -> Metadata:
        """A copy with one piece set; ``kind`` is type, help or unit."""
        return dataclasses.replace(self, **{kind: text})
