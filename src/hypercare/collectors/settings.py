"""From the configuration's HTTP client keys to what a request needs; secrets are read from their files here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hypercare.collectors.scrape.job import HttpSettings
from hypercare.ports import BasicAuth, OAuth2, Tls

if TYPE_CHECKING:
    from hypercare.config.http_client import HttpClientConfig, TlsConfig
    from hypercare.config.http_client import OAuth2 as OAuth2Config
    from hypercare.ports import Files


class SecretFiles:
    """Reads files and remembers their stamps, so that a change can be noticed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.names: dict[str, tuple[int, int]] = {}

    def read(self, name: str) -> str:
        """The text of a file without white space at its ends.

        Raises:
            OSError: it cannot be read.
            UnicodeDecodeError: it is no text.

        """
        self.names[name] = self._files.stamp(Path(name))
        return self._files.read(Path(name)).decode().strip()

    def changed(self) -> bool:
        """Whether a file that was read is another now."""
        return any(self._files.stamp(Path(name)) != stamp for name, stamp in self.names.items())


def http_settings(config: HttpClientConfig, secrets: SecretFiles) -> HttpSettings:
    """The client settings; a file that cannot be read becomes their ``error``."""
    try:
        return _settings(config, secrets)
    except (OSError, UnicodeDecodeError) as error:
        return dataclasses.replace(HttpSettings(), error=f"cannot read a secret or certificate: {error}")


def _settings(config: HttpClientConfig, secrets: SecretFiles) -> HttpSettings:
    headers: list[tuple[str, str]] = []
    basic = None
    if config.basic_auth is not None:
        auth = config.basic_auth
        basic = BasicAuth(
            secrets.read(auth.username_file) if auth.username_file else auth.username,
            secrets.read(auth.password_file) if auth.password_file else auth.password.reveal(),
        )
    elif config.authorization is not None:
        given = config.authorization
        text = secrets.read(given.credentials_file) if given.credentials_file else given.credentials.reveal()
        headers.append(("Authorization", f"{given.type.strip() or 'Bearer'} {text}"))
    elif config.bearer_token_file or config.bearer_token:
        file = config.bearer_token_file
        headers.append(("Authorization", f"Bearer {secrets.read(file) if file else config.bearer_token.reveal()}"))
    for name, header in config.http_headers.items():
        headers += [(name, value) for value in header.values]
        headers += [(name, secret.reveal()) for secret in header.secrets]
        headers += [(name, secrets.read(file)) for file in header.files]
    return HttpSettings(
        headers=tuple(headers),
        basic_auth=basic,
        oauth2=oauth2_settings(config.oauth2, secrets) if config.oauth2 is not None else None,
        tls=tls_settings(config.tls_config, secrets),
        proxy_url=config.proxy_url,
        no_proxy=config.no_proxy,
        follow_redirects=config.follow_redirects,
    )


def oauth2_settings(config: OAuth2Config, secrets: SecretFiles) -> OAuth2:
    """Client credentials.

    Raises:
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is no text.

    """
    file = config.client_secret_file
    return OAuth2(
        config.token_url,
        config.client_id,
        secrets.read(file) if file else config.client_secret.reveal(),
        config.scopes,
        tuple(config.endpoint_params.items()),
        tls_settings(config.tls_config, secrets),
        config.proxy_url,
        config.no_proxy,
    )


def tls_settings(config: TlsConfig, secrets: SecretFiles) -> Tls | None:
    """Client TLS settings, or none where nothing is set.

    Raises:
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is no text.

    """
    found = Tls(
        ca_pem=secrets.read(config.ca_file) if config.ca_file else config.ca,
        cert_pem=secrets.read(config.cert_file) if config.cert_file else config.cert,
        key_pem=secrets.read(config.key_file) if config.key_file else config.key.reveal(),
        server_name=config.server_name,
        insecure_skip_verify=config.insecure_skip_verify,
    )
    return None if found == Tls() else found
