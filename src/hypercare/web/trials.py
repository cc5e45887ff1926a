"""Waiting for what becomes of test notifications, without asking again and again."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import TYPE_CHECKING, Final

from hypercare.channels.service import TEST_SUBJECT
from hypercare.model.events import EffectCancelled, EffectDelayed, EffectDelivered, EffectFailed
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.channels.commands import SendTest, Sent
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms

_PATIENCE_SECONDS: Final = 15.0


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test message.

    Attributes:
        status: ``delivered``, ``failed`` (it will never arrive), ``delayed`` (it is tried again for a minute), or
            ``waiting`` (no answer yet).

    """

    channel: str
    target: str
    status: str
    error: str = ""


class Trials:
    """Sends tests and tells what became of them.

    Args:
        app: whose kernel sends them.

    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, str]] = {}
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        app.kernel.observe(self._on_event)

    async def send(self, command: SendTest) -> tuple[Outcome, ...]:
        """Send to all and wait until each has an outcome, but not for ever.

        Raises:
            CommandError: there is nobody of that name.

        """
        sent: tuple[Sent, ...] = await call(self._app, command)
        return tuple(await asyncio.gather(*(self._outcome(one) for one in sent)))

    async def _outcome(self, sent: Sent) -> Outcome:
        came = asyncio.Event()
        with self._lock:
            self._waiting[sent.key] = (asyncio.get_running_loop(), came)
            if sent.key in self._known:
                came.set()
        try:
            await asyncio.wait_for(came.wait(), _PATIENCE_SECONDS)
        except TimeoutError:
            return Outcome(sent.channel, sent.target, "waiting", "no answer yet")
        finally:
            with self._lock:
                self._waiting.pop(sent.key, None)
                status, error = self._known.pop(sent.key, ("waiting", ""))
        return Outcome(sent.channel, sent.target, status, error)

    def _on_event(self, _at: Ms, event: DomainEvent) -> None:
        """In the kernel's thread, after the commit."""
        match event:
            case EffectDelivered():
                told = ("delivered", "")
            case EffectDelayed() | EffectFailed():
                told = ("delayed" if isinstance(event, EffectDelayed) else "failed", event.error)
            case EffectCancelled():
                told = ("failed", event.reason)
            case _:
                return
        if not event.subject.startswith(TEST_SUBJECT):
            return
        with self._lock:
            # Outcomes that nobody asked for any more do not pile up.
            for old in list(self._known)[:-1000]:
                del self._known[old]
            self._known[event.effect_id] = told
            loop, came = self._waiting.get(event.effect_id, (None, None))
        if loop is not None and came is not None and not loop.is_closed():
            loop.call_soon_threadsafe(came.set)
