"""The receiver of OTLP metrics over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response

from hypercare.access import Area, Role
from hypercare.ingest import BadRequestError
from hypercare.ingest.otlp import Encoding, answer, encoding_of, refusal
from hypercare.web.api.incoming import Workers, inflate
from hypercare.web.api.write import store
from hypercare.web.errors import sendable
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.ingest import Decoded


def otlp_router(app: App) -> APIRouter:
    """``POST /api/v1/otlp/v1/metrics``, as Prometheus has it, and ``/v1/metrics``, as collectors have it."""
    router = APIRouter(tags=["ingest"])
    workers = Workers()

    async def take(request: Request) -> Response:
        headers = request.headers
        encoding = Encoding.PROTOBUF
        try:
            encoding = encoding_of(headers.get("content-type", ""))
            body = await request.body()

            def decode() -> Decoded:
                return app.ingest.translate_otlp(inflate(body, headers.get("content-encoding", "")), encoding)

            decoded = await workers.run(body, decode)
        except BadRequestError as error:
            message = sendable(str(error))
            return Response(refusal(encoding, message, error.status), error.status, media_type=encoding.value)
        result = await store(app, decoded)
        problems = tuple(sendable(text) for text in (*decoded.problems, *result.problems))
        rejected = decoded.refused + result.conflicts + result.too_old
        return Response(answer(encoding, rejected, problems), 200, media_type=encoding.value)

    @router.post("/api/v1/otlp/v1/metrics", operation_id="otlp_metrics")
    @needs(Role.RESPONDER, Area.INGEST)
    async def metrics(request: Request) -> Response:
        """Take metrics by OTLP, in protobuf or JSON; what could not be stored is told as a partial success."""
        return await take(request)

    @router.post("/v1/metrics", operation_id="otlp_metrics_short")
    @needs(Role.RESPONDER, Area.INGEST)
    async def metrics_short(request: Request) -> Response:
        """Take metrics by OTLP under the path that OpenTelemetry's exporters use by default."""
        return await take(request)

    return router
