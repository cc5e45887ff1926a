"""One loop: take the earliest due timer or message, decide, commit state and effects, then act.

See ``docs/architecture.md``, "Time and effects".
"""

from hypercare.kernel.context import Context
from hypercare.kernel.effects import Delivered, Effect, Outcome, Permanent, Retry, payload_text
from hypercare.kernel.kernel import CommandError, Kernel
from hypercare.kernel.origin import ORIGIN, Origin
from hypercare.kernel.outbox import Deliverer, Outbox

__all__ = [
    "ORIGIN",
    "CommandError",
    "Context",
    "Delivered",
    "Deliverer",
    "Effect",
    "Kernel",
    "Origin",
    "Outbox",
    "Outcome",
    "Permanent",
    "Retry",
    "payload_text",
]
