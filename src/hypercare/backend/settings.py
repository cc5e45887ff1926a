"""Where the other server is and how it is talked to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from hypercare import __version__
from hypercare.collectors.settings import SecretFiles, http_settings
from hypercare.ports import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.collectors.scrape.job import HttpSettings
    from hypercare.config import Config
    from hypercare.model.time import Ms
    from hypercare.ports import Files

_MOST_BYTES = 64 << 20
_FORM = "application/x-www-form-urlencoded"


@dataclasses.dataclass(frozen=True, slots=True)
class BackendSettings:
    """What requests are built from.

    Attributes:
        url: up to what stands before ``/api/v1``, without a slash at its end.
        timeout: of a rule's query, ms.

    """

    url: str
    timeout: Ms
    http: HttpSettings

    def request(
        self, path: str, fields: Iterable[tuple[str, str]], timeout: Ms, *, method: str = "POST", max_bytes: int = 0
    ) -> HttpRequest:
        """A request to the server: a form for POST, a query string for GET."""
        encoded = urlencode(list(fields))
        posted = method == "POST"
        address = f"{self.url}{path}"
        headers = (("Accept", "application/json"), ("User-Agent", f"Hypercare/{__version__}"))
        request = HttpRequest(
            method,
            address if posted or not encoded else f"{address}?{encoded}",
            headers=(*headers, ("Content-Type", _FORM)) if posted else headers,
            body=encoded.encode() if posted else b"",
            timeout=timeout,
            max_bytes=max_bytes or _MOST_BYTES,
        )
        return self.http.over(request)


def settings_of(config: Config, files: Files) -> BackendSettings | None:
    """The other server of a configuration; none: the embedded store answers."""
    given = config.hypercare.metrics.backend
    if given is None:
        return None
    return BackendSettings(given.url.rstrip("/"), given.timeout, http_settings(given, SecretFiles(files)))
