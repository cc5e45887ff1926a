"""The auditor in the loop: looks, writes down, tells once, and says when it is over."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from hypercare.auditor.checks import calm_until, look
from hypercare.auditor.heartbeat import Heartbeats
from hypercare.auditor.store import load_findings
from hypercare.auditor.tables import audit_findings
from hypercare.channels.notification import Page
from hypercare.channels.page import render
from hypercare.kernel import Effect
from hypercare.model.events import AuditCleared, AuditFound, IncidentTold
from hypercare.model.time import MINUTE, SECOND, format_duration
from hypercare.oncall import pages
from hypercare.oncall.plan import EVERYONE, HIGH
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.auditor.checks import Finding
    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.pages import Recipient, Way
    from hypercare.oncall.plan import Plan
    from hypercare.ports import Ports
    from hypercare.rules import RulesService
    from hypercare.state import State

_KIND: Final = "auditor.look"
_INCIDENT: Final = "incident:"


class AuditorService:
    """Watches over what other rooms promised.

    Attributes:
        heartbeats: the signs of life that go out.

    """

    def __init__(self, plan: Callable[[], Plan], ports: Ports, rules: RulesService) -> None:
        """Create.

        Args:
            plan: of on-call, as it applies now.
            ports: of which heartbeats use HTTP and files.
            rules: whose evaluations a heartbeat waits for.

        """
        self._plan = plan
        self.heartbeats = Heartbeats(ports, rules)
        self._open = 0
        self._due: Ms = 0
        self._state: State | None = None
        # Until when there is nothing to be found, as long as so many changes of rows are all there were.
        self._calm: tuple[Ms, int] = (0, 0)

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._state = kernel.state
        kernel.on_timer(_KIND, self._on_due)
        self.heartbeats.register(kernel)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        self._calm = (0, 0)
        # The first look after a start comes late enough for what is overdue to be worked off.
        self._look_at(ctx, ctx.now + max(MINUTE, config.hypercare.oncall.auditor.every))
        self.heartbeats.configure(ctx, config)

    def readings(self) -> Iterator[Reading]:
        """Metrics; may be called from any thread."""
        yield Reading("hypercare_audit_findings", "gauge", "Findings of the auditor.", (((), float(self._open)),))
        yield from self.heartbeats.readings()

    def _look_at(self, ctx: Context, at: Ms) -> None:
        ctx.set_timer(_KIND, at, _KIND, durable=False)
        ctx.after_commit(lambda: setattr(self, "_due", at))

    def _on_due(self, ctx: Context, key: str) -> None:  # noqa: ARG002 - there is one key
        plan = self._plan()
        if ctx.now - self._due > plan.audit.late_after:
            # The look itself is late, so the machine slept or another led: what is overdue is being worked off.
            self._look_at(ctx, ctx.now + max(MINUTE, plan.audit.every))
            return
        self._look_at(ctx, ctx.now + plan.audit.every)
        if self._is_calm(ctx, plan):
            ctx.after_commit(lambda: setattr(self, "_open", 0))
            return
        findings = look(ctx.db, plan.audit, ctx.now) if plan.audit.enabled else ()
        known = {found.key: found for found in load_findings(ctx.db, limit=100_000)}
        for finding in findings:
            if finding.key not in known:
                self._found(ctx, plan, finding)
        holds = {finding.key for finding in findings}
        for found in known.values():
            if found.key not in holds:
                self._cleared(ctx, plan, found.key, found.check, found.subject, found.text, found.found_at)
        count = len(holds)
        ctx.after_commit(lambda: setattr(self, "_open", count))

    def _is_calm(self, ctx: Context, plan: Plan) -> bool:
        """Whether there is nothing to be found now; without a query where no row has changed since the last look."""
        state = self._state
        if state is None or state.shared:
            # Others write, too.
            return calm_until(ctx.db, plan.audit, ctx.now) >= ctx.now
        until, written = self._calm
        if written != state.written or ctx.now > until:
            until = calm_until(ctx.db, plan.audit, ctx.now)
            self._calm = until, state.written
        return ctx.now <= until

    def _found(self, ctx: Context, plan: Plan, finding: Finding) -> None:
        told = self._tell(ctx, plan, finding.key, finding.subject, finding.text, finding.avoid)
        values = {
            "check": finding.check, "subject": finding.subject, "text": finding.text, "found_at": ctx.now,
            "told": told, "cleared_at": None,
        }  # fmt: skip
        here = audit_findings.c.key == finding.key
        if not ctx.db.execute(update(audit_findings).where(here).values(values)).rowcount:
            ctx.db.execute(insert(audit_findings).values(key=finding.key, **values))
        ctx.publish(AuditFound(finding.key, finding.check, finding.subject, finding.text))
        self._write(ctx, finding.subject, "audit_found", f"auditor: {finding.text}; told {told or 'nobody'}")

    def _cleared(self, ctx: Context, plan: Plan, key: str, check: str, subject: str, text: str, found_at: Ms) -> None:
        row = ctx.db.execute(select(audit_findings).where(audit_findings.c.key == key)).one()
        ctx.db.execute(update(audit_findings).where(audit_findings.c.key == key).values(cleared_at=ctx.now))
        long = format_duration((ctx.now - found_at) // SECOND * SECOND)
        over = f"over after {long}: {text}"
        if row.told:
            self._tell(ctx, plan, f"{key}:over", subject, over, ())
        ctx.publish(AuditCleared(key, check, subject, text))
        self._write(ctx, subject, "audit_cleared", f"auditor: {over}")

    def _write(self, ctx: Context, subject: str, entry: str, text: str) -> None:
        if subject.startswith(_INCIDENT):
            ctx.publish(IncidentTold(subject.removeprefix(_INCIDENT), entry, text))

    def _tell(self, ctx: Context, plan: Plan, key: str, subject: str, text: str, avoid: tuple[str, ...]) -> str:
        """Notify by ways that are not the cause; who was told, and how."""
        said: list[str] = []
        for recipient in pages.recipients(plan, plan.audit.notify or (EVERYONE,), ctx.now):
            for way in _others(recipient, avoid):
                digest = hashlib.blake2b(f"{key}:{ctx.now}:{way.target}".encode(), digest_size=24).hexdigest()
                page = Page(
                    incident_id=f"audit-{digest[:16]}",
                    title=f"Auditor: {text}",
                    severity="P1",
                    service="hypercare",
                    summary=text,
                    at=ctx.now,
                    person=recipient.name,
                    policy="auditor",
                    ack_url=_link(plan, subject),
                )
                ctx.emit(Effect(f"audit:{digest}", way.channel, way.target, f"audit:{key}", render(way.channel, page)))
                said.append(f"{recipient.name} via {way.channel}")
        return ", ".join(said)


def _others(recipient: Recipient, avoid: tuple[str, ...]) -> tuple[Way, ...]:
    """Ways on other channels than those that failed; where there is none, other targets; else all."""
    ways = recipient.by(HIGH)
    elsewhere = tuple(way for way in recipient.ways if way.channel not in avoid and way.target not in avoid)
    chosen = tuple(way for way in elsewhere if way in ways) or elsewhere
    return chosen or tuple(way for way in ways if way.target not in avoid) or ways


def _link(plan: Plan, subject: str) -> str:
    if not plan.external_url:
        return ""
    incident = subject.removeprefix(_INCIDENT)
    return f"{plan.external_url}/{'escalations' if incident == subject else f'incidents/{incident}'}"
