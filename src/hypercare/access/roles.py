"""Roles of people, scopes of tokens, and what an endpoint demands of either."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection


class Role(enum.IntEnum):
    """What a person may do; each role may do what those below it may.

    NOBODY stands for who has not said who they are.
    """

    NOBODY = 0
    VIEWER = 1
    RESPONDER = 2
    ADMIN = 3

    @classmethod
    def of(cls, name: str) -> Role:
        """The role of a name in lower case.

        Raises:
            KeyError: there is none of that name.

        """
        return ROLES[name]

    def __str__(self) -> str:
        return self.name.lower()


ROLES: Final = {str(role): role for role in Role if role is not Role.NOBODY}
"""What users can be given, by name."""


class Area(enum.StrEnum):
    """What an endpoint is about, as far as scopes of tokens tell endpoints apart."""

    HOUSE = "house"
    """Pages and our own API."""
    QUERY = "query"
    """Reading samples and logs by the APIs of others."""
    INGEST = "ingest"
    """Taking samples, logs and alerts from programs."""
    METRICS = "metrics"
    """Hypercare's own metrics."""


class Scope(enum.StrEnum):
    """What a token may be used for."""

    READ = "read"
    """Everything that a viewer sees."""
    QUERY = "query"
    """Queries of samples and logs alone: for Grafana and the like."""
    METRICS = "metrics"
    """Hypercare's own metrics alone: for a Prometheus that scrapes them."""
    INGEST = "ingest"
    """Sending samples, logs and alerts alone."""
    RESPOND = "respond"
    """Everything that a responder may, sending included."""
    ADMIN = "admin"
    """Everything that an administrator may."""


SCOPES: Final = tuple(str(scope) for scope in Scope)
_WHOLE: Final = {Scope.READ: Role.VIEWER, Scope.RESPOND: Role.RESPONDER, Scope.ADMIN: Role.ADMIN}
_PARTS: Final = {Scope.QUERY: Area.QUERY, Scope.METRICS: Area.METRICS, Scope.INGEST: Area.INGEST}
ROLE_OF_SCOPE: Final = {**_WHOLE, Scope.QUERY: Role.VIEWER, Scope.METRICS: Role.VIEWER, Scope.INGEST: Role.RESPONDER}
"""The role that somebody has who may give out a token of a scope."""


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """What an endpoint demands.

    Attributes:
        role: the least that may use it; NOBODY: it is open to everybody.
        area: tells which narrow scopes reach it.
        why: of an endpoint that is open: what makes that safe.

    """

    role: Role
    area: Area = Area.HOUSE
    why: str = ""

    def met_by(self, role: Role, scopes: Collection[Scope] | None = None) -> bool:
        """Whether somebody may use it.

        Args:
            role: theirs.
            scopes: of the token they came with; none: they came in person.

        """
        if role < self.role:
            return False
        if scopes is None or self.role is Role.NOBODY:
            return True
        whole = max((_WHOLE[s] for s in scopes if s in _WHOLE), default=Role.NOBODY)
        return whole >= self.role or any(_PARTS.get(s) is self.area for s in scopes)
