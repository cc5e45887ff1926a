"""Messages through the Apprise library, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from typing import TYPE_CHECKING, Any, Final

from hypercare.adapters.ioloop import Workers
from hypercare.ports import Apprised, AppriseResult

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKERS: Final = 4
MISSING: Final = "the library apprise is not installed: pip install 'hypercare[apprise]'"


class AppriseLibrary:
    """Sends through Apprise, in threads of its own. Implements ``ports.Apprise``."""

    def __init__(self) -> None:
        self._workers = Workers("apprise", _WORKERS)
        self._lock = threading.Lock()

    def submit(self, message: Apprised, reply: Callable[[AppriseResult], None]) -> None:
        """Start a delivery; ``reply`` is called once."""
        self._workers.submit(lambda: self._send(message), reply, lambda why: AppriseResult(ok=False, message=why))

    def close(self) -> None:
        """Stop; whoever waits gets a reply."""
        self._workers.close()

    def _send(self, message: Apprised) -> AppriseResult:
        # The first import takes a second and must not be made by two threads at once.
        with self._lock:
            if importlib.util.find_spec("apprise") is None:
                return AppriseResult(ok=False, message=MISSING, permanent=True)
            library: Any = importlib.import_module("apprise")
        service = library.Apprise.instantiate(message.url, suppress_exceptions=True)
        if service is None:
            return AppriseResult(ok=False, message="Apprise does not understand this URL", permanent=True)
        sender = library.Apprise()
        sender.add(service)
        if sender.notify(title=message.title, body=message.body, notify_type=message.kind):
            return AppriseResult(ok=True, message=f"sent by Apprise ({service.service_name})")
        return AppriseResult(ok=False, message=f"Apprise could not send it ({service.service_name})")
