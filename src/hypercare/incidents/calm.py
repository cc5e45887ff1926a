"""Whether an incident calls for anybody now: concluded once a step, when all that happened at this instant is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.incidents import rows, store
from hypercare.model.events import AlertResolved, AlertsReceived, IncidentCalm, IncidentFires, SuppressionChanged
from hypercare.model.time import SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.incidents.settings import IncidentSettings
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

QUIET: Final = "incidents.quiet"
_SETTLE: Final = "incidents.settle"
ENDED: Final = "all alerts have ended"


class Calm:
    """Keeps the times since when the alerts of an incident are clear, and since when none calls for anybody.

    An alert calls for somebody while it fires and is neither silenced nor inhibited. Where none does, the incident is
    calm: nobody is paged; where one does again, it fires.
    """

    def __init__(
        self, settings: Callable[[Context], IncidentSettings], on_fires: Callable[[Context, Incident], None]
    ) -> None:
        """Create.

        Args:
            settings: those that apply in a step.
            on_fires: called after a calm incident fires again, and is told.

        """
        self._settings = settings
        self._on_fires = on_fires
        self._step: Context | None = None
        self._ended: dict[str, AlertResolved] = {}
        self._touched: dict[str, None] = {}

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(SuppressionChanged, self._on_suppression)
        kernel.subscribe(AlertResolved, self._on_alert_resolved)
        kernel.subscribe(AlertsReceived, self._on_received)

    def touch(self, ctx: Context, incident_id: str) -> None:
        """Have a look at an incident when the step ends: its alerts have changed."""
        self._enter(ctx)
        self._touched[incident_id] = None

    def _enter(self, ctx: Context) -> None:
        # What a failed step has left behind is void.
        if self._step is not ctx:
            self._step, self._ended, self._touched = ctx, {}, {}
        ctx.settle(_SETTLE, self._settle)

    def _on_suppression(self, ctx: Context, event: SuppressionChanged) -> None:
        for incident_id in rows.suppress(ctx, event):
            self.touch(ctx, incident_id)

    def _on_alert_resolved(self, ctx: Context, event: AlertResolved) -> None:
        self._enter(ctx)
        self._ended[event.alert.fingerprint] = event

    def _on_received(self, ctx: Context, event: AlertsReceived) -> None:
        # An end that was told before this does not hold for what fires (again) now.
        if self._step is ctx:
            for alert in event.alerts:
                if not alert.resolved_at(ctx.now):
                    self._ended.pop(alert.fingerprint, None)

    def _settle(self, ctx: Context) -> None:
        for incident_id, alerts in rows.end_alerts(ctx, [e.alert for e in self._ended.values()]).items():
            rows.tell_alerts(ctx, incident_id, alerts, "alert_resolved", "resolved")
            self._touched[incident_id] = None
        touched = tuple(self._touched)
        self._ended, self._touched = {}, {}
        for incident_id in touched:
            incident = store.load_incident(ctx.db, incident_id)
            # One that a person declared has no alerts that could end.
            if incident is not None and incident.status != store.RESOLVED and rows.has_alerts(ctx, incident_id):
                self._clear_or_not(ctx, incident)
                self._calm_or_not(ctx, incident)

    def _clear_or_not(self, ctx: Context, incident: Incident) -> None:
        """All alerts have ended: the quiet time begins; one fires again: it is over."""
        if incident.firing == 0 and incident.alerts_cleared_at is None:
            settings = self._settings(ctx)
            rows.change(ctx, incident.id, alerts_cleared_at=ctx.now)
            rows.tell(ctx, incident.id, "alerts_clear", _clear_text(settings))
            wait_quiet(ctx, settings, incident.id, ctx.now)
        elif incident.firing and incident.alerts_cleared_at is not None:
            rows.change(ctx, incident.id, alerts_cleared_at=None)
            ctx.cancel_timer(f"{QUIET}:{incident.id}")
            rows.tell(ctx, incident.id, "alerts_firing", "fires again: the incident goes on")

    def _calm_or_not(self, ctx: Context, incident: Incident) -> None:
        calls, suppressed = rows.calling(ctx, incident.id)
        if not calls and incident.calm_at is None:
            why = f"every alert that fires is {' or '.join(suppressed)}" if incident.firing else ENDED
            rows.change(ctx, incident.id, calm_at=ctx.now)
            if incident.firing:
                rows.tell(ctx, incident.id, "alerts_held", f"{why}: nobody is paged until one is heard again")
            ctx.publish(IncidentCalm(incident.id, why))
        elif calls and incident.calm_at is not None:
            rows.change(ctx, incident.id, calm_at=None)
            if incident.alerts_cleared_at is None:
                ago = format_duration((ctx.now - incident.calm_at) // SECOND * SECOND)
                rows.tell(ctx, incident.id, "alerts_firing", f"no longer silenced or inhibited after {ago}: goes on")
            if incident.status == store.OPEN:
                ctx.publish(IncidentFires(incident.id))
            self._on_fires(ctx, incident)


def wait_quiet(ctx: Context, settings: IncidentSettings, incident_id: str, cleared_at: Ms) -> None:
    """Have a timer at the end of the quiet time, unless a person confirms the end."""
    key = f"{QUIET}:{incident_id}"
    if settings.confirm:
        ctx.cancel_timer(key)
    else:
        ctx.set_timer(key, cleared_at + settings.quiet_time, QUIET)


def _clear_text(settings: IncidentSettings) -> str:
    if settings.confirm:
        return "all alerts clear; waits for somebody to confirm the resolution"
    return f"all alerts clear; resolves after {format_duration(settings.quiet_time)} of quiet"
