"""How HTTP clients log in, encrypt and go through proxies; the same keys everywhere in Prometheus and Alertmanager."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hypercare.config.base import (
    Announced,
    AnyUrl,
    FilePath,
    Secret,
    StrictModel,
    TextMap,
    Url,
    refuse,
)

if TYPE_CHECKING:
    from hypercare.config.alertmanager import AlertmanagerGlobal

TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class TlsConfig(StrictModel):
    """Certificates of a client, and what it demands of a server; PEM texts inline or files."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("ca", "ca_file", "ca_ref"),
        ("cert", "cert_file", "cert_ref"),
        ("key", "key_file", "key_ref"),
    )

    ca: str = ""
    cert: str = ""
    key: Secret = Secret("")
    ca_file: FilePath = ""
    cert_file: FilePath = ""
    key_file: FilePath = ""
    ca_ref: Annotated[str, Announced("no secret provider is connected")] = ""
    cert_ref: Annotated[str, Announced("no secret provider is connected")] = ""
    key_ref: Annotated[str, Announced("no secret provider is connected")] = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: Annotated[TlsVersion | None, Announced("the system's lowest TLS version applies")] = None
    max_version: Annotated[TlsVersion | None, Announced("the system's highest TLS version applies")] = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        has_cert = bool(self.cert or self.cert_file or self.cert_ref)
        has_key = bool(self.key or self.key_file or self.key_ref)
        if has_cert != has_key:
            have, lack = ("cert", "key") if has_cert else ("key", "cert")
            msg = f"a client certificate needs both cert and key: {have} is set and {lack} is not"
            raise refuse(msg)
        return self


class BasicAuth(StrictModel):
    """User name and password."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("username", "username_file", "username_ref"),
        ("password", "password_file", "password_ref"),
    )

    username: str = ""
    username_file: FilePath = ""
    username_ref: Annotated[str, Announced("no secret provider is connected")] = ""
    password: Secret = Secret("")
    password_file: FilePath = ""
    password_ref: Annotated[str, Announced("no secret provider is connected")] = ""


class Authorization(StrictModel):
    """An ``Authorization`` header: type (default Bearer) and credentials."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("credentials", "credentials_file", "credentials_ref"),)

    type: str = "Bearer"
    credentials: Secret = Secret("")
    credentials_file: FilePath = ""
    credentials_ref: Annotated[str, Announced("no secret provider is connected")] = ""

    @model_validator(mode="after")
    def _not_basic(self) -> Self:
        if self.type.strip().lower() == "basic":
            raise refuse('the authorization type cannot be "basic"', "type", hint="use basic_auth instead")
        return self


class ProxyConfig(StrictModel):
    """Through which proxy to go."""

    proxy_url: AnyUrl = ""
    no_proxy: str = ""
    proxy_from_environment: Annotated[bool, Announced("name the proxy in proxy_url")] = False
    proxy_connect_header: Annotated[
        dict[str, tuple[Secret, ...]], Announced("the proxy gets no additional headers")
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _proxy(self) -> Self:
        if self.proxy_from_environment and (self.proxy_url or self.no_proxy):
            raise refuse("proxy_from_environment cannot stand beside proxy_url or no_proxy", "proxy_from_environment")
        if self.no_proxy and not self.proxy_url:
            raise refuse("no_proxy needs a proxy_url", "no_proxy")
        if self.proxy_connect_header and not (self.proxy_url or self.proxy_from_environment):
            raise refuse("proxy_connect_header needs a proxy_url", "proxy_connect_header")
        return self


_SECRET_ONLY: Final = Announced("tokens are asked for with client_secret; signed assertions are not made")


class OAuth2(ProxyConfig):
    """Client credentials grant."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("client_secret", "client_secret_file", "client_secret_ref"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("client_id",),
        ("token_url",),
        (
            *("client_secret", "client_secret_file", "client_secret_ref"),
            *("client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref"),
        ),
    )

    client_id: str = ""
    client_secret: Secret = Secret("")
    client_secret_file: FilePath = ""
    client_secret_ref: Annotated[str, Announced("no secret provider is connected")] = ""
    client_certificate_key_id: Annotated[str, _SECRET_ONLY] = ""
    client_certificate_key: Annotated[Secret, _SECRET_ONLY] = Secret("")
    client_certificate_key_file: Annotated[FilePath, _SECRET_ONLY] = ""
    client_certificate_key_ref: Annotated[str, _SECRET_ONLY] = ""
    grant_type: Annotated[str, _SECRET_ONLY] = ""
    signature_algorithm: Annotated[str, _SECRET_ONLY] = ""
    iss: Annotated[str, _SECRET_ONLY] = ""
    audience: Annotated[str, _SECRET_ONLY] = ""
    claims: Annotated[dict[str, object], _SECRET_ONLY] = Field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    token_url: AnyUrl = ""
    endpoint_params: TextMap = Field(default_factory=dict)
    tls_config: TlsConfig = TlsConfig()


class HttpHeader(StrictModel):
    """Values of one additional header."""

    values: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    files: tuple[FilePath, ...] = ()


_RESERVED_HEADERS = frozenset({
    "authorization", "content-encoding", "content-length", "content-type", "connection", "host", "keep-alive",
    "proxy-authenticate", "proxy-authorization", "transfer-encoding", "upgrade", "user-agent", "www-authenticate",
    "accept-encoding", "x-prometheus-remote-write-version", "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds", "te", "trailer",
})  # fmt: skip


def check_headers(headers: dict[str, HttpHeader]) -> dict[str, HttpHeader]:
    """The headers, if none is one that the client sets itself.

    Raises:
        PydanticCustomError: a reserved header.
    """
    for name in headers:
        if name.lower() in _RESERVED_HEADERS:
            msg = f"the header {name!r} is set by the client and cannot be changed"
            raise refuse(msg, name)
    return headers


class HttpClientConfig(ProxyConfig):
    """All client settings of Prometheus' and Alertmanager's ``http_config``; Prometheus also has them inline."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("bearer_token", "bearer_token_file"),
        ("basic_auth", "oauth2", "authorization", "bearer_token", "bearer_token_file"),
    )

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    bearer_token: Secret = Secret("")
    bearer_token_file: FilePath = ""
    tls_config: TlsConfig = TlsConfig()
    follow_redirects: bool = True
    enable_http2: Annotated[bool, Announced("requests use HTTP/1.1")] = True
    http_headers: Annotated[dict[str, HttpHeader], AfterValidator(check_headers)] = Field(default_factory=dict)

    @property
    def is_default_client(self) -> bool:
        """Whether none of the client settings was written."""
        return not (self.model_fields_set & set(HttpClientConfig.model_fields))


class NotifierConfig(StrictModel):
    """What all receiver integrations have.

    The default of ``send_resolved`` is each integration's own, as in Alertmanager: true for webhook and pagerduty,
    false for slack and email.
    """

    send_resolved: bool = False

    def missing(self, defaults: "AlertmanagerGlobal") -> str:
        """What the integration lacks, given alertmanager.yml's ``global``; empty where nothing. For overriding."""
        del defaults
        return ""


__all__ = [
    "Authorization",
    "BasicAuth",
    "HttpClientConfig",
    "HttpHeader",
    "NotifierConfig",
    "OAuth2",
    "TlsConfig",
    "Url",
]
