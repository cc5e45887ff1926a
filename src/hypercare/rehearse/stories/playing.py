"""Actions of the configuration in a scenario's world: what they start ends as the scenario says, and changes the world.

There is one end of a run, that of the production code: the world only answers programs and requests. What an action
does to the world happens when its run is done; so approvals, guards, dry runs and retries are those of the product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.actions.store import DONE, Run, by_request
from hypercare.model.events import ActionEnded
from hypercare.ports import HttpResponse, PortError
from hypercare.sim.processes import Behaviour, VirtualProcesses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.app import App
    from hypercare.config.actions import Action as Configured
    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms
    from hypercare.ports import Http, HttpReply, HttpRequest
    from hypercare.sim.scenario import Action
    from hypercare.sim.world import World

_KEY: Final = "idempotency-key"


def behaviour(plan: Action, action: Configured) -> Behaviour:
    """How each program of an action ends; together they take as long as the scenario says."""
    accepted = {code for step in action.all_steps() if step.command for code in step.command.exit_codes} | {0}
    failing = next(code for code in range(1, 256) if code not in accepted or code == 255)
    return Behaviour(takes=_each(plan, action), exit_code=failing if plan.fails else 0)


def _each(plan: Action, action: Configured) -> Ms:
    """How long one of an action's programs and requests takes (a roll-out is waited for by a program of its own)."""
    steps = action.all_steps()
    calls = len(steps) + sum(step.kubectl is not None and step.kubectl.wait > 0 for step in steps)
    return plan.takes // calls


class StoryHttp:
    """Answers requests of actions that the scenario lists; all others go to the world.

    Attributes:
        run_of: the run that a request id belongs to; set once there is an App.

    """

    def __init__(
        self, inner: Http, world: World, plans: Mapping[str, Action], configured: Mapping[str, Configured]
    ) -> None:
        self._inner, self._world, self._plans, self._configured = inner, world, plans, configured
        self.run_of: Callable[[str], Run | None] = lambda _: None

    def submit(self, request: HttpRequest, reply: HttpReply) -> None:
        """Start an exchange in virtual time."""
        key = next((value for name, value in request.headers if name.lower() == _KEY), "")
        name, _, rest = key.partition("-")
        # The key is action-REQUEST-REPEATS-STEP.
        run = self.run_of(rest.rsplit("-", 2)[0]) if name == "action" and rest.count("-") > 1 else None
        plan = None if run is None else self._plans.get(run.action)
        if run is None or plan is None:
            self._inner.submit(request, reply)
            return
        now, takes = self._world.clock.now(), _each(plan, self._configured[run.action])
        if takes > request.timeout:
            late = PortError("timeout", "timed out", request.timeout / 1000, now)
            self._world.after(request.timeout, lambda: reply(late))
            return
        step = self._configured[run.action].all_steps()[int(key.rpartition("-")[2])]
        status = step.http.expected_status[0] if step.http is not None else 200
        answer = HttpResponse(_status(status, fails=plan.fails), {}, b"", takes / 1000, now)
        self._world.after(takes, lambda: reply(answer))


def _status(expected: int, *, fails: bool) -> int:
    if fails:
        return 500 if expected not in {5, 500} else 400
    return expected * 100 if expected < 10 else expected


class Play:
    """Does to the world what actions of a scenario do.

    Args:
        change: gets an action, its plan, the service it is for, how it ended, and whether it worked.

    """

    def __init__(
        self, app: App, plans: Mapping[str, Action], change: Callable[[str, Action, str, str, bool], None]
    ) -> None:
        self._app, self._plans, self._change = app, plans, change
        app.kernel.observe(self._on_event)

    def run_of(self, request_id: str) -> Run | None:
        """The run of a request, if there is one."""
        with self._app.state.read() as db:
            return by_request(db, request_id)

    def _on_event(self, _at: Ms, event: DomainEvent) -> None:
        if not isinstance(event, ActionEnded) or event.action not in self._plans:
            return
        run = self.run_of(event.request_id)
        if run is not None and run.started_at is not None and not run.dry_run:
            self._change(event.action, self._plans[event.action], run.service, event.text, event.state == DONE)


def script(processes: object, plans: Mapping[str, Action], configured: Mapping[str, Configured]) -> None:
    """Have the programs of the scenario's actions end as it says."""
    assert isinstance(processes, VirtualProcesses)  # noqa: S101 - those of the virtual world
    for name, plan in plans.items():
        processes.script(name, behaviour(plan, configured[name]))
