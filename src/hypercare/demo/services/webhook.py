"""A webhook receiver: keeps what webhooks bring, prints it, serves it at /received; and has the runbooks."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import Counter

from hypercare.demo import layout
from hypercare.demo.runbooks import RUNBOOKS
from hypercare.demo.services import base

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary(payload: Mapping[str, Any]) -> str:
    """One line of a payload: Alertmanager's (status, names, how many), or the first text that a page has."""
    if "alerts" not in payload:
        told = (str(payload[key]) for key in ("title", "text", "message", "summary") if payload.get(key))
        kind = " ".join(str(payload[key]) for key in ("type", "severity") if payload.get(key))
        return f"{kind} {next(told, json.dumps(payload))}".strip()[:200]
    alerts = [alert for alert in payload.get("alerts", []) if isinstance(alert, dict)]
    names = dict.fromkeys(str(alert.get("labels", {}).get("alertname", "?")) for alert in alerts)
    status = str(payload.get("status", "?"))
    return f"{status} {', '.join(names) or '(no alert)'} ({len(alerts)}) for {payload.get('receiver', '?')}"


class WebhookReceiver:
    """Takes any JSON object at POST /webhook (and any path below)."""

    def __init__(self, service: base.Service, path: Path) -> None:
        self._service = service
        self._path = path
        self._received: list[dict[str, Any]] = []
        if path.exists():
            self._received = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self._count = Counter(
            "webhook_received", "Notifications received.", ("receiver", "status"), registry=service.registry
        )
        service.app.router.add_post("/webhook", self._take)
        service.app.router.add_post("/webhook/{receiver}", self._take)
        service.app.router.add_get("/received", self._show)
        service.app.router.add_get("/runbooks/{name}", self._runbook)

    async def _take(self, request: web.Request) -> web.Response:
        try:
            payload = await request.json()
        except ValueError as error:
            raise web.HTTPBadRequest(text="the body is not JSON\n") from error
        if not isinstance(payload, dict):
            raise web.HTTPBadRequest(text="the body is not a JSON object\n")
        entry = {
            "number": len(self._received) + 1,
            "at": time.time(),
            "path": request.path,
            "summary": summary(payload),
            "payload": payload,
        }
        self._received.append(entry)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._count.labels(str(payload.get("receiver", "")), str(payload.get("status", ""))).inc()
        self._service.log.info("%s", entry["summary"])
        return web.json_response({"number": entry["number"]})

    async def _runbook(self, request: web.Request) -> web.Response:
        text = RUNBOOKS.get(request.match_info["name"])
        if text is None:
            raise web.HTTPNotFound(text=f"there are: {', '.join(RUNBOOKS)}\n")
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def _show(self, request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", "0"))
        except ValueError as error:
            raise web.HTTPBadRequest(text="after is not a number\n") from error
        return web.json_response({"received": self._received[max(after, 0) :]})


def main() -> None:
    """Serve."""
    parser = base.parser("webhook receiver of the demo platform")
    parser.add_argument("--file", type=Path, required=True, help="where to keep what was received (JSON lines)")
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(layout.WEBHOOK, token=base.token())
    WebhookReceiver(service, options.file)
    service.serve(options.port)


if __name__ == "__main__":
    main()
