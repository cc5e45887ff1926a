"""What a watch asks to be done: one action after the other until one helps; and whether it did."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from hypercare.deploys import rows, store
from hypercare.judge.findings import Level, Method
from hypercare.model.events import ActionEnded, ActionWanted, IncidentWanted
from hypercare.model.severity import Severity
from hypercare.model.time import MINUTE, SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.deploys.observation import Observation
    from hypercare.deploys.store import Request, Watch
    from hypercare.deploys.telling import Teller
    from hypercare.kernel import Context, Kernel

VERIFY: Final = "deploys.verify"
BY_VERDICT: Final = ""
ASKED, DONE, UNKNOWN, HELPED = "asked", "done", "unknown", "helped"
IN_VAIN, FAILED, REFUSED, UNCLEAR = "in vain", "failed", "refused", "unclear"
_ENDS: Final = {"done": DONE, "interrupted": UNKNOWN, "refused": REFUSED}
_LOOKED_AT: Final = frozenset({DONE, UNKNOWN})
_UNDER_WAY: Final = frozenset({ASKED, DONE, UNKNOWN, HELPED})
_PATIENCE: Final = 3
"""So many times the time to verify is waited for a sample that shows whether an action helped."""
_SETTLED: Final = 3
"""So many looks after a restart the watch sees what is so now."""
_IMMEDIATE: Final = frozenset({Method.LIMIT, Method.EXCURSION})
"""Drift and trends look back over hours: they cannot have passed a few minutes later, whatever was done."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._:/@+-]+")
"""What an action takes for no name; the names of checks are words for people: ``http errors`` is ``http-errors``."""


class Actor:
    """Asks for actions and follows them.

    Args:
        observed: the running watches by id.
        teller: tells people.
        rolled_back: called when it is known what became of a roll-back: how it helped, or an empty text.

    """

    def __init__(
        self,
        observed: dict[str, Observation],
        teller: Teller,
        rolled_back: Callable[[Context, Watch, str], None],
    ) -> None:
        self._observed = observed
        self._teller = teller
        self._rolled_back = rolled_back

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(ActionEnded, self._on_ended)
        kernel.on_timer(VERIFY, self._on_verify)

    def on_critical(self, ctx: Context, watch: Watch, check: str, actions: tuple[str, ...], reason: str) -> None:
        """A check is critical: ask for its first action; for the next one where the last had helped, but not for long.

        What another check has asked for already is not asked for again: whether it helped is looked at for both.
        """
        tried = [r for r in store.load_requests(ctx.db, watch.id) if r.check == check]
        if actions and not tried:
            if self.under_way(ctx, watch, actions[0]):
                rows.tell(ctx, watch.id, "action", f"{actions[0]} was asked for already: {reason}")
            else:
                self.want(ctx, watch, actions[0], check, reason, rows.MACHINE)
        elif tried and tried[-1].state == HELPED:
            self._in_vain(ctx, watch, tried[-1], f"{reason}; it came back after {tried[-1].action} had helped")

    def under_way(self, ctx: Context, watch: Watch, action: str) -> bool:
        """Whether an action was asked for already and has not failed."""
        asked = store.load_requests(ctx.db, watch.id)
        return any(request.action == action and request.state in _UNDER_WAY for request in asked)

    def awaited(self, ctx: Context, watch: Watch, action: str) -> bool:
        """Whether it is not known yet what became of an action that was asked for."""
        asked = store.load_requests(ctx.db, watch.id)
        return any(r.action == action and r.state in {ASKED, *_LOOKED_AT} for r in asked)

    def want(self, ctx: Context, watch: Watch, action: str, check: str, reason: str, by: str) -> None:
        """Ask for an action once; what was asked before stays as it is."""
        text = f"{watch.id}:{action}:{check}" + ("" if by == rows.MACHINE else f":{ctx.now}")
        request_id = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        if not rows.put_request(ctx, watch.id, request_id, action, check, reason):
            return
        observed = self._observed.get(watch.id)
        seen = observed.seen.get(check) if observed is not None and check else None
        context = (
            ("service", watch.service if seen is None else seen.row.service),
            ("version", watch.version),
            ("previous", watch.previous),
            ("color", watch.color),
            ("other_color", watch.other_color),
            ("check", _UNSAFE.sub("-", check).strip("-")),
            ("watch", str(watch.number)),
        )
        rows.tell(ctx, watch.id, "action", f"{action} is asked for: {reason}", by)
        ctx.publish(ActionWanted(request_id, action, reason, by, context))

    def _on_ended(self, ctx: Context, event: ActionEnded) -> None:
        found = self._request(ctx, event.request_id)
        if found is None:
            return
        watch, request = found
        state = _ENDS.get(event.state, FAILED)
        rows.change_request(ctx, request.id, state=state, text=event.text, ended_at=ctx.now)
        rows.tell(ctx, watch.id, "action", f"{event.action} {event.state}: {event.text}")
        if state in _LOOKED_AT:
            # An action whose end nobody knows is not begun again: what it did shows in the checks.
            ctx.set_timer(f"{VERIFY}:{request.id}", ctx.now + watch.plan.verify, VERIFY)
            return
        self._in_vain(ctx, watch, request, f"{event.action} {event.state}: {event.text}")
        self._settle(ctx, watch, request, "")

    def _on_verify(self, ctx: Context, key: str) -> None:
        found = self._request(ctx, key.removeprefix(f"{VERIFY}:"))
        if found is None:
            return
        watch, request = found
        if request.state not in _LOOKED_AT:
            return
        observed = self._observed.get(watch.id)
        if observed is None:
            # The watch is not taken up yet after a restart, or it has ended meanwhile.
            if watch.status == store.RUNNING:
                ctx.set_timer(key, ctx.now + watch.plan.evaluate_every, VERIFY)
            return
        ready = observed.taken_up + min(watch.plan.verify, max(_SETTLED * watch.plan.evaluate_every, MINUTE))
        if ctx.now < ready:
            # After a restart the findings are as they were before it, and so is the newest sample for a moment.
            ctx.set_timer(key, ready, VERIFY)
            return
        ended = request.ended_at or request.asked_at
        checks = self._concerned(observed, watch, request)
        if request.action == watch.plan.rollback:
            # The last that was seen of a colour that serves no more is no sign that it is still bad.
            checks = [check for check in checks if not observed.given_way(check, ended)]
        still = [check for check in checks if _critical(observed, check)]
        waited = format_duration((ctx.now - ended) // SECOND * SECOND)
        if still:
            text = f"{request.action} did not help: {', '.join(still)} still critical {waited} later"
            rows.change_request(ctx, request.id, state=IN_VAIN)
            rows.tell(ctx, watch.id, "action", text)
            self._in_vain(ctx, watch, request, text)
            self._others(ctx, observed, request, text)
            self._settle(ctx, watch, request, "")
            return
        blind = [check for check in checks if observed.seen_until(check) <= ended]
        if blind:
            self._cannot_tell(ctx, key, watch, request, blind)
            return
        rows.change_request(ctx, request.id, state=HELPED)
        text = f"{request.action} helped: nothing is critical {waited} later"
        rows.tell(ctx, watch.id, "action", text)
        self._settle(ctx, watch, request, text)

    def _concerned(self, observed: Observation, watch: Watch, request: Request) -> list[str]:
        """The checks that an action is to help: a roll-back all that were critical, others those that name them."""
        grave = {k.check for k in observed.book.kept if k.level is Level.CRITICAL}
        whole = not request.check or request.action == watch.plan.rollback
        return [
            name
            for name, seen in observed.seen.items()
            if name == request.check or (name in grave and (whole or request.action in seen.row.check.actions))
        ]

    def _cannot_tell(self, ctx: Context, key: str, watch: Watch, request: Request, blind: list[str]) -> None:
        """Nothing is seen since: waited for some times over, then somebody is asked to look."""
        ended = request.ended_at or request.asked_at
        missing = f"no usable sample of {', '.join(blind)} since it ended"
        if ctx.now - ended < _PATIENCE * watch.plan.verify:
            rows.tell(ctx, watch.id, "action", f"whether {request.action} helped cannot be told yet: {missing}")
            ctx.set_timer(key, ctx.now + watch.plan.verify, VERIFY)
            return
        text = f"whether {request.action} helped cannot be told: {missing}"
        rows.change_request(ctx, request.id, state=UNCLEAR)
        rows.tell(ctx, watch.id, "action", text)
        self.page(ctx, watch, f"{watch.title}: {text}", f"action:{request.id}")
        self._settle(ctx, watch, request, "")

    def _others(self, ctx: Context, observed: Observation, request: Request, why: str) -> None:
        """Checks that had waited for the same action without asking for it themselves: their next one."""
        watch = observed.watch
        asked = {r.check for r in store.load_requests(ctx.db, watch.id)}
        for name, seen in observed.seen.items():
            actions = seen.row.check.actions
            if name in asked or request.action not in actions or not _critical(observed, name):
                continue
            place = actions.index(request.action) + 1
            if place < len(actions) and not self.under_way(ctx, watch, actions[place]):
                self.want(ctx, watch, actions[place], name, why, rows.MACHINE)

    def _settle(self, ctx: Context, watch: Watch, request: Request, helped: str) -> None:
        """What became of a roll-back is told to the watch; ``helped``: how it did, empty where it did not."""
        if request.action == watch.plan.rollback:
            self._rolled_back(ctx, watch, f"{request.reason}; {helped}" if helped else "")

    def _in_vain(self, ctx: Context, watch: Watch, request: Request, why: str) -> None:
        """The next action of the check; where there is none, or a roll-back failed, somebody is paged."""
        actions: tuple[str, ...] = ()
        observed = self._observed.get(watch.id)
        if request.check and observed is not None and request.check in observed.seen:
            actions = observed.seen[request.check].row.check.actions
        place = actions.index(request.action) + 1 if request.action in actions else len(actions)
        if place < len(actions):
            self.want(ctx, watch, actions[place], request.check, why, rows.MACHINE)
        if request.action == watch.plan.rollback or place >= len(actions):
            self.page(ctx, watch, f"{watch.title}: {why}", f"action:{request.id}")

    def page(self, ctx: Context, watch: Watch, title: str, about: str) -> None:
        """Open an incident, whose escalation pages; and tell those on call for the deployment."""
        self._teller.tell(ctx, watch, about, title, f"deployment {watch.number}: {watch.title}", urgent=True)
        severity = watch.plan.incident
        if severity:
            labels = (("deployment", str(watch.number)), ("service", watch.service), ("version", watch.version))
            request_id = hashlib.blake2b(f"{watch.id}:{about}".encode(), digest_size=16).hexdigest()
            wanted = IncidentWanted(
                request_id, "", title, Severity(severity), watch.service, labels, "deployment watch"
            )
            ctx.publish(wanted)

    def _request(self, ctx: Context, request_id: str) -> tuple[Watch, Request] | None:
        watch_id, request = store.load_request(ctx.db, request_id)
        watch = store.load_watch(ctx.db, watch_id) if watch_id else None
        return None if watch is None or request is None else (watch, request)


def _critical(observed: Observation, check: str) -> bool:
    """Whether a check is critical now."""
    return any(
        k.level is Level.CRITICAL and (k.method in _IMMEDIATE or observed.far_out(check))
        for k in observed.book.open(check)
    )
