"""What the end of a program or request means, in words for people."""

from __future__ import annotations

import dataclasses
import signal
from typing import TYPE_CHECKING, Final

from hypercare.actions.masking import mask, shown
from hypercare.model.time import format_duration
from hypercare.ports import HttpResponse, PortError, ProcessResult

if TYPE_CHECKING:
    from hypercare.actions.calls import Call
    from hypercare.model.time import Ms

_LAST: Final = 300
"""Characters of the end of an output that stand in the text of a run."""
_BODY: Final = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """How a call ended.

    Attributes:
        code: exit code or HTTP status.
        text: for people, in a line or few.
        output: all that is kept of what it said.
        stopped: we were stopped meanwhile, so nobody knows how far it got.

    """

    ok: bool
    code: int | None
    text: str
    output: str
    stopped: bool = False


def said_of(answer: ProcessResult | HttpResponse | PortError, call: Call) -> Said:
    """What came back, without secrets."""
    if isinstance(answer, ProcessResult):
        return _program(answer, call)
    if isinstance(answer, PortError):
        return Said(ok=False, code=None, text=mask(f"no answer: {answer.message}", call.secrets), output="")
    body = answer.body
    output = shown(body[:_BODY], b"", max(0, len(body) - _BODY), call.secrets)
    ok = answer.status in call.accepted or answer.status // 100 in call.accepted
    took = _took(int(answer.duration * 1000))
    return Said(ok, answer.status, f"HTTP {answer.status} after {took}{_end_of(output)}", output)


def _program(answer: ProcessResult, call: Call) -> Said:
    output = shown(answer.head, answer.tail, answer.omitted, call.secrets)
    took = _took(answer.duration)
    if answer.timed_out:
        text = f"its time was over after {took}, it was ended"
    elif answer.error:
        text = mask(answer.error, call.secrets)
    elif answer.signal:
        text = f"it was ended by {_name(answer.signal)} after {took}"
    else:
        text = f"exit code {answer.exit_code} after {took}"
    ok = not answer.timed_out and not answer.error and not answer.signal and answer.exit_code in call.accepted
    stopped = bool(answer.error) and bool(answer.signal)
    return Said(ok, answer.exit_code, text + _end_of(output), output, stopped)


def _took(duration: Ms) -> str:
    return format_duration(duration) if duration < 1_000 else format_duration(duration // 100 * 100)


def _end_of(output: str) -> str:
    text = " ".join(output.split())
    if not text:
        return ""
    return f": {text}" if len(text) <= _LAST else f": …{text[-_LAST:]}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
