"""Secrets that must not be written down with what a program said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "<secret>"
_SHORTEST: Final = 4
"""Shorter ones stand in any text by chance, and protect nothing."""


def maskable(values: Iterable[str]) -> tuple[str, ...]:
    """The secrets to look for, each line of those that have several, the longest first."""
    parts = {part for value in values for part in (value, value.strip(), *value.splitlines())}
    return tuple(sorted((p for p in parts if len(p.strip()) >= _SHORTEST), key=lambda p: (-len(p), p)))


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """The text without secrets."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def shown(head: bytes, tail: bytes, omitted: int, secrets: tuple[str, ...]) -> str:
    """Output as a text for people: no secrets, also none that were cut in two, and what is left out."""
    first, last = _text(head), _text(tail)
    if not omitted:
        return mask(first + last, secrets)
    first, last = mask(first, secrets), mask(last, secrets)
    for secret in secrets:
        first = _without_end(first, secret)
        last = _without_start(last, secret)
    return f"{first}\n… {omitted} bytes left out …\n{last}"


def _without_end(text: str, secret: str) -> str:
    for length in range(len(secret) - 1, _SHORTEST - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + MASK
    return text


def _without_start(text: str, secret: str) -> str:
    for length in range(len(secret) - 1, _SHORTEST - 1, -1):
        if text.startswith(secret[-length:]):
            return MASK + text[length:]
    return text


def _text(data: bytes) -> str:
    # No database takes NUL in a text.
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")
