"""Pages by the contact ways of an urgency: at once, after a delay, or when quiet hours are over."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from hypercare.kernel import Effect
from hypercare.model.events import IncidentTold, PageSent
from hypercare.model.time import format_duration, to_datetime
from hypercare.oncall import pages
from hypercare.oncall.tables import escalations, later_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from hypercare.channels.notification import Page
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.pages import Recipient, Subject, Way
    from hypercare.oncall.plan import Plan

_KIND: Final = "oncall.page"
WAITING: Final = "waiting"
SENT: Final = "sent"
WITHDRAWN: Final = "withdrawn"
SUBJECT: Final = "incident:"


@dataclasses.dataclass(frozen=True, slots=True)
class LaterPage:
    """A page that is not out yet; ``why`` says what it waits for."""

    incident_id: str
    person: str
    channel: str
    due_at: Ms
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """One step's page to everybody it reaches; ``round`` and ``step`` count from 0."""

    subject: Subject
    policy: str
    round: int
    step: int
    urgency: str


class Pager:
    """Sends pages, and keeps those whose time has not come."""

    def __init__(
        self, plan: Callable[[], Plan], ready: Callable[[], bool], render: Callable[[str, Page], Mapping[str, Any]]
    ) -> None:
        self._plan = plan
        self._ready = ready
        self._render = render

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_KIND, self._on_due)

    def resume(self, ctx: Context) -> None:
        """Set the timers of all pages that wait: after a start they may have come before there was a plan."""
        query = select(later_pages.c.key, later_pages.c.due_at).where(later_pages.c.state == WAITING)
        for row in ctx.db.execute(query).all():
            ctx.set_timer(f"{_KIND}:{row.key}", row.due_at, _KIND)

    def page(self, ctx: Context, order: Order, recipient: Recipient) -> None:
        """Page one recipient by all ways that the urgency asks for."""
        held = recipient.held_until(order.urgency, ctx.now)
        begin = ctx.now if held is None else held
        if held is not None:
            self._tell_held(ctx, order, recipient, held)
        for way in recipient.by(order.urgency):
            key = pages.key(order.subject.id, order.round, order.step, recipient.name, way.number)
            if begin + way.after <= ctx.now:
                self._send(ctx, order.subject, order.policy, order.step, recipient.name, way.channel, way.target, key)
                continue
            why = "quiet hours" if held is not None else f"{format_duration(way.after)} after the page"
            self._keep(ctx, order, recipient.name, way, key, begin + way.after, why)
            if way.after:
                wait = format_duration(way.after)
                text = f"page to {recipient.name} via {way.channel} follows in {wait} unless somebody acknowledges"
                if held is None:
                    data = (("person", recipient.name), ("channel", way.channel))
                    ctx.publish(IncidentTold(order.subject.id, "page_planned", text, data=data))

    def _tell_held(self, ctx: Context, order: Order, recipient: Recipient, until: Ms) -> None:
        text = (
            f"page to {recipient.name} is held until {to_datetime(until):%Y-%m-%d %H:%M} UTC: "
            f"{order.urgency} urgency in their quiet hours"
        )
        ctx.publish(IncidentTold(order.subject.id, "page_held", text, data=(("person", recipient.name),)))

    def _keep(self, ctx: Context, order: Order, person: str, way: Way, key: str, due_at: Ms, why: str) -> None:
        ctx.db.execute(delete(later_pages).where(later_pages.c.key == key))
        ctx.db.execute(
            insert(later_pages).values(
                key=key, incident_id=order.subject.id, person=person, channel=way.channel, target=way.target,
                step=order.step, policy=order.policy, due_at=due_at, state=WAITING, why=why,
            )
        )  # fmt: skip
        ctx.set_timer(f"{_KIND}:{key}", due_at, _KIND)

    def _send(
        self, ctx: Context, subject: Subject, policy: str, step: int, person: str, channel: str, target: str, key: str
    ) -> None:
        page = pages.page(subject, policy, person, step, ctx.now, self._plan().external_url)
        effect = Effect(
            key=key,
            channel=channel,
            target=target,
            subject=f"{SUBJECT}{subject.id}",
            payload=self._render(channel, page),
            cancel_key=pages.cancel_key(subject.id),
        )
        ctx.emit(effect)
        ctx.publish(PageSent(subject.id, person, channel, step))

    def _on_due(self, ctx: Context, key: str) -> None:
        if not self._ready():
            # ``resume`` sets the timer anew when the first configuration is taken.
            return
        row = ctx.db.execute(select(later_pages).where(later_pages.c.key == key.removeprefix(f"{_KIND}:"))).first()
        if row is None or row.state != WAITING:
            return
        where = escalations.c.incident_id == row.incident_id
        subject = pages.Subject.load(ctx.db.execute(select(escalations.c.incident).where(where)).scalar_one())
        _mark(ctx, row.key, SENT)
        self._send(ctx, subject, row.policy, row.step, row.person, row.channel, row.target, row.key)

    def withdraw(self, ctx: Context, incident_id: str, reason: str) -> None:
        """Nobody needs the pages of an incident any more: those in the outbox, and those that were to follow."""
        ctx.cancel(pages.cancel_key(incident_id), reason)
        waiting = later_pages.c.incident_id == incident_id, later_pages.c.state == WAITING
        rows = ctx.db.execute(select(later_pages).where(*waiting).order_by(later_pages.c.due_at, later_pages.c.key))
        for row in rows.all():
            _mark(ctx, row.key, WITHDRAWN)
            ctx.cancel_timer(f"{_KIND}:{row.key}")
            text = f"page to {row.person} via {row.channel} is not sent any more: {reason}"
            data = (("person", row.person), ("channel", row.channel))
            ctx.publish(IncidentTold(incident_id, "page_withdrawn", text, data=data))


def _mark(ctx: Context, key: str, state: str) -> None:
    values = {"state": state, "done_at": ctx.now}
    ctx.db.execute(update(later_pages).where(later_pages.c.key == key).values(values))


def withdrawn_steps(ctx: Context, incident_id: str, since: Ms) -> tuple[int, ...]:
    """The steps of the kept pages that were withdrawn since then."""
    c = later_pages.c
    where = c.incident_id == incident_id, c.state == WITHDRAWN, c.done_at >= since
    return tuple(sorted(set(ctx.db.execute(select(c.step).where(*where)).scalars())))


def load_later(db: Connection, incident_id: str = "") -> tuple[LaterPage, ...]:
    """The pages that wait, of one incident or of all, the next one first."""
    c = later_pages.c
    query = select(c.incident_id, c.person, c.channel, c.due_at, c.why).where(c.state == WAITING)
    if incident_id:
        query = query.where(c.incident_id == incident_id)
    rows = db.execute(query.order_by(c.due_at, c.key))
    return tuple(LaterPage(r.incident_id, r.person, r.channel, r.due_at, r.why) for r in rows)
