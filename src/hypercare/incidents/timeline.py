"""The part of the timeline that other rooms' events write: pages, their fate, escalation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.incidents import rows, store
from hypercare.model.events import (
    EffectCancelled,
    EffectDelivered,
    EffectFailed,
    EscalationExhausted,
    IncidentTold,
    PageSent,
)

if TYPE_CHECKING:
    from hypercare.kernel import Context, Kernel

_SUBJECT = "incident:"


class Chronicle:
    """Writes down what happens to an incident elsewhere. Events of incidents that are not ours are left alone."""

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(PageSent, self._on_page)
        kernel.subscribe(EffectDelivered, self._on_delivered)
        kernel.subscribe(EffectFailed, self._on_failed)
        kernel.subscribe(EffectCancelled, self._on_cancelled)
        kernel.subscribe(EscalationExhausted, self._on_exhausted)
        kernel.subscribe(IncidentTold, self._on_told)

    def _on_page(self, ctx: Context, event: PageSent) -> None:
        if store.load_incident(ctx.db, event.incident_id) is None:
            return
        last = rows.last_step(ctx, event.incident_id)
        if last is not None and event.step != last:
            text = f"escalated to step {event.step + 1}" if event.step > last else "escalation begins again"
            rows.tell(ctx, event.incident_id, "escalated", f"nobody acknowledged: {text}", step=event.step)
        text = f"page sent to {event.person} via {event.channel}"
        whom = {"person": event.person, "channel": event.channel}
        rows.tell(ctx, event.incident_id, "page_sent", text, step=event.step, **whom)

    def _on_told(self, ctx: Context, event: IncidentTold) -> None:
        if store.load_incident(ctx.db, event.incident_id) is not None:
            rows.tell(ctx, event.incident_id, event.entry, event.text, event.by, **dict(event.data))

    def _on_delivered(self, ctx: Context, event: EffectDelivered) -> None:
        tries = "" if event.attempts == 1 else f" after {event.attempts} tries"
        self._fate(ctx, event, "page_delivered", f"delivered{tries}", "")

    def _on_failed(self, ctx: Context, event: EffectFailed) -> None:
        self._fate(ctx, event, "page_failed", f"failed: {event.error}", event.error)

    def _on_cancelled(self, ctx: Context, event: EffectCancelled) -> None:
        self._fate(ctx, event, "page_cancelled", f"withdrawn before it arrived: {event.reason}", "")

    def _fate(
        self, ctx: Context, event: EffectDelivered | EffectFailed | EffectCancelled, kind: str, what: str, error: str
    ) -> None:
        # A message that follows what people did, or a reply in its thread, is no page.
        if not event.subject.startswith(_SUBJECT) or event.effect_id.startswith(("follow:", "reply:")):
            return
        incident_id = event.subject.removeprefix(_SUBJECT)
        if store.load_incident(ctx.db, incident_id) is None:
            return
        person = _recipient(event.target)
        data = {"person": person, "channel": event.channel, "effect": event.effect_id}
        if error:
            data["error"] = error
        rows.tell(ctx, incident_id, kind, f"page to {person} via {event.channel} {what}", **data)

    def _on_exhausted(self, ctx: Context, event: EscalationExhausted) -> None:
        if store.load_incident(ctx.db, event.incident_id) is not None:
            rows.tell(
                ctx, event.incident_id, "exhausted", "all steps of the escalation have passed; nobody acknowledged"
            )


def _recipient(target: str) -> str:
    """``alice`` of ``person/alice/0``; other targets as they are."""
    parts = target.split("/")
    return "/".join(parts[1:-1]) if len(parts) >= 3 and parts[0] == "person" else target
