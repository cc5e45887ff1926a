"""``status_page`` of hypercare.yml, and of ``incidents``: severities, phases, notices, post-mortems."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hypercare.config.base import Duration, FilePath, HostPort, OneOrMany, StrictModel, refuse
from hypercare.config.targets import NotifyTarget, Target
from hypercare.model.severity import Severity
from hypercare.model.time import HOUR, MINUTE

Severities = Annotated[tuple[Severity, ...], OneOrMany]


class Definition(StrictModel):
    """What a severity means.

    Attributes:
        name: one word.
        text: when an incident is of this severity.
        updates: so often those who are told of it expect news, ms; 0: no schedule.

    """

    name: str
    text: str = ""
    updates: Duration = 0


class Definitions(StrictModel):
    """The four severities."""

    p0: Definition = Field(
        default=Definition(name="Critical", text="Nothing works for anybody, or data are lost.", updates=30 * MINUTE),
        alias="P0",
    )
    p1: Definition = Field(
        default=Definition(name="High", text="A main function fails, or many users feel it.", updates=HOUR), alias="P1"
    )
    p2: Definition = Field(
        default=Definition(name="Medium", text="A minor function fails; there is a way around it."), alias="P2"
    )
    p3: Definition = Field(default=Definition(name="Low", text="A flaw that no user suffers from."), alias="P3")

    def of(self, severity: Severity) -> Definition:
        """The definition of a severity."""
        return {Severity.P0: self.p0, Severity.P1: self.p1, Severity.P2: self.p2, Severity.P3: self.p3}[severity]


class Phase(StrictModel):
    """A stretch of the work on an incident.

    Attributes:
        until: so long after the opening it should be over, ms.
        steps: its checklist.
        severity: for incidents of these severities; none: all.

    """

    name: str = Field(min_length=1)
    until: Annotated[Duration, Field(gt=0)]
    steps: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    severity: Severities = ()


DEFAULT_PHASES: Final = (
    Phase(
        name="Respond",
        until=15 * MINUTE,
        steps=(
            "Acknowledge it",
            "Say how bad it is and who feels it: severity and impact",
            "Call those who are needed, and say who leads",
            "Look at what changed last and what fails first",
            "Stop the damage: roll back, fail over, switch off",
        ),
    ),
    Phase(
        name="Investigate",
        until=HOUR,
        steps=(
            "Gather logs and graphs into the timeline",
            "Find the cause",
            "Decide how to mend it",
            "Tell those who wait how it stands",
            "Bring in the mend, or a way around",
        ),
    ),
    Phase(
        name="Resolve",
        until=4 * HOUR,
        steps=(
            "Replace the makeshift by the lasting mend",
            "See that everything is steady again",
            "Watch for a repeat",
            "Bring the timeline up to date",
            "Set the day of the review",
        ),
    ),
)


def _reachable(target: NotifyTarget) -> NotifyTarget:
    if target.kind in {"schedule", "role"}:
        hint = "name people or receiver:<name>; escalations page who is on call"
        raise refuse("only people and receivers are told of incidents here", hint=hint)
    return target


NoticeTarget = Annotated[Target, AfterValidator(_reachable)]


class Notice(StrictModel):
    """Who is told of incidents, beside those who are paged.

    Attributes:
        to: people, ``receiver:<name>``, or ``everyone``.
        severity: of incidents of these severities; none: all.
        on: when.

    """

    key_hints: ClassVar[dict[str, str]] = {"notify": "the key is called to", "receivers": "write to: [receiver:<name>]"}

    to: Annotated[tuple[NoticeTarget, ...], OneOrMany, Field(min_length=1)]
    severity: Severities = ()
    on: Annotated[tuple[Literal["opened", "updated", "resolved"], ...], OneOrMany] = ("opened", "updated", "resolved")


class NoticeTexts(StrictModel):
    """Files with Jinja templates in place of the built-in texts; the first line is the title."""

    opened: FilePath = ""
    updated: FilePath = ""
    resolved: FilePath = ""


class PostmortemConfig(StrictModel):
    """What follows an incident; times count from its end.

    Attributes:
        severity: incidents that need a post-mortem.
        template: a file with a Jinja template of its Markdown; empty: the built-in one.
        evidence: until then the evidence is confirmed, ms.
        meeting: until then those involved have met, ms.
        document: until then the document is done, ms.

    """

    severity: Severities = (Severity.P0, Severity.P1)
    template: FilePath = ""
    evidence: Annotated[Duration, Field(gt=0)] = 2 * HOUR
    meeting: Annotated[Duration, Field(gt=0)] = 24 * HOUR
    document: Annotated[Duration, Field(gt=0)] = 72 * HOUR


class Component(StrictModel):
    """A part of the platform under the name that the public knows.

    Attributes:
        services: whose incidents show in its state.

    """

    name: str = Field(min_length=1)
    description: str = ""
    services: Annotated[tuple[str, ...], OneOrMany] = ()


class StatusPageConfig(StrictModel):
    """A page for the public.

    Attributes:
        listen: HOST:PORT that serves this page alone, to anybody; empty: only those who log in see it.
        title: empty: the platform's name.
        url: where the public reaches it; in feeds.
        automatic: incidents of a component's services show in its state even before somebody posts.
        history: so long incidents stay on the page after their end, ms.

    """

    listen: HostPort = ""
    title: str = ""
    url: str = ""
    components: tuple[Component, ...] = ()
    automatic: bool = True
    history: Annotated[Duration, Field(gt=0)] = 14 * 24 * HOUR

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [component.name for component in self.components]
        for index, name in enumerate(names):
            if name in names[:index]:
                msg = f"two components have the name {name!r}"
                raise refuse(msg, "components", index, "name")
        return self


def check_phases(phases: tuple[Phase, ...]) -> None:
    """Each phase ends later than the one before, among those of one severity.

    Raises:
        PydanticCustomError: one does not.
    """
    for severity in Severity:
        last: Any = None
        for index, phase in enumerate(phases):
            if phase.severity and severity not in phase.severity:
                continue
            if last is not None and phase.until <= last:
                hint = "until counts from the opening of the incident, not from the phase before"
                raise refuse("each phase must end later than the one before", "phases", index, "until", hint=hint)
            last = phase.until
