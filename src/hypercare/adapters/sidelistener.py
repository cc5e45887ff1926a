"""A second web server in a thread of its own, for what is to be reached without reaching the rest."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

import uvicorn

from hypercare.adapters.webserver import QuietServer

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS: Final = 20.0


class SideListener:
    """Serves one application on an address until it is stopped."""

    def __init__(self, web: ASGIApp, host: str, port: int) -> None:
        self._server = QuietServer(
            uvicorn.Config(web, host=host, port=port, log_level="warning", access_log=False, lifespan="off",
                           loop="asyncio", timeout_graceful_shutdown=3, server_header=False, limit_concurrency=200)
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="status-page", daemon=True)

    def start(self) -> bool:
        """Begin to serve; whether it does."""
        self._thread.start()
        until = time.monotonic() + _PATIENCE_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.02)
        return self._server.started

    def stop(self) -> None:
        """End."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        try:
            # Away from the main thread uvicorn leaves signals alone.
            self._server.run()
        except SystemExit:
            # What uvicorn does where the address is taken; it has logged that.
            _log.error("the second listener could not be opened")
