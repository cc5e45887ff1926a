"""Building the mail."""

from __future__ import annotations

import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import TYPE_CHECKING, Any

from hypercare.channels.base import NotSendableError, Request, Sending
from hypercare.channels.http_client import tls_of
from hypercare.config.http_client import TlsConfig
from hypercare.model.time import to_datetime
from hypercare.ports import Mail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.email.config import EmailConfig

_BETWEEN = re.compile(r",[ \t\r\n]+")
IMPLICIT_TLS_PORT = 465
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""What ends a line for some program or other, and what has no place in a header."""


def request(config: EmailConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """The mail and its server.

    Raises:
        OSError: a file with a secret or certificate cannot be read.
        NotSendableError: there is no server, no sender or no recipient.
    """
    shared = sending.defaults
    sender = _addresses(payload["from"] or config.from_ or shared.smtp_from)
    recipients = _addresses(payload["to"] or config.to)
    smarthost = config.smarthost or shared.smtp_smarthost
    if not (sender and recipients and smarthost):
        raise NotSendableError("an e-mail needs smarthost, from and to")
    if not all(address.addr_spec.isascii() for address in (sender[0], *recipients)):
        raise NotSendableError("an e-mail address must be of ASCII characters")
    host, _, port_text = smarthost.rpartition(":")
    if not port_text.isdecimal():
        msg = f"the port of the mail server must be a number: {smarthost!r}"
        raise NotSendableError(msg)
    port = int(port_text)
    implicit = config.force_implicit_tls if config.force_implicit_tls is not None else shared.smtp_force_implicit_tls
    own_tls = config.tls_config or shared.smtp_tls_config or TlsConfig()
    username = config.auth_username or shared.smtp_auth_username
    return Mail(
        host=host.strip("[]"),
        port=port,
        sender=sender[0].addr_spec,
        recipients=tuple(a.addr_spec for a in recipients),
        message=_message(payload, sender[0], recipients, sending.key),
        username=username,
        password=_password(config, sending) if username else "",
        require_tls=shared.smtp_require_tls if config.require_tls is None else config.require_tls,
        implicit_tls=port == IMPLICIT_TLS_PORT if implicit is None else implicit,
        hello=config.hello or shared.smtp_hello,
        tls=tls_of(own_tls, sending.files),
    )


def _password(config: EmailConfig, sending: Sending) -> str:
    shared = sending.defaults
    return (
        sending.secret(config.auth_password, config.auth_password_file)
        or sending.secret(config.auth_secret, config.auth_secret_file)
        or sending.secret(shared.smtp_auth_password, shared.smtp_auth_password_file)
        or sending.secret(shared.smtp_auth_secret, shared.smtp_auth_secret_file)
    )


def _addresses(text: str) -> list[Address]:
    """The addresses of a header.

    Raises:
        NotSendableError: one is not an address, or has a line break.
    """
    # A list may be written over several lines; a line that ends within an address is somebody's attempt.
    text = _BETWEEN.sub(", ", text.strip())
    if _BREAKS.search(text):
        raise NotSendableError(f"an e-mail address must not have line breaks: {text!r}")
    found: list[Address] = []
    for name, spec in getaddresses([text]):
        try:
            found.append(Address(display_name=name, addr_spec=spec))
        except (ValueError, IndexError) as err:
            msg = f"not an e-mail address: {spec!r}"
            raise NotSendableError(msg) from err
    return found


def _message(payload: Mapping[str, Any], sender: Address, recipients: list[Address], key: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipients
    # Line breaks in a rendered value would begin a header of their own.
    message["Subject"] = _header(payload["subject"])
    message["Date"] = format_datetime(to_datetime(payload["at"]))
    # The same with every try, so that mail programs show a repeated delivery once.
    message["Message-ID"] = f"<{key}@{sender.domain or 'hypercare'}>"
    message["X-Idempotency-Key"] = key
    # So that absence notes and other programs do not answer.
    message["Auto-Submitted"] = "auto-generated"
    if thread := payload.get("thread"):
        root = f"<{thread}@{sender.domain or 'hypercare'}>"
        message["In-Reply-To"] = message["References"] = root
        message["List-Id"] = f"hypercare <hypercare.{sender.domain or 'localhost'}>"
    for name, value in payload["headers"].items():
        if name in message:
            del message[name]
        message[name] = _header(value)
    text, html = _sound(payload["text"]), _sound(payload["html"])
    if text or not html:
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
            # The same with every try, where the library would draw a random one.
            message.set_boundary(f"=_{hashlib.sha256(key.encode()).hexdigest()[:40]}")
    else:
        message.set_content(html, subtype="html")
    return message.as_bytes()


def _header(text: str) -> str:
    return _BREAKS.sub(" ", _sound(text)).strip()


def _sound(text: str) -> str:
    """Text that can be encoded: what is no character becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
