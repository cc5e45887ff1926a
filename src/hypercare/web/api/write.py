"""The receiver of remote write, both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse, Response

from hypercare.access import Area, Role
from hypercare.ingest import BadRequestError, Write
from hypercare.ingest.protocol import WRITTEN_EXEMPLARS, WRITTEN_HISTOGRAMS, WRITTEN_SAMPLES, message_of
from hypercare.model.ingest import WriteResult
from hypercare.web.api.incoming import Workers
from hypercare.web.calls import call
from hypercare.web.errors import sendable
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.ingest import Decoded


async def store(app: App, decoded: Decoded) -> WriteResult:
    """Have the kernel store what was decoded; nothing at all is stored at once."""
    batch = decoded.batch
    if not (batch.floats or batch.singles or batch.histograms or batch.metadata or decoded.refused):
        return WriteResult()
    result: WriteResult = await call(app, Write(batch, decoded.exemplars, decoded.refused))
    return result


def write_router(app: App) -> APIRouter:
    """``POST /api/v1/write``."""
    router = APIRouter(tags=["ingest"])
    workers = Workers()

    @router.post("/api/v1/write", operation_id="remote_write", status_code=204, response_class=PlainTextResponse)
    @needs(Role.RESPONDER, Area.INGEST)
    async def write(request: Request) -> Response:
        """Take samples by Prometheus' remote write, version 1 or 2.

        What is valid is stored even where the answer is 400, which says what was not: no sender repeats such a
        request. The body is snappy's block format.
        """
        headers = request.headers
        try:
            message = message_of(headers.get("content-type", ""), headers.get("content-encoding", ""))
            body = await request.body()
            decoded = await workers.run(body, lambda: app.ingest.decode_remote_write(body, message))
        except BadRequestError as error:
            return PlainTextResponse(f"{sendable(str(error))}\n", error.status)
        result = await store(app, decoded)
        problems = (*decoded.problems, *result.problems)
        written = {
            WRITTEN_SAMPLES: str(result.appended + result.duplicates),
            WRITTEN_HISTOGRAMS: str(result.histograms),
            WRITTEN_EXEMPLARS: "0",
        }
        if problems:
            return PlainTextResponse(f"{sendable('; '.join(problems))}\n", 400, written)
        return Response(status_code=204, headers=written)

    return router
