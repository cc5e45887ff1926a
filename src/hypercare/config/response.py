"""What ``oncall`` says beside schedules: calendars, roles, clocks per severity, the auditor; and ``heartbeat``."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.base import Duration, FilePath, OneOrMany, Secret, SecretUrl, StrictModel, Timezone, refuse
from hypercare.config.schedules import Days, Holiday, TimeOfDay, end_of_day, holiday
from hypercare.config.targets import ASSIGNEE, Target
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, Ms

Targets = Annotated[tuple[Target, ...], OneOrMany]
Severities = Annotated[tuple[Severity, ...], OneOrMany]
CLOCKS: Final = ("acknowledge", "assess", "investigate", "resolve")


class Calendar(StrictModel):
    """Business hours, by which steps of an escalation ask whether somebody is at work.

    Attributes:
        from_: local time of day.
        until: local time of day, excluded; at or before ``from``: of the next day.
        holidays: whole days without business hours.

    """

    key_hints: ClassVar[dict[str, str]] = {"to": "the key is called until", "weekdays": "the key is called days"}

    name: str = Field(min_length=1)
    timezone: Timezone = "UTC"
    days: Days = (0, 1, 2, 3, 4)
    from_: TimeOfDay = Field(default=dt.time(9), alias="from")
    until: Annotated[TimeOfDay, BeforeValidator(end_of_day)] = dt.time(17)
    holidays: tuple[Annotated[Holiday, BeforeValidator(holiday)], ...] = ()


class Role(StrictModel):
    """A name for people, schedules or receivers, for the steps of several policies."""

    name: str = Field(min_length=1)
    is_: Targets = Field(alias="is", min_length=1)

    @model_validator(mode="after")
    def _name(self) -> Self:
        if self.name == ASSIGNEE:
            raise refuse("this role is always whoever has acknowledged the incident", "name")
        for index, target in enumerate(self.is_):
            if target.kind == "role":
                raise refuse("a role is made of people, schedules and receivers", "is", index)
        return self


def _clock(value: Any) -> Any:
    """``5m`` for ``{breach: 5m}``, ``off`` for none."""
    if isinstance(value, (dict, Clock)) or value is None:
        return value
    return {"breach": "0" if str(value).lower() in {"off", "no", "false"} else value}


class Clock(StrictModel):
    """How long something may take from the opening of the incident.

    Attributes:
        breach: ms; 0: there is no such clock.
        warning: ms; none: four fifths of ``breach``.

    """

    breach: Duration
    warning: Duration | None = None

    @property
    def warns(self) -> Ms:
        """When to warn, ms after the opening."""
        return self.breach * 4 // 5 if self.warning is None else self.warning

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.breach and self.warning is not None and self.warning >= self.breach:
            raise refuse("the warning must come before the breach", "warning")
        return self


ClockText = Annotated[
    Clock | None, BeforeValidator(_clock), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]


class Clocks(StrictModel):
    """The clocks of incidents of some severities; the first entry that fits counts, what it leaves out is default.

    Attributes:
        severity: none: all.
        warn: who is told of a warning.
        tell: who is told of a breach.

    """

    severity: Severities = ()
    acknowledge: ClockText = None
    assess: ClockText = None
    investigate: ClockText = None
    resolve: ClockText = None
    warn: Targets = ()
    tell: Targets = ()


_FIRST: Final = {"acknowledge": 5 * MINUTE, "assess": 15 * MINUTE, "investigate": 30 * MINUTE}
DEFAULT_CLOCKS: Final[dict[Severity, dict[str, Ms]]] = {
    Severity.P0: {**_FIRST, "resolve": 2 * HOUR},
    Severity.P1: {**_FIRST, "resolve": 4 * HOUR},
    Severity.P2: {"acknowledge": HOUR, "investigate": 4 * HOUR, "resolve": DAY},
    Severity.P3: {"acknowledge": DAY},
}


class AuditorConfig(StrictModel):
    """Looks for what should have happened and has not; says so on another channel than the one that failed.

    Attributes:
        every: between two looks, ms.
        notify: whom; none: everyone.
        late_after: a step counts as overdue so long after its time, ms.
        undelivered_after: a page that has not arrived so long after it was sent is a finding, ms.
        unowned_after: an open incident that nobody has acknowledged and for which no step is left is one, ms after the
            last step.
        stuck_after: a lane of the outbox whose first effect waits so long is one, ms.

    """

    enabled: bool = True
    every: Annotated[Duration, Field(ge=10 * SECOND)] = MINUTE
    notify: Targets = ()
    late_after: Annotated[Duration, Field(ge=SECOND)] = 2 * MINUTE
    undelivered_after: Annotated[Duration, Field(ge=SECOND)] = 5 * MINUTE
    unowned_after: Annotated[Duration, Field(ge=SECOND)] = 15 * MINUTE
    stuck_after: Annotated[Duration, Field(ge=SECOND)] = 10 * MINUTE


class Heartbeat(StrictModel):
    """A request to somebody else's clock, who raises the alarm when it stays away.

    Attributes:
        every: ms between two beats.
        method: HEAD and GET have no body.
        watchdog: an alert that must fire all the time (of a rule such as ``vector(1)``): beats go out only while it
            arrives in routing; empty: none.
        stuck_after: no beat while a notification waits longer than this, ms.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"),)
    key_hints: ClassVar[dict[str, str]] = {"interval": "the key is called every", "alert": "the key is called watchdog"}

    name: str = "heartbeat"
    url: SecretUrl = Secret("")
    url_file: FilePath = ""
    every: Annotated[Duration, Field(ge=5 * SECOND)] = MINUTE
    method: Literal["GET", "HEAD", "POST"] = "GET"
    timeout: Annotated[Duration, Field(gt=0)] = 10 * SECOND
    watchdog: str = ""
    stuck_after: Annotated[Duration, Field(ge=SECOND)] = 5 * MINUTE
