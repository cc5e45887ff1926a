"""What comes back from where notifications go: Slack's buttons, threads and commands; PagerDuty's webhooks.

Each request shows by its own signature whom it is from; sessions and roles play no part. What is signed and too old, or
comes a second time, is refused.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import JSONResponse, PlainTextResponse, Response

from hypercare.channels.commands import Hear
from hypercare.channels.pagerduty import answers as pagerduty
from hypercare.channels.signatures import SignatureError, check_pagerduty, check_slack
from hypercare.channels.slack import answers as slack
from hypercare.web.api.acting import Acting
from hypercare.web.calls import call
from hypercare.web.roles import open_to_all

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.config.base import Secret

PREFIX: Final = "/api/hypercare/v1/inbound"
_SIGNED: Final = "checks a signature of its own"
_SLACK_WAITS: Final = 2.5
"""Seconds; Slack shows an error to whoever pressed a button if there is no answer within three."""


class Inbound:
    """Checks requests from outside.

    Args:
        app: has the secrets, and remembers what it has heard.

    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.acting = Acting(app)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def from_slack(self, request: Request) -> bytes:
        """The body of a request, if it is Slack's.

        Raises:
            SignatureError: it is not, or it came before.

        """
        settings = self.app.config.hypercare.channels.slack
        body = await request.body()
        if settings is None:
            raise SignatureError("Slack's answers are not configured: channels.slack.signing_secret in hypercare.yml")
        signature = request.headers.get("x-slack-signature", "")
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        secret = self._secret(settings.signing_secret, settings.signing_secret_file)
        check_slack(secret, timestamp, signature, body, self.app.ports.clock.now())
        if not await call(self.app, Hear(f"slack {signature}")):
            raise SignatureError("this request came before")
        return body

    async def from_pagerduty(self, request: Request) -> bytes:
        """The body of a request, if it is PagerDuty's.

        Raises:
            SignatureError: it is not.

        """
        settings = self.app.config.hypercare.channels.pagerduty
        body = await request.body()
        if settings is None:
            raise SignatureError(
                "PagerDuty's webhooks are not configured: channels.pagerduty.webhook_secrets in hypercare.yml"
            )
        secrets = [secret.reveal() for secret in settings.webhook_secrets]
        secrets += [self._read(file) for file in settings.webhook_secret_files]
        check_pagerduty(secrets, request.headers.get("x-pagerduty-signature", ""), body)
        return body

    async def soon(self, doing: Any) -> bool:
        """Wait for something as long as Slack does; it goes on if that is not long enough."""
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=_SLACK_WAITS)
        if done:
            task.result()
        return bool(done)

    def _secret(self, value: Secret, file: str) -> str:
        return self._read(file) if file else value.reveal()

    def _read(self, file: str) -> str:
        try:
            return self.app.ports.files.read(Path(file)).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SignatureError("the secret's file cannot be read") from error


def inbound_router(app: App) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix=PREFIX, tags=["inbound"])
    inbound = Inbound(app)
    _slack(router, inbound)
    _pagerduty(router, inbound)
    return router


def _refused(error: Exception, status: int = 401) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status)


def _slack(router: APIRouter, inbound: Inbound) -> None:
    @router.post("/slack/actions", operation_id="slack_action", responses={401: {"description": "not Slack's"}})
    @open_to_all(_SIGNED)
    async def action(request: Request) -> Response:
        """Slack's interactivity address: somebody pressed a button of a message."""
        try:
            body = await inbound.from_slack(request)
            pressed = slack.press(_form(body))
        except SignatureError as error:
            return _refused(error)
        except slack.AnswerError as error:
            return _refused(error, 400)
        if pressed is not None:
            await inbound.soon(inbound.acting.press(pressed))
        return Response()

    @router.post("/slack/events", operation_id="slack_event", responses={401: {"description": "not Slack's"}})
    @open_to_all(_SIGNED)
    async def event(request: Request) -> Response:
        """Slack's event address: what people write in the thread of a message goes into the incident's timeline."""
        try:
            body = await inbound.from_slack(request)
            said = slack.event(body)
        except SignatureError as error:
            return _refused(error)
        except slack.AnswerError as error:
            return _refused(error, 400)
        if isinstance(said, slack.Challenge):
            return PlainTextResponse(said.text)
        if said is not None:
            await inbound.soon(inbound.acting.thread(said))
        return Response()

    @router.post("/slack/commands", operation_id="slack_command", responses={401: {"description": "not Slack's"}})
    @open_to_all(_SIGNED)
    async def command(request: Request) -> Response:
        """Slack's address for the slash command: ``/hypercare note 7 text``, ``ack 7``, ``resolve 7``, ``list``."""
        try:
            form = _form(await inbound.from_slack(request))
        except SignatureError as error:
            return _refused(error)
        text = await inbound.acting.command(form.get("user_id", ""), form.get("user_name", ""), form.get("text", ""))
        return JSONResponse({"response_type": "ephemeral", "text": text})


def _pagerduty(router: APIRouter, inbound: Inbound) -> None:
    @router.post("/pagerduty", operation_id="pagerduty_event", responses={401: {"description": "not PagerDuty's"}})
    @open_to_all(_SIGNED)
    async def event(request: Request) -> Response:
        """PagerDuty's webhook (version 3): what is acknowledged or resolved there is so here."""
        try:
            done = pagerduty.done(await inbound.from_pagerduty(request))
        except SignatureError as error:
            return _refused(error)
        except pagerduty.AnswerError as error:
            return _refused(error, 400)
        if done is None:
            return JSONResponse({"result": "nothing to do"})
        return JSONResponse({"result": await inbound.acting.pagerduty(done)})


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200))
