"""Whom a step, a clock or the auditor tells: people, whoever is on call, roles, receivers, everyone."""

import dataclasses
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from hypercare.config.base import refuse

EVERYONE: Final = "everyone"
ASSIGNEE: Final = "assignee"
"""The role of whoever has acknowledged the incident."""
_KINDS: Final = ("person", "schedule", "role", "receiver", "channel")
_HINT: Final = "write a person's name, schedule:<name>, role:<name>, receiver:<name> or everyone"


@dataclasses.dataclass(frozen=True, slots=True)
class NotifyTarget:
    """Whom to tell: kind ``person``, ``schedule`` (who is on call), ``role``, ``receiver`` or ``everyone``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name if self.kind in {"person", EVERYONE} else f"{self.kind}:{self.name}"


def _target(value: Any) -> Any:
    if isinstance(value, NotifyTarget):
        return value
    if not isinstance(value, str) or not value:
        raise refuse("expected a person, schedule:<name>, role:<name>, receiver:<name> or everyone")
    kind, colon, name = value.partition(":")
    if not colon:
        return NotifyTarget(EVERYONE if value == EVERYONE else "person", str(value))
    if kind not in _KINDS or not name.strip():
        msg = f"cannot tell whom {value!r} means"
        raise refuse(msg, hint=_HINT)
    # A channel that belongs to nobody in particular is a receiver of alertmanager.yml.
    return NotifyTarget("receiver" if kind == "channel" else kind, name.strip())


Target = Annotated[
    NotifyTarget,
    BeforeValidator(_target),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "examples": ["ada", "schedule:primary", "role:manager", "receiver:pager", "everyone"]}
    ),
]
