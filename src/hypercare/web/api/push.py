"""Pushes of jobs, under the paths of Prometheus' Pushgateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse, Response

from hypercare.access import Area, Role
from hypercare.ingest import BadRequestError
from hypercare.ingest.push.families import families_of
from hypercare.ingest.push.path import group_of
from hypercare.ingest.push.service import DeletePushed, Push, PushFailed
from hypercare.web.api.incoming import Workers, inflate
from hypercare.web.calls import call
from hypercare.web.errors import sendable
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.ingest.push.families import Family
    from hypercare.model.labels import Labels


GroupPath = Annotated[str, Path(description="labels and values: job/<job>{/<label>/<value>}")]


def _group(request: Request, path: str) -> Labels:
    """The group that a request names, from the path as it was sent: a slash within a value is written %2F."""
    sent: bytes | None = request.scope.get("raw_path")
    return group_of(path if sent is None else sent.decode("latin-1").partition("?")[0].partition("/metrics/")[2])


def push_router(app: App) -> APIRouter:
    """``PUT``, ``POST`` and ``DELETE /metrics/job/<job>{/<label>/<value>}``."""
    router = APIRouter(tags=["ingest"])
    workers = Workers()

    async def take(request: Request, path: str, *, replace: bool) -> Response:
        group: Labels | None = None
        headers = request.headers
        try:
            group = labels = _group(request, path)
            body = await request.body()

            def read() -> tuple[Family, ...]:
                plain = inflate(body, headers.get("content-encoding", ""))
                return families_of(plain, headers.get("content-type", ""), labels)

            families = await workers.run(body, read)
        except BadRequestError as error:
            if group is not None:
                await call(app, PushFailed(group))
            return PlainTextResponse(f"{sendable(str(error))}\n", error.status)
        await call(app, Push(group, families, replace))
        return Response(status_code=200)

    @router.put("/metrics/{path:path}", operation_id="push_replace", response_class=PlainTextResponse)
    @needs(Role.RESPONDER, Area.INGEST)
    async def put(request: Request, path: GroupPath) -> Response:
        """Keep the metrics of the body in place of all that was pushed under these labels."""
        return await take(request, path, replace=True)

    @router.post("/metrics/{path:path}", operation_id="push_merge", response_class=PlainTextResponse)
    @needs(Role.RESPONDER, Area.INGEST)
    async def post(request: Request, path: GroupPath) -> Response:
        """Keep the metrics of the body in place of those of the same names pushed under these labels."""
        return await take(request, path, replace=False)

    @router.delete("/metrics/{path:path}", operation_id="push_delete", response_class=PlainTextResponse)
    @needs(Role.RESPONDER, Area.INGEST)
    async def remove(request: Request, path: GroupPath) -> Response:
        """Forget what was pushed under exactly these labels; its series end."""
        try:
            group = _group(request, path)
        except BadRequestError as error:
            return PlainTextResponse(f"{sendable(str(error))}\n", error.status)
        await call(app, DeletePushed(group))
        return Response(status_code=202)

    return router
