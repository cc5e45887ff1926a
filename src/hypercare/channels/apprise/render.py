"""A title and a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import headline, plain

if TYPE_CHECKING:
    from hypercare.channels.apprise.config import AppriseConfig
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts


def render(config: AppriseConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """What Apprise is given; the kind gives the message its colour or sign.

    Raises:
        TemplateError: a template is faulty.
    """
    kind = "failure" if notification.status == FIRING else "success"
    return {"title": texts.text(config.title), "body": texts.text(config.message).strip(), "kind": kind}


def page(page: Page) -> dict[str, Any]:
    """The page as text, with the link that acknowledges."""
    return {"title": headline(page), "body": plain(page), "kind": "failure"}
