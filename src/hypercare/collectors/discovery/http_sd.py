"""Targets asked from an HTTP endpoint."""

from __future__ import annotations

import dataclasses
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

from hypercare.collectors.discovery.base import Discovery, Found, groups_of
from hypercare.ports import HttpRequest, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.scrape.job import HttpSettings
    from hypercare.model.time import Ms
    from hypercare.ports import Http, HttpResponse

_MAX_BYTES: Final = 32 << 20


class HttpDiscovery(Discovery):
    """A JSON list of target groups; an answer that is none keeps the last targets."""

    kind: ClassVar[str] = "http"

    def __init__(self, http: Http, url: str, refresh: Ms, settings: HttpSettings) -> None:
        self.every = refresh
        self._http = http
        self._settings = settings
        self._request = settings.over(
            HttpRequest(
                "GET",
                url,
                headers=(
                    ("Accept", "application/json"),
                    ("X-Prometheus-Refresh-Interval-Seconds", f"{refresh / 1000:g}"),
                ),
                timeout=min(refresh, 30_000),
                max_bytes=_MAX_BYTES,
            )
        )

    def ask(self, reply: Callable[[Found], None]) -> None:
        """Send the request."""
        if self._settings.error:
            reply(Found(None, self._settings.error))
            return
        self._http.submit(self._request, lambda answer: reply(self._found(answer)))

    def _found(self, answer: HttpResponse | PortError) -> Found:
        url = self._request.url
        if isinstance(answer, PortError):
            return Found(None, f"{url}: {answer.message}")
        if answer.status != HTTPStatus.OK:
            return Found(None, f"{url}: server returned HTTP status {answer.status}")
        content_type = answer.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return Found(None, f"{url}: unsupported content type {content_type!r}, expected application/json")
        try:
            return Found(groups_of(json.loads(answer.body), (("__meta_url", url),)))
        except (ValueError, RecursionError) as error:
            return Found(None, f"{url}: {error}")

    @property
    def identity(self) -> object:
        """The request and what else the answer hangs on."""
        return (self._request, self.every, dataclasses.astuple(self._settings))
