"""``http_config`` of an integration put onto a request."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from hypercare import __version__
from hypercare.config.http_client import HttpClientConfig
from hypercare.ports import BasicAuth, HttpRequest, OAuth2, Tls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.channels.base import Sending
    from hypercare.config.http_client import TlsConfig
    from hypercare.model.time import Ms
    from hypercare.ports import Files

MAX_ANSWER = 64 * 1024
"""Answers of notification services are short; what is longer is an error."""


def post(
    url: str,
    body: bytes,
    own: HttpClientConfig | None,
    sending: Sending,
    *,
    timeout: Ms = 0,
    token: str = "",
    more: Sequence[tuple[str, str]] = (),
    method: str = "POST",
) -> HttpRequest:
    """A POST of JSON with the client settings of the integration, or those of ``global``.

    Args:
        url: where to.
        body: JSON.
        own: the integration's ``http_config``.
        sending: gives the key, and reads files.
        timeout: ms; 0: ten seconds.
        token: a bearer token that the channel itself sets.
        more: headers of the channel's own.
        method: POST, or another one.

    Raises:
        OSError: a file with a secret or certificate cannot be read.

    """
    config = own or sending.defaults.http_config or _plain()
    headers = [
        ("Content-Type", "application/json; charset=utf-8" if token else "application/json"),
        ("User-Agent", f"hypercare/{__version__}"),
        ("Idempotency-Key", sending.key),
        *more,
    ]
    authorization = f"Bearer {token}" if token else _authorization(config, sending)
    if authorization:
        headers.append(("Authorization", authorization))
    for name, header in config.http_headers.items():
        headers += [(name, value) for value in header.values]
        headers += [(name, secret.reveal()) for secret in header.secrets]
        headers += [(name, _read(sending.files, file)) for file in header.files]
    request = HttpRequest(
        method,
        url,
        tuple(headers),
        body,
        max_bytes=MAX_ANSWER,
        follow_redirects=config.follow_redirects and not sending.outgoing.deny_private,
        basic_auth=_basic(config, sending),
        oauth2=_oauth2(config, sending) if not token else None,
        tls=tls_of(config.tls_config, sending.files) if url.startswith("https:") else None,
        proxy_url=config.proxy_url,
        no_proxy=config.no_proxy,
        public_only=sending.outgoing.deny_private,
        allowed=sending.outgoing.allow,
    )
    return dataclasses.replace(request, timeout=timeout) if timeout else request


@functools.cache
def _plain() -> HttpClientConfig:
    """Nothing is set; made at first use, as checking the model takes long."""
    return HttpClientConfig()


def _oauth2(config: HttpClientConfig, sending: Sending) -> OAuth2 | None:
    given = config.oauth2
    if given is None:
        return None
    file = given.client_secret_file
    return OAuth2(
        given.token_url,
        given.client_id,
        _read(sending.files, file) if file else given.client_secret.reveal(),
        given.scopes,
        tuple(given.endpoint_params.items()),
        tls_of(given.tls_config, sending.files) if given.token_url.startswith("https:") else None,
        given.proxy_url,
        given.no_proxy,
    )


def _read(files: Files, path: str) -> str:
    return files.read(Path(path)).decode().strip()


def _authorization(config: HttpClientConfig, sending: Sending) -> str:
    given = config.authorization
    if given is not None:
        credentials = sending.secret(given.credentials, given.credentials_file)
        return f"{given.type} {credentials}"
    token = sending.secret(config.bearer_token, config.bearer_token_file)
    return f"Bearer {token}" if token else ""


def _basic(config: HttpClientConfig, sending: Sending) -> BasicAuth | None:
    given = config.basic_auth
    if given is None:
        return None
    username = _read(sending.files, given.username_file) if given.username_file else given.username
    return BasicAuth(username, sending.secret(given.password, given.password_file))


def tls_of(config: TlsConfig, files: Files) -> Tls:
    """Client TLS settings with the contents of their files.

    Raises:
        OSError: a file cannot be read.
    """

    def text(value: str, file: str) -> str:
        return _read(files, file) if file else value

    return Tls(
        ca_pem=text(config.ca, config.ca_file),
        cert_pem=text(config.cert, config.cert_file),
        key_pem=text(config.key.reveal(), config.key_file),
        server_name=config.server_name,
        insecure_skip_verify=config.insecure_skip_verify,
    )
