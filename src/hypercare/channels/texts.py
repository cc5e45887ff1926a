"""Rendering the template texts of an integration for one notification."""

from __future__ import annotations

import json
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hypercare.gotemplate import HTML, TEXT, Data, TemplateError, TemplateSet, alertmanager_functions, build_data

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification

_log = logging.getLogger(__name__)


class Texts:
    """The templates of the configuration together with one notification's data."""

    def __init__(self, templates: TemplateSet, notification: Notification) -> None:
        self._templates = templates
        self._functions = alertmanager_functions(notification.now)
        self._notification = notification

    @cached_property
    def data(self) -> Data:
        """What templates see; made when it is first asked for, as not every channel has texts."""
        notification = self._notification
        return build_data(
            notification.receiver,
            notification.alerts,
            notification.now,
            group_labels=notification.group_labels.as_dict(),
            external_url=notification.external_url,
            route_labels=notification.route_labels.as_dict(),
            notification_reason=notification.reason,
        )

    def route_labels(self) -> dict[str, str]:
        """The labels of the route, rendered; a faulty one stays as it was written."""
        return {name: self._route_label(name, text) for name, text in self._notification.route_labels}

    def _route_label(self, name: str, text: str) -> str:
        if "{{" not in text:
            return text
        try:
            return self.text("{{ routeLabels " + json.dumps(name, ensure_ascii=False) + " }}")
        except TemplateError as error:
            _log.warning("the label %s of a route cannot be rendered: %s", name, error)
            return text

    def text(self, template: str) -> str:
        """Render as plain text.

        Raises:
            TemplateError: the template is faulty, or does not fit the data.
        """
        return self._templates.render(template, self.data, self._functions, mode=TEXT)

    def html(self, template: str) -> str:
        """Render as HTML, with values escaped for where they stand.

        Raises:
            TemplateError: the template is faulty, or does not fit the data.
        """
        return self._templates.render(template, self.data, self._functions, mode=HTML)

    def each(self, templates: dict[str, str]) -> dict[str, str]:
        """Render the values of a mapping.

        Raises:
            TemplateError: a template is faulty, or does not fit the data.
        """
        return {name: self.text(template) for name, template in templates.items()}

    def context(self) -> dict[str, Any]:
        """What a template needs that may only be rendered when sending, because the result is a secret."""
        data = self.data
        return {
            "receiver": data.receiver,
            "status": data.status,
            "group_labels": dict(data.group_labels),
            "common_labels": dict(data.common_labels),
            "common_annotations": dict(data.common_annotations),
            "external_url": data.external_url,
            "route_labels": self.route_labels(),
        }


def shorten(text: str, limit: int) -> str:
    """The text, cut to ``limit`` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
