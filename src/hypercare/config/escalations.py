"""``escalations`` of hypercare.yml: steps that run until somebody acknowledges."""

import dataclasses
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.alertmanager import OneOrManyMatchers
from hypercare.config.base import Duration, OneOrMany, StrictModel, refuse
from hypercare.config.response import Severities
from hypercare.config.targets import Target
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, Ms

Urgency = Literal["", "high", "low"]
_MOST_STEPS: Final = 1000
_ACTIONS: Final = ("notify", "wait", "repeat", "run", "open_incident", "status_page")


class ManyAlerts(StrictModel):
    """More than so many alerts began to fire in the incident within the last so long, ms."""

    more_than: int = Field(ge=0)
    within: Annotated[Duration, Field(gt=0, le=DAY)]


class Condition(StrictModel):
    """When a step is done; asked when its time has come.

    Attributes:
        business_hours: the name of a calendar: only while it is open.
        outside_business_hours: the same: only while it is closed.
        otherwise: go on with the next step (``skip``), end the escalation (``stop``), or hold it until the calendar
            opens or closes (``wait``).

    """

    key_hints: ClassVar[dict[str, str]] = {"else": "the key is called otherwise"}
    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("business_hours", "outside_business_hours", "alerts"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("business_hours", "outside_business_hours", "alerts"),)

    business_hours: str = ""
    outside_business_hours: str = ""
    alerts: ManyAlerts | None = None
    otherwise: Literal["skip", "stop", "wait"] = "skip"

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.otherwise == "wait" and self.alerts is not None:
            raise refuse("only business hours can be waited for", "otherwise")
        return self


class Repeat(StrictModel):
    """Run the steps from one on again, so many times.

    Attributes:
        from_: the number of the step, counted from 1 as written.

    """

    from_: int = Field(default=1, ge=1, alias="from")
    times: int = Field(ge=1, le=100)


class OpenIncident(StrictModel):
    """Open another incident that names this one as its cause."""

    title: str = ""
    severity: Severity | None = None


class StatusPost(StrictModel):
    """What the status page is to say; without components those of the incident's service."""

    text: str = ""
    state: Literal["investigating", "identified", "monitoring", "resolved"] = "investigating"
    components: Annotated[tuple[str, ...], OneOrMany] = ()


def _open(value: Any) -> Any:
    """``open_incident: P1`` for ``{severity: P1}``."""
    return value if isinstance(value, (dict, OpenIncident)) or value is None else {"severity": value}


def _post(value: Any) -> Any:
    """``status_page: text`` for ``{text: text}``."""
    return value if isinstance(value, (dict, StatusPost)) or value is None else {"text": value}


class EscalationStep(StrictModel):
    """One thing to do: tell somebody, wait, go back, run a procedure, open an incident, write on the status page.

    Attributes:
        after: ms since the escalation began (not since the step before); left out: as soon as the step before is done
            and its ``wait`` is over.
        wait: ms until the next step.
        run: the name of a procedure.
        urgency: of the pages; empty: that of the policy.

    """

    key_hints: ClassVar[dict[str, str]] = {
        "procedure": "the key is called run",
        "delay": "the key is called wait, or after",
        "post": "the key is called status_page",
    }
    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (_ACTIONS,)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (_ACTIONS,)

    notify: Annotated[tuple[Target, ...], OneOrMany] = ()
    wait: Duration = 0
    repeat: Repeat | None = None
    run: str = ""
    open_incident: Annotated[
        OpenIncident | None, BeforeValidator(_open), WithJsonSchema({"type": ["string", "object"]})
    ] = None
    status_page: Annotated[
        StatusPost | None, BeforeValidator(_post), WithJsonSchema({"type": ["string", "object"]})
    ] = None
    after: Duration | None = None
    if_: Condition | None = Field(default=None, alias="if")
    urgency: Urgency = ""

    @model_validator(mode="after")
    def _bare(self) -> Self:
        if (self.wait or self.repeat) and (self.if_ or self.urgency or self.after is not None):
            raise refuse("a step that waits or repeats has no other keys")
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class Timed:
    """A step with its time.

    Attributes:
        number: of the step as written, from 1.
        turn: how often it was repeated before.
        after: ms since the escalation began.

    """

    number: int
    turn: int
    after: Ms


class Escalation(StrictModel):
    """Steps that run until somebody acknowledges.

    Attributes:
        match: which incidents, by the labels of the alert that opened them; none: all.
        severity: of these severities only; none: of all.
        repeat: how often the steps run again after the last one.
        urgency: of its pages; empty: by the severity of the incident (``oncall.high_urgency``).

    """

    name: str = Field(min_length=1)
    match: OneOrManyMatchers = ()
    severity: Severities = ()
    steps: tuple[EscalationStep, ...] = Field(min_length=1)
    repeat: int = Field(default=0, ge=0, le=100)
    urgency: Urgency = ""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not self.timed()[0]:
            raise refuse("no step does anything", "steps")
        return self

    def timed(self) -> tuple[tuple[Timed, ...], Ms]:
        """All steps that do something with their times, repetitions written out; and when the last wait is over.

        Raises:
            PydanticCustomError: two steps that tell somebody would come at the same time, or the list has no end.

        """
        found: list[Timed] = []
        at: Ms = 0
        for index, step in enumerate(self.steps):
            if step.repeat is not None:
                at = self._again(found, index, step.repeat, at)
                continue
            if step.wait:
                at += step.wait
                continue
            if step.after is not None and step.after < at:
                raise self._too_early(index)
            at = at if step.after is None else step.after
            self._put(found, Timed(index + 1, 0, at), index)
        return tuple(found), at

    def _again(self, found: list[Timed], index: int, repeat: Repeat, at: Ms) -> Ms:
        if repeat.from_ > index:
            msg = f"there is no step {repeat.from_} before this one"
            raise refuse(msg, "steps", index, "repeat", "from")
        again = [timed for timed in found if timed.number >= repeat.from_]
        if not again:
            raise refuse("the steps that would be repeated do nothing", "steps", index, "repeat", "from")
        first, length = again[0].after, at - again[0].after
        for turn in range(1, repeat.times + 1):
            for timed in again:
                self._put(found, Timed(timed.number, turn, at + timed.after - first), index)
            at += length
        return at

    def _put(self, found: list[Timed], timed: Timed, index: int) -> None:
        if len(found) >= _MOST_STEPS:
            msg = f"with all repetitions these are more than {_MOST_STEPS} steps"
            raise refuse(msg, "steps", index)
        if self.steps[timed.number - 1].notify:
            before = next((t for t in reversed(found) if self.steps[t.number - 1].notify), None)
            if before is not None and timed.after <= before.after:
                raise self._too_early(index)
        found.append(timed)

    def _too_early(self, index: int) -> Exception:
        key = "repeat" if self.steps[index].repeat is not None else "after"
        hint = "after counts from the beginning of the escalation, not from the step before"
        if key == "repeat":
            hint = "put a wait before it"
        return refuse("each step must come later than the one before", "steps", index, key, hint=hint)
