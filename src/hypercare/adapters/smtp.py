"""One mail given to its SMTP server."""

from __future__ import annotations

import smtplib

from hypercare.adapters.tls import tls_context
from hypercare.ports import Mail, MailResult


def deliver(mail: Mail) -> MailResult:
    """Give a mail to its server and wait for the answer."""
    try:
        with _connect(mail) as server:
            return _converse(server, mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return MailResult(ok=False, code=code, message=f"all recipients were refused: {_text(text)}")
    except smtplib.SMTPResponseException as error:
        return MailResult(ok=False, code=error.smtp_code, message=_text(error.smtp_error))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return MailResult(ok=False, code=0, message=f"{mail.host}:{mail.port}: {error}")


def _connect(mail: Mail) -> smtplib.SMTP:
    seconds = mail.timeout / 1000
    if mail.implicit_tls:
        return smtplib.SMTP_SSL(mail.host, mail.port, mail.hello, timeout=seconds, context=tls_context(mail.tls))
    return smtplib.SMTP(mail.host, mail.port, mail.hello, timeout=seconds)


def _converse(server: smtplib.SMTP, mail: Mail) -> MailResult:
    server.ehlo()
    if not mail.implicit_tls:
        if server.has_extn("starttls"):
            server.starttls(context=tls_context(mail.tls))
            server.ehlo()
        elif mail.require_tls:
            return MailResult(ok=False, code=0, message="the server offers no STARTTLS, and require_tls is set")
    if mail.username:
        if not server.has_extn("auth"):
            return MailResult(ok=False, code=0, message="the server offers no AUTH, and a user name is set")
        server.login(mail.username, mail.password)
    refused = server.sendmail(mail.sender, list(mail.recipients), mail.message)
    text = "; ".join(f"{who} was refused: {code} {_text(why)}" for who, (code, why) in sorted(refused.items()))
    return MailResult(ok=True, code=250, message=text or "accepted")


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
