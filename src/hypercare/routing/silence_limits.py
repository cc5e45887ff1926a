"""How many silences there may be, and how large one may be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.routing.silences import Silence


@dataclasses.dataclass(frozen=True, slots=True)
class SilenceLimits:
    """Limits of silences; 0 is none.

    Attributes:
        count: of all that are kept, expired ones included until they are forgotten (as in Alertmanager).
        size: bytes of one.

    """

    count: int = 0
    size: int = 0

    def check(self, silence: Silence, kept: int, *, fresh: bool) -> None:
        """Look at a silence that is to be kept.

        Args:
            silence: as it would be stored.
            kept: how many there are.
            fresh: it does not take the place of one of these under its id.

        Raises:
            ValueError: which limit it exceeds, in Alertmanager's words, and what can be done.

        """
        if fresh and self.count and kept + 1 > self.count:
            msg = (
                f"exceeded maximum number of silences: {kept} (limit: {self.count}); expired ones count until they are "
                f"forgotten after five days; hypercare.yml sets silences.max_silences"
            )
            raise ValueError(msg)
        size = size_of(silence)
        if self.size and size > self.size:
            msg = (
                f"silence exceeded maximum size: {size} bytes (limit: {self.size} bytes); "
                "hypercare.yml sets silences.max_per_silence_bytes"
            )
            raise ValueError(msg)


def size_of(silence: Silence) -> int:
    """Bytes of a silence as Alertmanager counts them: of its protocol buffer; a recurrence counts as its text."""
    matchers = [m for matchers in silence.matcher_sets for m in matchers]
    # The number of the operator, which is left out where it is 0, then name and pattern.
    inner = sum(_field((0 if m.op == "=" else 2) + _text(m.name) + _text(m.value)) for m in matchers)
    times = [silence.starts_at, silence.ends_at, silence.updated_at]
    inner += _text(silence.id) + sum(_field(_time(at)) for at in times)
    inner += _text(silence.created_by) + _text(silence.comment)
    if silence.recurrence is not None:
        inner += _text(str(silence.recurrence))
    # Around it stand its own length and the instant at which it is forgotten.
    return _field(inner) + _field(_time(silence.ends_at))


def _varint(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def _field(size: int) -> int:
    """A field of so many bytes, with its number and length."""
    return 1 + _varint(size) + size


def _text(text: str) -> int:
    return _field(len(text.encode())) if text else 0


def _time(at: Ms) -> int:
    seconds, rest = divmod(at, SECOND)
    return (1 + _varint(seconds) if seconds else 0) + (1 + _varint(rest * 1_000_000) if rest else 0)
