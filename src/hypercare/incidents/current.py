"""The settings that apply in a step, and timers that wait for the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.incidents.settings import IncidentSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.kernel import Context


class Current:
    """Call it with a step for the settings that apply in it.

    Attributes:
        committed: the settings of the last committed configuration.
        ready: whether there has been one.

    """

    def __init__(self) -> None:
        self.committed = IncidentSettings()
        self.ready = False
        self._applied: tuple[Context, IncidentSettings] | None = None

    def __call__(self, ctx: Context) -> IncidentSettings:
        """Those of the configuration that this very step takes, else the committed ones."""
        applied = self._applied
        return applied[1] if applied is not None and applied[0] is ctx else self.committed

    def take(self, ctx: Context, settings: IncidentSettings) -> None:
        """Work by these settings in this step and, with its commit, from then on."""
        # Only with the commit: a reload that another room refuses leaves everything as it was.
        self._applied = ctx, settings
        ctx.after_commit(lambda: self._replace(settings))

    def _replace(self, settings: IncidentSettings) -> None:
        self._applied = None
        self.committed = settings
        self.ready = True

    def patient(self, kind: str, handler: Callable[[Context, str], None]) -> Callable[[Context, str], None]:
        """The handler of a timer that may be overdue at a start, when nobody knows yet whom to tell.

        It comes up again at once, behind the configuration that waits in the inbox.
        """

        def run(ctx: Context, key: str) -> None:
            if self.ready:
                handler(ctx, key)
            else:
                ctx.set_timer(key, ctx.now, kind)

        return run
