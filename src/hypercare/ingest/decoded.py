"""What decoding a request yields."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypercare.model.ingest import WriteBatch

_QUOTED: Final = 5
"""Problems that are told; the others are counted."""


class BadRequestError(Exception):
    """A request that cannot be taken; the sender must not repeat it.

    Attributes:
        status: the HTTP status that says so.

    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """A batch, and what of the request is not in it.

    Attributes:
        exemplars: how many came; none is stored.
        refused: how many samples were left out as invalid.
        problems: why, one sentence each.

    """

    batch: WriteBatch
    exemplars: int = 0
    refused: int = 0
    problems: tuple[str, ...] = ()


class Problems:
    """Collects what is wrong with parts of a request: the first few in words, all in number."""

    def __init__(self) -> None:
        self.refused = 0
        self._found: dict[str, int] = {}
        self._more = 0

    def add(self, text: str, samples: int = 1) -> None:
        """Note one part that is left out."""
        self.refused += samples
        if text in self._found or len(self._found) < _QUOTED:
            self._found[text] = self._found.get(text, 0) + 1
        else:
            self._more += 1

    @property
    def texts(self) -> tuple[str, ...]:
        """What was noted."""
        told = [text if count == 1 else f"{text} ({count} times)" for text, count in self._found.items()]
        return (*told, f"and {self._more} more") if self._more else tuple(told)
