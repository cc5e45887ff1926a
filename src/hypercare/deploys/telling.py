"""Telling people of a watch: those on call in its phase, through their own ways."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hypercare.channels.message import Message
from hypercare.deploys.schedule import phase_at
from hypercare.kernel import Effect
from hypercare.oncall import pages
from hypercare.oncall.plan import EVERYONE, HIGH, LOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.deploys.store import Watch
    from hypercare.kernel import Context
    from hypercare.oncall.plan import Plan


class Teller:
    """Puts news of watches into the outbox.

    Args:
        plan: of on-call, as it applies now.
        render: a message as the named channel sends it.

    """

    def __init__(self, plan: Callable[[], Plan], render: Callable[[str, Message], Mapping[str, Any]]) -> None:
        self._plan = plan
        self._render = render

    def who(self, watch: Watch, now: int) -> tuple[str, ...]:
        """The names of those who are told now."""
        return tuple(r.name for r in pages.recipients(self._plan(), _targets(watch, now), now))

    def tell(self, ctx: Context, watch: Watch, about: str, title: str, text: str, *, urgent: bool = False) -> str:
        """Tell those on call; their names.

        Args:
            ctx: the step.
            watch: which.
            about: what this is about, so that nothing is told twice in one instant.
            title: one line.
            text: more lines.
            urgent: by the ways for what cannot wait.

        """
        plan = self._plan()
        message = Message(
            kind="deployment",
            title=title,
            text=text,
            url=f"{plan.external_url}/deployments/{watch.number}" if plan.external_url else "",
            at=ctx.now,
            incident_id=f"deploy-{watch.id}",
            number=watch.number,
            severity="P1" if urgent else "P3",
            service=watch.service,
            status=watch.verdict or watch.status,
        )
        told: list[str] = []
        for recipient in pages.recipients(plan, _targets(watch, ctx.now), ctx.now):
            for way in recipient.by(HIGH if urgent else LOW):
                text_key = f"{watch.id}:{about}:{ctx.now}:{way.target}"
                key = hashlib.blake2b(text_key.encode(), digest_size=24).hexdigest()
                payload = self._render(way.channel, message)
                ctx.emit(Effect(f"deploy:{key}", way.channel, way.target, f"deploy:{watch.id}", payload))
            told.append(recipient.name)
        return ", ".join(dict.fromkeys(told))


def _targets(watch: Watch, now: int) -> tuple[str, ...]:
    plan = watch.plan
    phase = phase_at(plan, now - watch.started_at)
    found = tuple(str(target) for target in (phase.notify or plan.notify))
    return found or (EVERYONE,)
