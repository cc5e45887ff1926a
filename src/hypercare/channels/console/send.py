"""Writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, Line, Request, Sending
from hypercare.kernel import Permanent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.console.config import ConsoleConfig
    from hypercare.kernel import Outcome


def request(config: ConsoleConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """The lines."""
    del config, sending
    return Line("\n".join(payload["lines"]))


def classify(answer: Answer) -> Outcome:
    """The console gives no answers; whoever wrote to it has delivered."""
    return Permanent(f"the console does not answer, got {type(answer).__name__}")
