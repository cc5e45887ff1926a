"""Escalation policies: what is done, when, and on which condition."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import MINUTE, Ms, format_duration
from hypercare.oncall.hours import Hours

if TYPE_CHECKING:
    from hypercare.model.matchers import Matcher

SKIP: Final = "skip"
STOP: Final = "stop"
WAIT: Final = "wait"
PROCEDURE: Final = "procedure"
INCIDENT: Final = "incident"
STATUS: Final = "status_page"


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """When a step is done; either ``hours`` or the number of alerts is asked for.

    Attributes:
        outside: while ``hours`` are closed, instead of open.
        more_than: so many alerts began to fire in the incident ``within`` the last ms.
        otherwise: ``skip``, ``stop`` or ``wait``.

    """

    hours: Hours | None = None
    outside: bool = False
    more_than: int = 0
    within: Ms = 0
    otherwise: str = SKIP

    def __str__(self) -> str:
        if self.hours is not None:
            return f"{'outside of' if self.outside else 'within'} {self.hours.name}"
        return f"more than {self.more_than} alerts in {format_duration(self.within)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """What a step does beside telling people.

    Attributes:
        kind: ``procedure``, ``incident`` or ``status_page``.
        name: of the procedure; the title of the incident; the text of the post.
        state: severity of the incident (empty: the same), or state of the post.

    """

    kind: str
    name: str = ""
    state: str = ""
    components: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = {PROCEDURE: "run", INCIDENT: "open an incident", STATUS: "write on the status page"}[self.kind]
        return f"{what} {self.name}".strip()


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Whom to page, or what to do, how long after the incident's opening.

    Attributes:
        after: ms since the opening (in later rounds: since the round's beginning), not since the step before.
        notify: names of people, ``schedule:<name>``, ``role:<name>``, ``receiver:<name>``, or ``everyone``.
        urgency: of its pages; empty: that of the policy.
        number: of the step as it was written, from 1; 0: its place. Steps that repeat have the number of the first.
        turn: how often it was repeated before.

    """

    after: Ms
    notify: tuple[str, ...] = ()
    action: Action | None = None
    condition: Condition | None = None
    urgency: str = ""
    number: int = 0
    turn: int = 0

    @property
    def what(self) -> str:
        """What it does, for people."""
        return str(self.action) if self.action else f"page {', '.join(self.notify)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """An escalation policy.

    Attributes:
        steps: at least one, ``after`` ascending.
        repeat: how many more rounds follow the first.
        last_wait: ms after the last step before the next round begins or the escalation is exhausted.
        matchers: incidents whose labels fit all of them use this policy; none: all, but only where no other fits.
        severities: and whose severity is among these; none: any.
        urgency: of its pages; empty: by the severity of the incident.

    """

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    last_wait: Ms = 15 * MINUTE
    matchers: tuple[Matcher, ...] = ()
    severities: tuple[str, ...] = ()
    urgency: str = ""

    @property
    def choosy(self) -> bool:
        """Whether it is for some incidents only."""
        return bool(self.matchers or self.severities)

    @property
    def period(self) -> Ms:
        """Length of a round in ms."""
        return self.steps[-1].after + self.last_wait

    @property
    def longest_look(self) -> Ms:
        """How far back conditions count alerts, ms."""
        return max((step.condition.within for step in self.steps if step.condition), default=0)

    def due(self, opened_at: Ms, round_: int, step: int) -> Ms:
        """When a step of a round (both from 0) is due; the step behind the last is the end of the round."""
        begin = opened_at + round_ * self.period
        return begin + (self.steps[step].after if step < len(self.steps) else self.period)

    def dump(self) -> str:
        """As JSON, for an escalation under way (without what chose it, which has done its work)."""
        content = {
            "name": self.name,
            "steps": [_dump(step) for step in self.steps],
            "repeat": self.repeat,
            "last_wait": self.last_wait,
            "urgency": self.urgency,
        }
        return json.dumps(content, ensure_ascii=False, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Policy:
        """Read what ``dump`` wrote, of earlier versions too."""
        content: dict[str, Any] = json.loads(text)
        steps = tuple(_load(step) for step in content["steps"])
        urgency = content.get("urgency", "")
        return cls(content["name"], steps, content["repeat"], content["last_wait"], urgency=urgency)


def _dump(step: Step) -> dict[str, Any]:
    content: dict[str, Any] = {"after": step.after, "notify": list(step.notify)}
    if step.action is not None:
        content["action"] = dataclasses.asdict(step.action)
    if (condition := step.condition) is not None:
        hours = None if condition.hours is None else condition.hours.dump()
        values = {k: getattr(condition, k) for k in ("outside", "more_than", "within", "otherwise")}
        content["condition"] = {"hours": hours, **values}
    for name in ("urgency", "number", "turn"):
        if value := getattr(step, name):
            content[name] = value
    return content


def _load(content: Any) -> Step:
    if isinstance(content, list):
        # Before steps could do anything but page.
        after, notify = content
        return Step(after, tuple(notify))
    action, condition = content.get("action"), content.get("condition")
    if action is not None:
        action = Action(**{**action, "components": tuple(action["components"])})
    if condition is not None:
        hours = condition["hours"]
        condition = Condition(**{**condition, "hours": None if hours is None else Hours.load(hours)})
    more = {name: content[name] for name in ("urgency", "number", "turn") if name in content}
    return Step(content["after"], tuple(content["notify"]), action, condition, **more)
