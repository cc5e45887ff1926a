"""Telling those who wait: an incident opened, how it stands, it is over; and reminding those who owe something."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Final

from hypercare.channels.message import Message
from hypercare.incidents import rows, store
from hypercare.incidents.facts import facts_of
from hypercare.incidents.templates import BrokenTextError, render_notice
from hypercare.kernel import Effect
from hypercare.model.events import IncidentOpened, IncidentResolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hypercare.incidents.settings import IncidentSettings, Recipient
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.severity import Severity

_log = logging.getLogger(__name__)
OPENED: Final = "opened"
UPDATED: Final = "updated"
RESOLVED: Final = "resolved"
# Ways that wake people: nobody is reminded by them of what can wait till the morning, unless there is no other.
_CALLS: Final = frozenset({"pagerduty", "opsgenie"})


class Notices:
    """Puts news into the outbox.

    Args:
        settings: those that apply in a step.
        render: a message as the named channel sends it.

    """

    def __init__(
        self,
        settings: Callable[[Context], IncidentSettings],
        render: Callable[[str, Message], Mapping[str, Any]] | None,
    ) -> None:
        self._settings = settings
        self._render = render

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentResolved, self._on_resolved)

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        self.announce(ctx, event.incident_id, OPENED)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        self.announce(ctx, event.incident_id, RESOLVED)

    def told(self, ctx: Context, severity: Severity, use: str) -> tuple[Recipient, ...]:
        """Who is told of incidents of a severity."""
        found = [
            recipient
            for rule in self._settings(ctx).notices
            if use in rule.on and (not rule.severities or severity in rule.severities)
            for recipient in rule.to
        ]
        return tuple(dict.fromkeys(found))

    def announce(self, ctx: Context, incident_id: str, use: str, text: str = "") -> tuple[str, ...]:
        """Tell all who are told of this; their names.

        Args:
            ctx: the step.
            incident_id: the incident.
            use: opened, updated or resolved.
            text: what somebody says to it.

        """
        incident = store.load_incident(ctx.db, incident_id)
        if incident is None or incident.merged_into:
            return ()
        recipients = self.told(ctx, incident.severity, use)
        if not recipients:
            return ()
        settings = self._settings(ctx)
        facts = facts_of(ctx.db, incident, settings, ctx.now, text)
        try:
            title, body = render_notice(use, settings.texts.get(use, ""), facts)
        except BrokenTextError as error:
            _log.warning("the template of %s incidents is faulty, the built-in text is sent: %s", use, error)
            rows.tell(ctx, incident_id, "template_failed", f"the template for {use} is faulty: {error}")
            title, body = render_notice(use, "", facts)
        message = self._message(settings, incident, f"incident.{use}", title, body, ctx.now)
        self._emit(ctx, recipients, message, use)
        names = tuple(recipient.name for recipient in recipients)
        rows.tell(ctx, incident_id, "notice", f"{', '.join(names)} told: {title}", use=use)
        return names

    def remind(self, ctx: Context, incident: Incident, names: tuple[str, ...], title: str, text: str) -> str:
        """Remind the first of some people who can be reached; who it is, or empty."""
        settings = self._settings(ctx)
        found = next((p for name in names if name and (p := settings.person(name)) is not None), None)
        if found is None or self._render is None:
            return ""
        message = self._message(settings, incident, "reminder", title, text, ctx.now)
        self._emit(ctx, (found,), message, f"reminder:{title}")
        return found.name

    @staticmethod
    def _message(settings: IncidentSettings, incident: Incident, kind: str, title: str, text: str, at: int) -> Message:
        url = f"{settings.external_url}/incidents/{incident.number}" if settings.external_url else ""
        return Message(
            kind=kind,
            title=title,
            text=text,
            url=url,
            at=at,
            incident_id=incident.id,
            number=incident.number,
            severity=str(incident.severity),
            service=incident.service,
            status=incident.status,
        )

    def _emit(self, ctx: Context, recipients: tuple[Recipient, ...], message: Message, use: str) -> None:
        if self._render is None:
            return
        for recipient in recipients:
            quiet = tuple(way for way in recipient.ways if way[0] not in _CALLS)
            # A person is told once, by the first way; a receiver by all of its ways.
            ways = (quiet or recipient.ways)[: 1 if _is_person(recipient) else None]
            for channel, target in ways:
                whole = f"{message.incident_id}:{use}:{ctx.now}:{target}"
                digest = hashlib.blake2b(whole.encode(), digest_size=24).hexdigest()
                effect = Effect(
                    key=f"notice:{digest}",
                    channel=channel,
                    target=target,
                    # News are not an earlier message that has changed.
                    subject=f"notice:{message.incident_id}:{digest[:16]}",
                    payload=self._render(channel, message),
                    lane=f"notice:{target}",
                )
                ctx.emit(effect)


def _is_person(recipient: Recipient) -> bool:
    return all(target.startswith("person/") for _, target in recipient.ways)
