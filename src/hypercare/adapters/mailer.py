"""E-mail by SMTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.adapters.ioloop import Workers
from hypercare.ports import Mail, MailResult

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKERS = 4


class SmtpMailer:
    """Delivers through the SMTP server that each mail names.

    STARTTLS is used wherever it is offered, and demanded by ``require_tls``; a log-in takes CRAM-MD5, PLAIN or LOGIN,
    whichever the server offers. Implements ``ports.Mailer``.
    """

    def __init__(self) -> None:
        self._workers = Workers("mail", _WORKERS)

    def submit(self, mail: Mail, reply: Callable[[MailResult], None]) -> None:
        """Start a delivery; ``reply`` is called once."""
        self._workers.submit(lambda: _deliver(mail), reply, lambda why: MailResult(ok=False, code=0, message=why))

    def close(self) -> None:
        """Stop; whoever waits gets a reply."""
        self._workers.close()


def _deliver(mail: Mail) -> MailResult:
    from hypercare.adapters.smtp import deliver  # noqa: PLC0415 - for those who send mails

    return deliver(mail)
