"""What a watch asks to be done: one action after the other until one helps; and whether it did."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from hypercare.deploys import rows, store
from hypercare.judge.findings import Level
from hypercare.model.events import ActionEnded, ActionWanted, IncidentWanted
from hypercare.model.severity import Severity
from hypercare.model.time import MINUTE, SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.deploys.observation import Observation
    from hypercare.deploys.store import Request, Watch
    from hypercare.deploys.telling import Teller
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

VERIFY: Final = "deploys.verify"
BY_VERDICT: Final = ""
ASKED, DONE, UNKNOWN, HELPED = "asked", "done", "unknown", "helped"
IN_VAIN, FAILED, REFUSED, UNCLEAR = "in vain", "failed", "refused", "unclear"
_ENDS: Final = {"done": DONE, "interrupted": UNKNOWN, "refused": REFUSED}
_LOOKED_AT: Final = frozenset({DONE, UNKNOWN})
_FOLLOWED: Final = frozenset({DONE, UNKNOWN, HELPED})
_UNDER_WAY: Final = frozenset({ASKED, DONE, UNKNOWN})
_PATIENCE: Final = 3
"""So many times the time to verify is waited for a sample that shows whether an action helped."""
_LEAST_PATIENCE: Final = 10 * MINUTE
"""Whatever the time to verify is: twice as far as a selector looks back, so that no scrape interval is too long."""
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
        elif tried:
            # In the order of the check: several may have been asked for within one instant.
            last = max(tried, key=lambda r: actions.index(r.action) if r.action in actions else -1)
            line = f"{last.action} had helped, but {check} is critical again"
            # Several methods may see that it is back, each in its own time: the first one is heard.
            if last.state == HELPED and not rows.has_told(ctx, watch.id, line, last.ended_at or last.asked_at):
                rows.tell(ctx, watch.id, "action", line)
                ctx.cancel_timer(f"{VERIFY}:{last.id}")
                if watch.id in self._observed:
                    self._observed[watch.id].followed.discard(last.id)
                self._in_vain(ctx, watch, last, f"{reason}; it came back after {last.action} had helped")

    def under_way(self, ctx: Context, watch: Watch, action: str) -> bool:
        """Whether an action was asked for and it is not known yet what became of it."""
        asked = store.load_requests(ctx.db, watch.id)
        return any(request.action == action and request.state in _UNDER_WAY for request in asked)

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
            if watch.id in self._observed:
                self._observed[watch.id].followed.add(request.id)
            return
        why = f"{event.action} {event.state}: {event.text}"
        self._in_vain(ctx, watch, request, why)
        self._others(ctx, watch, request, why)
        self._settle(ctx, watch, request, "")

    def _on_verify(self, ctx: Context, key: str) -> None:
        found = self._request(ctx, key.removeprefix(f"{VERIFY}:"))
        if found is None:
            return
        watch, request = found
        if request.state not in _FOLLOWED or watch.status != store.RUNNING:
            return
        observed = self._observed.get(watch.id)
        if observed is None:
            # The watch is not taken up yet after a restart.
            ctx.set_timer(key, ctx.now + watch.plan.evaluate_every, VERIFY)
            return
        observed.followed.add(request.id)
        ended = request.ended_at or request.asked_at
        # After a restart findings are as they were before it: what is seen since counts.
        since = max(ended, observed.taken_up)
        checks = self._concerned(observed, watch, request)
        if request.action == watch.plan.rollback:
            # The last that was seen of a colour that serves no more is no sign that it is still bad.
            checks = [check for check in checks if not observed.given_way(check, since)]
        blind = [check for check in checks if observed.seen[check].evidence <= since]
        still = [check for check in checks if check not in blind and _critical(observed, check, since)]
        if request.state == HELPED:
            self._look_again(ctx, key, watch, request, still)
        elif still:
            self._did_not_help(ctx, watch, request, still)
        elif blind:
            self._cannot_tell(ctx, key, watch, request, blind)
        else:
            self._helped(ctx, key, watch, request)

    def _did_not_help(self, ctx: Context, watch: Watch, request: Request, still: list[str]) -> None:
        text = f"{request.action} did not help: {', '.join(still)} still critical {_waited(ctx, request)} later"
        self._observed[watch.id].followed.discard(request.id)
        rows.change_request(ctx, request.id, state=IN_VAIN)
        rows.tell(ctx, watch.id, "action", text)
        self._in_vain(ctx, watch, request, text)
        self._others(ctx, watch, request, text)
        self._settle(ctx, watch, request, "")

    def _helped(self, ctx: Context, key: str, watch: Watch, request: Request) -> None:
        rows.change_request(ctx, request.id, state=HELPED)
        text = f"{request.action} helped: nothing is critical {_waited(ctx, request)} later"
        rows.tell(ctx, watch.id, "action", text)
        ctx.set_timer(key, ctx.now + watch.plan.verify, VERIFY)
        self._settle(ctx, watch, request, text)

    def _look_again(self, ctx: Context, key: str, watch: Watch, request: Request, still: list[str]) -> None:
        """As long as a finding lasts that the newest value had left: it is not found anew when it comes back."""
        observed = self._observed[watch.id]
        concerned = self._concerned(observed, watch, request)
        if still:
            text = f"{request.action} helped, but not for long: {', '.join(still)} critical again"
            observed.followed.discard(request.id)
            rows.change_request(ctx, request.id, state=IN_VAIN)
            rows.tell(ctx, watch.id, "action", text)
            self._in_vain(ctx, watch, request, text)
            self._others(ctx, watch, request, text)
        elif any(k.level is Level.CRITICAL for check in concerned for k in observed.book.open(check)):
            ctx.set_timer(key, ctx.now + watch.plan.verify, VERIFY)
        else:
            observed.followed.discard(request.id)

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
        """Nothing is seen since: waited for at every look for some time, then somebody is asked to look."""
        observed = self._observed[watch.id]
        ended = request.ended_at or request.asked_at
        after = "the restart" if observed.taken_up > ended else "it ended"
        missing = f"no usable sample of {', '.join(blind)} since {after}"
        patience = max(_PATIENCE * watch.plan.verify, _LEAST_PATIENCE, *(observed.seen[c].reach for c in blind))
        if ctx.now - max(ended, observed.taken_up) < patience:
            line = f"whether {request.action} helped cannot be told yet"
            if not rows.has_told(ctx, watch.id, line, ended):
                rows.tell(ctx, watch.id, "action", f"{line}: {missing}")
            ctx.set_timer(key, ctx.now + watch.plan.evaluate_every, VERIFY)
            return
        text = f"whether {request.action} helped cannot be told: {missing}"
        observed.followed.discard(request.id)
        rows.change_request(ctx, request.id, state=UNCLEAR)
        rows.tell(ctx, watch.id, "action", text)
        self.page(ctx, watch, f"{watch.title}: {text}", f"action:{request.id}")
        self._settle(ctx, watch, request, "")

    def _others(self, ctx: Context, watch: Watch, request: Request, why: str) -> None:
        """Checks that had waited for the same action without asking for it themselves: their next one."""
        observed = self._observed.get(watch.id)
        if observed is None:
            return
        asked = {r.check for r in store.load_requests(ctx.db, watch.id)}
        since = request.ended_at or request.asked_at
        for name, seen in observed.seen.items():
            actions = seen.row.check.actions
            if name in asked or request.action not in actions or not _critical(observed, name, since):
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


def _critical(observed: Observation, check: str, since: Ms) -> bool:
    """Whether a check is critical by what was seen since an instant."""
    return any(k.level is Level.CRITICAL and observed.shows(k, since) for k in observed.book.open(check))


def _waited(ctx: Context, request: Request) -> str:
    return format_duration((ctx.now - (request.ended_at or request.asked_at)) // SECOND * SECOND)
