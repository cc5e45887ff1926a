"""Passwords and the secrets of tokens and sessions."""

from __future__ import annotations

import functools
import hashlib
import threading
from typing import TYPE_CHECKING, Final

from hypercare.kernel import CommandError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST: Final = 10
_LONGEST: Final = 1000
_AT_ONCE: Final = 2
"""Each verification takes 64 MB for a tenth of a second or so."""
# Verified in place of a hash that does not exist, so that the time of an answer does not tell which names do.
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$aHlwZXJjYXJlLW5vYm9keQ$ZDWJZeEj1bp5GqZOFBB2bUzQ8a9lJmjVYrGkuLwHgX8"


def digest(secret: str) -> str:
    """What is kept of a random secret: SHA-256, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def check_password(name: str, password: str) -> None:
    """Whether somebody may have this password.

    Raises:
        CommandError: it is too short or too long, or is the name.

    """
    if len(password) < SHORTEST:
        msg = f"a password has at least {SHORTEST} characters"
        raise CommandError(msg)
    if len(password) > _LONGEST:
        msg = f"a password has at most {_LONGEST} characters"
        raise CommandError(msg)
    if name.lower() in password.lower() and len(password) < len(name) + SHORTEST:
        raise CommandError("a password is not made of the name")


class Passwords:
    """Hashes and verifies by Argon2, a few at a time; by default at the cost that its authors advise."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._given = hasher
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    @functools.cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher  # noqa: PLC0415 - for those who have passwords

        return self._given or PasswordHasher()

    def hash(self, name: str, password: str) -> str:
        """The Argon2 hash of a new password.

        Raises:
            CommandError: see ``check_password``.

        """
        check_password(name, password)
        try:
            with self._places:
                return self._hasher.hash(password)
        except UnicodeEncodeError as error:
            raise CommandError("a password is text that can be written as UTF-8") from error

    def verify(self, stored: str, password: str) -> bool:
        """Whether the password is the one of a hash; takes as long where there is no hash."""
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

        try:
            with self._places:
                return self._hasher.verify(stored or _NOBODY, password) and bool(stored)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
