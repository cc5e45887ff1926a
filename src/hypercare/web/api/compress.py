"""Answers in the encoding that the client asks for: zstd before gzip, at the levels that cost least."""

from __future__ import annotations

from typing import Final

import cramjam

_SMALLEST: Final = 1400
"""What fits into one packet is sent as it is, bytes."""
_LEVEL: Final = 1


def choose(accepted: str) -> str:
    """``zstd``, ``gzip`` or empty, by a header ``Accept-Encoding``."""
    if not accepted:
        return ""
    offered: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        offered[name.strip()] = quality.replace(" ", "").removeprefix("q=") not in {"0", "0.0", "0.00", "0.000"}
    return next((name for name in ("zstd", "gzip") if offered.get(name)), "")


def compressed(body: bytes, encoding: str) -> bytes | None:
    """The body in that encoding, or none where it is better sent as it is."""
    if not encoding or len(body) < _SMALLEST:
        return None
    packed = cramjam.zstd.compress(body, _LEVEL) if encoding == "zstd" else cramjam.gzip.compress(body, _LEVEL)
    return bytes(packed)
