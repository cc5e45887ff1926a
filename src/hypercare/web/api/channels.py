"""The ways to people: list them, and send a test notification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.channels.commands import SendTest
from hypercare.kernel import CommandError
from hypercare.reports.channels import ways
from hypercare.web.api.timed import timed

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.web.auth import Gate
    from hypercare.web.trials import Trials


class TrialOf(BaseModel):
    """Whom to send a test to: a receiver or a person."""

    receiver: str = Field(default="", max_length=1000)
    person: str = Field(default="", max_length=1000)
    by: str = Field(default="", max_length=100)


def channels_router(app: App, gate: Gate, sender: Trials) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/hypercare/v1/channels", tags=["channels"])

    @router.get("", operation_id="list_channels")
    def channels() -> Any:
        """Every integration of every receiver and every contact way: last delivery, last error, what waits."""
        with app.state.read() as db:
            return [{**timed(way), "status": way.status} for way in ways(app, db)]

    @router.post("/test", operation_id="test_channel")
    async def test(request: Request, wanted: TrialOf) -> Any:
        """Send a test notification to all integrations of a receiver, or all contact ways of a person, and wait."""
        if bool(wanted.receiver) == bool(wanted.person):
            raise CommandError("name a receiver or a person", 400)
        command = SendTest(wanted.receiver, wanted.person, gate.by(request, wanted.by, "api"))
        return timed(await sender.send(command))

    return router
