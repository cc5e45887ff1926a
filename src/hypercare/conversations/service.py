"""Messages follow what people do: a Slack message shows who took the incident, PagerDuty's is acknowledged, too."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from hypercare.channels import memory
from hypercare.channels.registry import CHANNELS
from hypercare.channels.service import lane_of
from hypercare.conversations.subjects import GROUP, INCIDENT, fingerprints_of, incidents_of, standing_of
from hypercare.incidents import store
from hypercare.kernel import Effect
from hypercare.model.events import IncidentAcknowledged, IncidentResolved, IncidentUnacknowledged

if TYPE_CHECKING:
    from hypercare.channels.memory import Message, Standing
    from hypercare.kernel import Context, Kernel


class ConversationsService:
    """Tells the channels what people have done elsewhere. It keeps nothing of its own: the messages are the channels'.

    What came from a channel is not told to that same message again (``memory.Message.told``), so that two systems do
    not answer each other for ever.
    """

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentAcknowledged, self._on_change)
        kernel.subscribe(IncidentUnacknowledged, self._on_change)
        kernel.subscribe(IncidentResolved, self._on_change)

    def _on_change(self, ctx: Context, event: IncidentAcknowledged | IncidentUnacknowledged | IncidentResolved) -> None:
        incident = store.load_incident(ctx.db, event.incident_id)
        if incident is None:
            return
        fingerprints = fingerprints_of(ctx.db, incident.id)
        for message in memory.load_open(ctx.db):
            if message.subject == f"{INCIDENT}{incident.id}":
                follow(ctx, message, standing_of((incident,)))
            elif message.subject.startswith(GROUP) and not fingerprints.isdisjoint(message.alerts):
                follow(ctx, message, standing_of(incidents_of(ctx.db, message.alerts)))


def follow(ctx: Context, message: Message, standing: Standing) -> None:
    """Have a message show how things stand, or its receiver do the same."""
    channel = CHANNELS.get(message.channel)
    if channel is None or channel.follow is None:
        return
    known = message.told == standing.status
    memory.put(ctx.db, dataclasses.replace(message, standing=standing, told=standing.status))
    if known and (standing == message.standing or not channel.shows_standing):
        return
    content = channel.follow(message.content, standing)
    if content is None:
        return
    payload: dict[str, Any] = {"content": content, "standing": dataclasses.asdict(standing)}
    if message.alerts:
        payload["alerts"] = list(message.alerts)
    parts = "\xff".join((message.id, standing.status, standing.text, str(ctx.now)))
    key = f"follow:{hashlib.blake2b(parts.encode('utf-8', 'replace'), digest_size=24).hexdigest()}"
    ctx.emit(Effect(key, message.channel, message.target, message.subject, payload, lane_of(message)))
