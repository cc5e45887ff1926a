"""The supervisor's control server on loopback: the way from another terminal to the running platform."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web

from hypercare.demo import layout
from hypercare.demo.faults import FAULTS, UnknownFaultError
from hypercare.demo.services.base import TOKEN_HEADER
from hypercare.demo.state import DemoError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hypercare.demo.platform import Supervisor


class ControlServer:
    """GET /status, PUT and DELETE /faults/NAME, DELETE /faults; every request needs the state file's token."""

    def __init__(self, supervisor: Supervisor, token: str) -> None:
        self._supervisor = supervisor
        self._token = token
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/status", self._status)
        app.router.add_put("/faults/{name}", self._break)
        app.router.add_delete("/faults/{name}", self._heal)
        app.router.add_delete("/faults", self._heal)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, layout.HOST, port).start()

    async def stop(self) -> None:
        """Listen no more; may be called twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, ""), self._token):
            return web.json_response({"error": f"{TOKEN_HEADER} is wrong or missing"}, status=403)
        try:
            return await handler(request)
        except UnknownFaultError as error:
            return web.json_response({"error": str(error)}, status=404)
        except DemoError as error:
            return web.json_response({"error": str(error)}, status=500)

    async def _status(self, _request: web.Request) -> web.Response:
        state = self._supervisor.state()
        processes = {
            name: {
                "pid": managed.pid,
                "running": bool(managed.pid),
                "stopped_by": managed.stopped_by,
                "url": layout.url(self._supervisor.ports[name]) if name in layout.MODULES else "",
            }
            for name, managed in self._supervisor.processes.items()
        }
        return web.json_response({"faults": state.faults, "processes": processes, "hypercare": state.hypercare})

    async def _break(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FAULTS:
            raise UnknownFaultError(name)
        await self._supervisor.break_fault(name)
        return web.json_response({"broken": name})

    async def _heal(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name is not None and name not in FAULTS:
            raise UnknownFaultError(name)
        return web.json_response({"healed": await self._supervisor.heal(name)})
