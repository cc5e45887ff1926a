"""E-mail through an SMTP server."""

from hypercare.channels.base import Channel, classify_mail
from hypercare.channels.email.config import EmailConfig, contact
from hypercare.channels.email.render import page, render
from hypercare.channels.email.send import request

CHANNEL = Channel("email", "email_configs", EmailConfig, render, page, request, classify_mail, contact, http=False)

__all__ = ["CHANNEL", "EmailConfig"]
