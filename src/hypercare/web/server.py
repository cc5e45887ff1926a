"""The ASGI application: routers, pages, health, live events, and who may come in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from hypercare.access import Area, Role
from hypercare.collectors.own import content_type
from hypercare.model.errors import InputError
from hypercare.web import errors
from hypercare.web.api.access import access_router
from hypercare.web.api.actions import actions_router
from hypercare.web.api.alertmanager import alertmanager_router
from hypercare.web.api.channels import channels_router
from hypercare.web.api.deployments import deployments_router
from hypercare.web.api.dispatch import Dispatcher
from hypercare.web.api.drills import drills_router
from hypercare.web.api.endpoint import describe
from hypercare.web.api.inbound import inbound_router
from hypercare.web.api.otlp import otlp_router
from hypercare.web.api.own import own_router
from hypercare.web.api.prometheus import prometheus_endpoints
from hypercare.web.api.push import push_router
from hypercare.web.api.refusals import describe_refusals
from hypercare.web.api.response import response_router
from hypercare.web.api.services import services_router
from hypercare.web.api.silences import silences_router
from hypercare.web.api.why import why_router
from hypercare.web.api.write import write_router
from hypercare.web.auth import Gate
from hypercare.web.calendar_feed import feed_router
from hypercare.web.decision_pages import decision_router
from hypercare.web.docs import docs_router
from hypercare.web.guard import Guard
from hypercare.web.link_pages import link_router
from hypercare.web.live import Live
from hypercare.web.pages import Pages, pages_router
from hypercare.web.replica import PassOn, replica_router
from hypercare.web.roles import Demands, needs, open_to_all
from hypercare.web.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.config import Config

_STATIC = Path(__file__).parent / "static"


def create_web(app: App, load: Callable[[], Config], *, exposed: bool = False) -> FastAPI:
    """The web side of a running App.

    Args:
        app: reads go to its snapshots, changes to its kernel.
        load: reads the configuration anew, for /-/reload.
        exposed: other machines can reach this server, so that somebody always has to log in, whatever is configured.

    """
    # FastAPI asks of every parameter whether it is a model of pydantic 1; where that cannot be loaded, none is: 1.4 MB.
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
    # The usual pages of documentation load scripts from elsewhere; /docs is one of ours.
    web = FastAPI(
        title="hypercare",
        version=app.version,
        description="Operations of an AI platform.",
        docs_url=None,
        redoc_url=None,
    )
    live = Live()
    app.kernel.observe(live.publish)
    gate = Gate(app, exposed=exposed)
    gate.on_change = live.wake
    pages = Pages(app, gate)
    web.state.live = live
    web.state.gate = gate
    endpoints = prometheus_endpoints()
    describe(web, endpoints)
    for router in _routers(web, app, live, pages):
        # As they are: include_router keeps every route a second time, 5 MB.
        web.router.routes.extend(router.routes)
    web.mount("/static", StaticFiles(directory=_STATIC), name="static")
    _health(web, app, load)
    errors.install(web, pages.error)
    demands = Demands(web.routes, endpoints)
    web.state.demands = demands
    describe_refusals(web, demands)
    # Added last, asked first.
    web.add_middleware(Dispatcher, app=app, endpoints=endpoints)
    web.add_middleware(
        Guard, gate=gate, demands=demands,
        external_url=lambda: app.config.hypercare.web.external_url,
        cors_origin=lambda: app.config.hypercare.web.cors_origin,
    )  # fmt: skip
    web.add_middleware(PassOn, home=app)
    return web


def _routers(web: FastAPI, app: App, live: Live, pages: Pages) -> tuple[APIRouter, ...]:
    gate, sender = pages.gate, Trials(app)
    return (
        alertmanager_router(app),
        write_router(app),
        otlp_router(app),
        push_router(app),
        why_router(app),
        silences_router(app, gate),
        own_router(app, live, gate),
        response_router(app, gate),
        access_router(app, gate),
        actions_router(app, gate),
        channels_router(app, gate, sender),
        deployments_router(app, gate),
        drills_router(app, gate),
        services_router(app),
        inbound_router(app),
        replica_router(app),
        link_router(pages),
        feed_router(app, gate),
        decision_router(pages),
        pages_router(pages, sender),
        docs_router(web, pages),
    )


def _health(web: FastAPI, app: App, load: Callable[[], Config]) -> None:
    @web.get("/-/healthy", tags=["health"], operation_id="healthy", response_class=PlainTextResponse)
    @open_to_all("tells nothing but that the process runs")
    async def healthy() -> str:
        """The process runs."""
        return "hypercare is healthy.\n"

    @web.get("/-/ready", tags=["health"], operation_id="ready", response_class=PlainTextResponse)
    @open_to_all("tells nothing but that the process serves")
    async def ready() -> str:
        """State is loaded and the configuration is applied (the web server starts after that)."""
        return "hypercare is ready.\n"

    @web.post("/-/reload", tags=["health"], operation_id="reload", response_class=PlainTextResponse)
    async def reload() -> Response:
        """Read the configuration anew; a bad one is refused with all its problems and the old one goes on."""
        try:
            future = await run_in_threadpool(app.reload, load)
            await run_in_threadpool(future.result, 30)
        except InputError as error:
            return PlainTextResponse(f"the new configuration is refused, the old one goes on:\n{error}\n", 400)
        return PlainTextResponse("reloaded\n")

    @web.get("/metrics", tags=["health"], operation_id="metrics", response_class=PlainTextResponse)
    @needs(Role.VIEWER, Area.METRICS)
    async def metrics(request: Request) -> Response:
        """Hypercare's own metrics, in the text format or in OpenMetrics, whichever the client prefers."""
        accept = request.headers.get("accept", "")
        body = app.own.render(app.ports.clock.now(), accept)
        return Response(body, media_type=content_type(accept))
