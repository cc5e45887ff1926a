"""Who is told of a run: asked to approve it, or told that it failed or was cut short."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypercare.channels.notification import Page
from hypercare.channels.page import render
from hypercare.kernel import Effect
from hypercare.model.events import IncidentTold
from hypercare.oncall import pages
from hypercare.oncall.plan import EVERYONE, HIGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypercare.actions.store import Run
    from hypercare.kernel import Context
    from hypercare.oncall.plan import Plan


def tell(
    ctx: Context, plan: Plan, run: Run, whom: Iterable[str], occasion: str, title: str, summary: str,
    choices: Callable[[str], tuple[tuple[str, str], ...]] = lambda _: (),
) -> None:  # fmt: skip
    """Page people about a run.

    Args:
        ctx: the step.
        plan: of on-call.
        run: which.
        whom: targets; none: everyone.
        occasion: tells one time from another.
        title: one line.
        summary: more.
        choices: what a person, by name, may press, and the link behind it.

    """
    for recipient in pages.recipients(plan, tuple(whom) or (EVERYONE,), ctx.now):
        pressed = choices(recipient.name)
        for way in recipient.by(HIGH):
            whole = f"{run.number}:{occasion}:{run.attempt}:{run.repeats}:{way.target}"
            digest = hashlib.blake2b(f"{run.request_id}:{whole}".encode(), digest_size=24).hexdigest()
            page = Page(
                incident_id=f"action-{digest[:16]}",
                title=title,
                severity="P1",
                service=run.service or "hypercare",
                summary=summary,
                at=ctx.now,
                person=recipient.name,
                policy="actions",
                ack_url="" if pressed or not plan.external_url else f"{plan.external_url}/actions#run-{run.number}",
                choices=pressed,
            )
            content = render(way.channel, page)
            ctx.emit(
                Effect(
                    f"action:{digest}", way.channel, way.target, f"action:{run.number}", content,
                    cancel_key=approval_key(run.number) if occasion == "approve" else "",
                )
            )  # fmt: skip


def approval_key(number: int) -> str:
    """Names the pages that ask for an approval, which nobody needs once it is decided."""
    return f"action-approval:{number}"


def write(ctx: Context, run: Run, text: str) -> None:
    """Into the timeline of the incident, if the run belongs to one."""
    if run.incident_id:
        data = (("run", str(run.number)), ("action", run.action))
        ctx.publish(IncidentTold(run.incident_id, "action", text, data=data))
