"""A scenario file: a platform, what happens to it, who answers, and what is to come of it."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.base import Duration, OneOrMany, Size, StrictModel, Timezone, refuse
from hypercare.model.time import DAY, MINUTE, parse_duration, parse_rfc3339

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PER = re.compile(r"([0-9.]+)\s*([KMGT]?i?B)?\s*/\s*([smhd])", re.ASCII)
_SIZES = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _per_second(value: Any) -> Any:
    if isinstance(value, int | float):
        return float(value)
    match = _PER.fullmatch(str(value).strip())
    number = _number(match[1]) if match else _number(str(value))
    if number is None or number < 0:
        msg = f"expected a rate such as 20/s or 300/m, found {str(value)!r}"
        raise refuse(msg, hint="without a unit it is per second")
    size = _SIZES[(match[2] or "").replace("i", "")] if match else 1
    return number * size / (_UNITS[match[3]] if match else 1.0)


Rate = Annotated[
    float, BeforeValidator(_per_second), WithJsonSchema({"type": "string", "examples": ["20/s", "300/m", "50MB/h"]})
]
"""So much in a second."""


def _seconds(value: Any) -> Any:
    if isinstance(value, int | float):
        return float(value)
    try:
        return parse_duration(str(value)) / 1000
    except ValueError as err:
        raise refuse(str(err)) from None


Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "examples": ["120ms", "2s"]})]
"""A length of time, kept in seconds."""


def _instant(value: Any) -> Any:
    if isinstance(value, int):
        return value
    try:
        return parse_rfc3339(str(value))
    except ValueError:
        msg = f"expected an instant such as 2026-01-05T08:00:00Z, found {str(value)!r}"
        raise refuse(msg, hint="with Z or an offset such as +01:00 at the end") from None


Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])-([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def _span(value: Any) -> Any:
    match = _CLOCK.fullmatch(str(value)) if isinstance(value, str) else None
    if isinstance(value, tuple):
        return value
    if match is None:
        msg = f"expected hours of the day such as 23:00-07:00, found {str(value)!r}"
        raise refuse(msg, hint="put them in quotes")
    first, second = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    return (first, second)


DayHours = Annotated[
    tuple[int, int], BeforeValidator(_span), WithJsonSchema({"type": "string", "examples": ["23:00-07:00"]})
]
"""From and to, in minutes of the day."""


def _answer(value: Any) -> Any:
    if value == "never" or isinstance(value, int):
        return None if value == "never" else value
    try:
        return parse_duration(str(value))
    except ValueError as err:
        raise refuse(str(err), hint="or write never") from None


Answer = Annotated[
    int | None, BeforeValidator(_answer), WithJsonSchema({"type": "string", "examples": ["3m", "never"]})
]
"""After how long somebody answers, ms; none: never."""
Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Traffic(StrictModel):
    """Requests that come in.

    Attributes:
        rate: at a factor of 1.
        hours: factor by the hour of the day; between two that are given it goes over evenly.
        weekdays: factor of whole days.
        noise: standard deviation of what a minute brings, relative.

    """

    rate: Rate = 10.0
    hours: dict[Annotated[int, Field(ge=0, le=23)], Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    weekdays: dict[Day, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    timezone: Timezone = "UTC"
    noise: Annotated[float, Field(ge=0, le=1)] = 0.05


class Latency(StrictModel):
    """Log-normal: half of the answers take longer than the median; ``spread`` is the logarithm's deviation."""

    median: Seconds = 0.12
    spread: Positive = 0.5


class Memory(StrictModel):
    """Resident memory: beyond the limit the process is ended and starts again."""

    size: Size = 300 << 20
    leak: Rate = 0.0
    limit: Size = 0


class Queue(StrictModel):
    """Tasks that wait for workers; ``share`` of the requests make one."""

    share: Ratio = 0.1
    workers: Annotated[int, Field(ge=1)] = 4
    work: Seconds = 2.0
    failures: Ratio = 0.002


class Provider(StrictModel):
    """A language model somebody else runs; ``fallback`` names the provider that takes what it fails."""

    share: Ratio = 1.0
    latency: Latency = Latency(median=1.8, spread=0.4)
    first_token: Seconds = 0.4
    tokens: Positive = 900.0
    cost: Annotated[float, Field(ge=0)] = 0.004
    errors: Ratio = 0.002
    fallback: str = ""


class Database(StrictModel):
    """A PostgreSQL behind the service: each request makes queries."""

    connections: Annotated[int, Field(ge=1)] = 20
    limit: Annotated[int, Field(ge=1)] = 100
    queries: Positive = 3.0
    cache_hits: Ratio = 0.99


class Fault(StrictModel):
    """What is wrong. Factors multiply, ratios are lost beside what was lost before.

    Attributes:
        errors: share of the requests that fail.
        latency: factor of all latencies.
        traffic: factor of the requests that come.
        capacity: factor of what can be served.
        leak: memory that is lost.
        work: factor of a task's work.
        provider: to which language model ``errors`` and ``latency`` happen; empty: to the service.
        down: nothing answers.
        unreachable: packets are lost on the way from hypercare to it.
        silent: it works, and its metrics are empty.

    """

    errors: Ratio = 0.0
    latency: Positive = 1.0
    traffic: Annotated[float, Field(ge=0)] = 1.0
    capacity: Positive = 1.0
    leak: Rate = 0.0
    work: Positive = 1.0
    provider: str = ""
    down: bool = False
    unreachable: bool = False
    silent: bool = False


class Hidden(Fault):
    """A fault that a release brings with it, ``after`` a while."""

    after: Duration = 0


class Service(StrictModel):
    """One service.

    Attributes:
        targets: ``host:port`` as prometheus.yml has them; none: those with the label ``service`` of this name.
        capacity: requests it can serve; nearer to it everything takes longer, beyond it requests fail.
        llm: language models by name.
        vector: it also searches vectors, with this latency.
        version: shown as a label, where given.
        color: shown as a label, where given.
        restarts_in: how long a restart takes.
        series: fill its page up to so many series.

    """

    targets: tuple[str, ...] = ()
    traffic: Traffic = Traffic()
    latency: Latency = Latency()
    errors: Ratio = 0.0005
    capacity: Rate = 0.0
    cpu: Seconds = 0.005
    memory: Memory = Memory()
    queue: Queue | None = None
    llm: dict[str, Provider] = Field(default_factory=dict)
    database: Database | None = None
    vector: Latency | None = None
    version: str = ""
    color: str = ""
    restarts_in: Duration = 5_000
    series: int = 0

    @model_validator(mode="after")
    def _fallbacks(self) -> Self:
        for name, provider in self.llm.items():
            if provider.fallback and provider.fallback not in self.llm:
                msg = f"no language model {provider.fallback!r} here"
                raise refuse(msg, "llm", name, "fallback", hint=f"known: {', '.join(self.llm)}")
        return self


class Release(StrictModel):
    """A version goes out; with a colour it serves beside the other one and takes ``share`` of the traffic.

    Attributes:
        previous: the version before it; empty: the one that runs, or that of the last watch that succeeded.
        watch: whether hypercare is told of it.

    """

    version: str
    previous: str = ""
    color: str = ""
    share: Ratio = 1.0
    hides: Hidden = Hidden()
    plan: str = ""
    watch: bool = True


class Happening(Fault):
    """Something happens at a time, to one service, to several (``api*``), or to a receiver of notifications.

    Attributes:
        at: after the start.
        for_: how long; none: until somebody repairs it.
        service: name or pattern.
        deploy: a release.
        restart: the processes start again.
        roll_back: to the release before.
        receiver: pattern of the hosts (``hooks.slack.example``, ``smtp*``) that do not answer.
        say: a line for the story.

    """

    required_one = (("service", "receiver", "say"),)

    at: Duration
    for_: Duration | None = Field(default=None, alias="for")
    service: str = ""
    deploy: Release | None = None
    restart: bool = False
    roll_back: bool = False
    receiver: str = ""
    say: str = ""


class Action(StrictModel):
    """What an action of the configuration does to this world, and how the programs and requests of it end.

    Attributes:
        does: once its run is done (retire: only the newest colour serves from now on); a run that fails, is refused or
            dry does nothing.
        takes: all of its steps together.
        fails: its first step does.

    """

    does: Literal["roll_back", "restart", "repair", "retire", "nothing"] = "roll_back"
    takes: Duration = 30_000
    fails: bool = False


class Person(StrictModel):
    """How somebody behaves.

    Attributes:
        answers: after a page.
        spread: of the time to answer (the logarithm's deviation).
        sleeps: hours of the day, by their own clock, in which a page wakes them only after ``wakes``.
        repairs: so long after they took it the faults of the service are repaired; none: they only take it.
        writes: they do what is left to be done after an incident, so long after its end.

    """

    answers: Answer = 3 * MINUTE
    spread: Annotated[float, Field(ge=0)] = 0.0
    sleeps: DayHours | None = None
    wakes: Answer = None
    repairs: Duration | None = None
    writes: Duration | None = None


class Expectation(StrictModel):
    """What is to be in the event log: so many events of a kind, in a span of time.

    Attributes:
        at: then, ``within`` earlier or later.
        by: not later.
        from_: not earlier.
        page: somebody is paged.
        incident: opened, acknowledged or resolved.
        alert: fires (or ``state: resolved``).
        notified: a receiver gets a notification.
        verdict: a watch ends with it.
        event: any kind of the event log; ``where`` compares its fields.
        count: so many, ``tolerance`` more or less; none: at least one.
        never: none at all.

    """

    exclusive = (("count", "never"),)
    required_one = (("page", "incident", "alert", "notified", "verdict", "event"),)

    at: Duration | None = None
    within: Duration = MINUTE
    by: Duration | None = None
    from_: Duration | None = Field(default=None, alias="from")
    page: str = ""
    incident: Literal["opened", "acknowledged", "resolved", ""] = ""
    alert: str = ""
    state: Literal["firing", "resolved"] = "firing"
    notified: str = ""
    verdict: str = ""
    event: str = ""
    service: str = ""
    severity: str = ""
    person: str = ""
    where: dict[str, str] = Field(default_factory=dict)
    count: Annotated[int, Field(ge=0)] | None = None
    tolerance: Annotated[int, Field(ge=0)] = 0
    never: bool = False

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.at is not None and (self.by is not None or self.from_ is not None):
            raise refuse("at goes without by and from", "at", hint="write from and by for a span")
        return self


class Table(StrictModel):
    """How recorded tables (CSV) are to be understood; what is not said is found by the usual words.

    Attributes:
        time: header of the column of times, where it is none of the usual ones.
        metric: the same for names of metrics (one sample a line).
        value: the same for values (one sample a line).
        timezone: of times that are written without an offset.
        columns: what a column (or a metric, one sample a line) is called: ``latency{service="api"}``; empty: left out.
        rename: labels by other names.
        labels: labels that all series get.

    """

    time: str = ""
    metric: str = ""
    value: str = ""
    timezone: Timezone | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Replay(Table):
    """Recorded samples that take the place of services.

    Attributes:
        files: CSV, OpenMetrics text, or data folders of hypercare; relative to the scenario.
        from_: a server with Prometheus' HTTP API.
        match: which series of the server; none: all.
        begin: earlier samples are left out (of a server: not asked for).
        end: the same for later ones.
        step: ask the server for values at these steps, instead of for the samples as they are.
        shift_to: the first sample is taken as if it were of that time, and so on.

    """

    key_hints: ClassVar[dict[str, str]] = {
        "file": "the key is called files",
        "url": "the key is called from",
        "start": "the key is called begin",
    }

    files: Annotated[tuple[str, ...], OneOrMany] = ()
    from_: str = Field(default="", alias="from")
    match: Annotated[tuple[str, ...], OneOrMany] = ()
    begin: Instant | None = None
    end: Instant | None = None
    step: Annotated[Duration, Field(gt=0)] | None = None
    shift_to: Instant | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if not self.files and not self.from_:
            raise refuse("one of files, from is required")
        if self.files and self.from_:
            raise refuse("at most one of files, from may be set", "from", hint="both are set; remove one")
        if self.begin is not None and self.end is not None and self.end <= self.begin:
            raise refuse("the end is not after the beginning", "end")
        for key in ("match", "step"):
            if getattr(self, key) and not self.from_:
                msg = f"{key} is for a server: it needs from"
                raise refuse(msg, key)
        return self


class Scenario(StrictModel):
    """A whole scenario; ``config`` is the hypercare.yml that is rehearsed, relative to the scenario.

    With ``replay`` the recording says when it begins and how long it is; ``length`` may make it shorter or longer.
    """

    exclusive = (("services", "replay"),)

    title: str = ""
    config: str = "hypercare.yml"
    start: Instant = 1_767_600_000_000
    length: Duration = DAY
    seed: int = 1
    replay: Replay | None = None
    services: dict[str, Service] = Field(default_factory=dict)
    people: dict[str, Person] = Field(default_factory=dict)
    actions: dict[str, Action] = Field(default_factory=dict)
    happens: tuple[Happening, ...] = ()
    expect: tuple[Expectation, ...] = ()

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.replay is not None:
            if "start" in self.model_fields_set:
                raise refuse("a recording says itself when it begins", "start", hint="write replay: {shift_to: …}")
            if "length" not in self.model_fields_set:
                return self
        for key in ("happens", "expect"):
            for number, entry in enumerate(getattr(self, key)):
                if (entry.at or 0) > self.length:
                    raise refuse("this is after the end of the scenario", key, number, "at", hint="make length longer")
        return self
