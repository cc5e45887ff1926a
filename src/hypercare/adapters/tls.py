"""TLS contexts, made once for each kind of settings, and what a connection's certificates say."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import ssl
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypercare.ports import Tls


@dataclasses.dataclass(slots=True)
class ConnectionNotes:
    """What is noted while one connection is being made.

    Attributes:
        tls_began: ``time.perf_counter`` at the start of the handshake.
        tls_object: of the newest connection.
        peer: address that was tried last.

    """

    tls_began: float = 0.0
    tls_object: ssl.SSLObject | None = None
    peer: str = ""


NOTES: contextvars.ContextVar[ConnectionNotes | None] = contextvars.ContextVar("connection_notes", default=None)


class _NotingContext(ssl.SSLContext):
    """Tells whoever traces when the handshake began, as asyncio connects and shakes hands in one call.

    Attributes:
        server_name: asked for and checked instead of the host's name, in blocking connections (smtplib has no say
            in it; asyncio takes it as an argument).

    """

    server_name = ""

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if self.server_name:
            kwargs["server_hostname"] = self.server_name
        return super().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        made = super().wrap_bio(*args, **kwargs)
        notes = NOTES.get()
        if notes is not None:
            notes.tls_began = time.perf_counter()
            notes.tls_object = made
        return made


@functools.lru_cache(maxsize=256)
def tls_context(settings: Tls | None) -> ssl.SSLContext:
    """A client context.

    Raises:
        ssl.SSLError: the PEM texts are not valid, or key and certificate do not belong together.

    """
    context = _NotingContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings is not None and settings.ca_pem:
        context.load_verify_locations(cadata=settings.ca_pem)
    else:
        context.load_default_certs()
    if settings is None:
        return context
    context.server_name = settings.server_name
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_pem:
        # OpenSSL reads certificates of clients from files only; this one is ours alone and gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(settings.cert_pem.rstrip() + "\n" + settings.key_pem.rstrip() + "\n")
            file.flush()
            context.load_cert_chain(file.name, password=_no_password)
    return context


def _no_password() -> str:
    """Keeps OpenSSL from asking at the terminal for the password of an encrypted key."""
    return ""


def not_after(connection: Any) -> tuple[float, ...]:
    """Ends of validity, unix seconds: the earliest of the chain, and the leaf's; empty where nothing is known."""
    leaf = connection.getpeercert(binary_form=True)
    if not leaf:
        return ()
    ends = [_end(der) for der in _chain(connection)]
    own = _end(leaf)
    return (min([own, *ends]), own)


def _chain(connection: Any) -> list[bytes]:
    """The verified chain, public since Python 3.13 and one attribute deeper before."""
    public = getattr(connection, "get_verified_chain", None)
    if public is not None:
        return list(public() or [])
    inner = getattr(getattr(connection, "_sslobj", None), "get_verified_chain", None)
    try:
        return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in (inner() or [])] if inner is not None else []
    except ValueError:
        # Without verification there is no verified chain.
        return []


def _end(der: bytes) -> float:
    from cryptography import x509  # noqa: PLC0415 - 7 MB, for probes over TLS alone

    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


def tls_version(connection: Any) -> str:
    """As blackbox_exporter writes it: ``TLS 1.3``."""
    return str(connection.version() or "").replace("TLSv", "TLS ")
