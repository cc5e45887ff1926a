"""``deployments`` of hypercare.yml: how new versions are watched, by which checks, and what follows."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.base import Duration, OneOrMany, StrictModel, TextMap, refuse
from hypercare.config.check_sets import CHECK_SETS
from hypercare.config.discovery_containers import DockerSdConfig, KubernetesSdConfig
from hypercare.config.services import Percent
from hypercare.config.targets import Target
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.model.units import FLOW, PACE, PORTION, SHARE, SIZE, TIME, Unit

Targets = Annotated[tuple[Target, ...], OneOrMany]
Names = Annotated[tuple[str, ...], OneOrMany]
Groups = tuple[tuple[str, ...], ...]
PLACES: Final = ("service", "version", "previous", "color", "other_color", "window")
"""What may stand as ``$name`` in an expression."""
_PLACE: Final = re.compile(r"\$(\w+)")


def _number(value: Any) -> Any:
    """``5%`` is 0.05; ``400ms`` and ``1.5GB`` are seconds and bytes, in which Prometheus' metrics count."""
    if not isinstance(value, str):
        return value
    match = _WITH_UNIT.fullmatch(value)
    if match is None or match[2] not in _UNITS:
        msg = f"not a number with a unit: {value!r}"
        raise refuse(msg, hint=f"units are {', '.join(unit for unit in _UNITS if unit)}")
    return float(match[1]) * _UNITS[match[2]]


_WITH_UNIT: Final = re.compile(r"\s*(-?[\d.]+(?:e-?\d+)?)\s*([a-zA-Zµ%/]*)\s*")
_UNITS: Final = {
    "": 1.0, "%": 0.01, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0,
    "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
    "/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600,
}  # fmt: skip
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": ["number", "string"]})]


class Thresholds(StrictModel):
    """Bounds of a check, in the unit of its expression.

    Attributes:
        baseline: what is usual, where no measured baseline says it.
        target: what the release aims at; told, not judged.
    """

    baseline: Number | None = None
    target: Number | None = None
    warning: Number | None = None
    critical: Number | None = None
    minimum_traffic: Number | None = None


def _agree(unit: Unit, bounds: dict[Any, Any], *at: str) -> None:
    """Refuse a bound that is written in another unit than the values have, ``400ms`` where the expression counts ms."""
    known = unit.known
    if known is None:
        return
    for key in ("baseline", "target", "warning", "critical", "min", "max"):
        value = bounds.get(key)
        match = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
        written = Unit(_MINUTES.get(match[2], match[2])).known if match is not None else None
        if match is None or written is None:
            continue
        same = written[0] == known[0] or (written[0], known[0]) == (SIZE, FLOW)
        if not same or known[1] != 1:
            msg = f"{value} is {_number(value):g} {_BASES[written[0]]}, but the values are in {unit.word}"
            raise refuse(msg, *at, key, hint=f"write a bare number of {unit.word}")


_MINUTES: Final = {"m": "min"}
_BASES: Final = {TIME: "seconds", SIZE: "bytes", SHARE: "of 1", PACE: "a second"}


class Check(Thresholds):
    """One row of the table of thresholds.

    Attributes:
        name: unique within the plan.
        expr: PromQL with ``$service``, ``$version``, ``$previous``, ``$color``, ``$other_color``.
        by: a label by which one expression serves several services: the series whose label is the service's name.
        per: bounds of a service that differ; with ``services`` empty these are the services of the check.
        services: the check is made for each; none: for those of the plan.
        unit: what the expression counts, for people: s, ms, bytes, MB, bytes/s, %, ratio, /min, or any other word.
        direction: which way is worse.
        ratio: whether values are shares, 0 to 1.
        traffic: PromQL: events a second behind the value; below ``minimum_traffic`` the value says nothing.
        for_: how long a bound must be crossed, ms.
        tolerance: the least change against the baseline that matters; 0: as ratio or level default to.
        compare: whether the baseline is compared at all.
        leak: whether a steady rise is looked for.
        required: whether the watch can succeed while this check is unknown.
        minimum_samples: fewer in a phase leave the check unknown.
        slo: the share of good events of which the error budget is burnt (ratio checks).
        pattern: a label: its values that did not occur in the seven days before are found when they occur. ``expr``
            then gives counters by this label, and ``warning`` and ``critical`` are shares of the traffic.
        events: of a new value, fewer than so many are none.
        actions: what is done when it is critical, one after the other until one helps.
        advice: what a person should do.

    """

    key_hints: ClassVar[dict[str, str]] = {
        "query": "the key is called expr",
        "metric": "the key is called expr",
        "action": "the key is called actions; a text for people is called advice",
        "warn": "the key is called warning",
    }

    name: str = Field(min_length=1)
    expr: str = Field(min_length=1)
    by: str = ""
    per: dict[str, Thresholds] = Field(default_factory=dict)
    services: Names = ()
    unit: str = ""
    direction: Literal["high", "low", "either"] = "high"
    ratio: bool = False
    traffic: str = ""
    for_: Duration = Field(default=0, alias="for")
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    compare: bool = True
    leak: bool = False
    required: bool = True
    minimum_samples: int = Field(default=3, ge=1)
    slo: Percent | None = None
    pattern: str = ""
    events: int = Field(default=5, ge=1)
    actions: Names = ()
    advice: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        tables: list[tuple[tuple[str, ...], Thresholds]] = [((), self)]
        tables += [(("per", name), each) for name, each in self.per.items()]
        for at, bounds in tables:
            if bounds.warning is None or bounds.critical is None or self.direction == "either":
                continue
            if (bounds.critical < bounds.warning) if self.direction == "high" else (bounds.critical > bounds.warning):
                hint = f"with direction: {self.direction} the warning comes first"
                raise refuse("critical is reached before warning", *at, "critical", hint=hint)
        for key in ("expr", "traffic"):
            for match in _PLACE.finditer(getattr(self, key)):
                if match[1] not in PLACES:
                    msg = f"unknown place ${match[1]}"
                    raise refuse(msg, key, hint=f"known are {', '.join('$' + place for place in PLACES)}")
        if self.pattern:
            self._check_pattern()
        if self.slo is not None and not self.ratio:
            raise refuse("an error budget is burnt by shares: write ratio: true", "slo")
        return self

    @model_validator(mode="before")
    @classmethod
    def _in_one_unit(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(word := data.get("unit", ""), str):
            unit = PORTION if data.get("ratio") is True else Unit(word)
            _agree(unit, data)
            per = data.get("per")
            for service, bounds in per.items() if isinstance(per, dict) else ():
                if isinstance(bounds, dict):
                    _agree(unit, bounds, "per", service)
        return data

    @model_validator(mode="before")
    @classmethod
    def _kinds_are_not_compared(cls, data: Any) -> Any:
        return {"compare": False, **data} if isinstance(data, dict) and data.get("pattern") else data

    def _check_pattern(self) -> None:
        if not self.traffic:
            raise refuse("a check for new values needs traffic", "pattern", hint="PromQL: all events a second")
        for key in ("compare", "leak", "by"):
            if getattr(self, key):
                msg = f"a check for new values cannot have {key}"
                raise refuse(msg, key)

    def bounds(self, service: str) -> Thresholds:
        """Those of a service: its own where it has some, else the check's."""
        own = self.per.get(service)
        if own is None:
            return self
        values = {
            n: getattr(own, n) if getattr(own, n) is not None else getattr(self, n) for n in Thresholds.model_fields
        }
        return Thresholds(**values)


class DeployPhase(StrictModel):
    """A stretch of a watch.

    Attributes:
        until: its end, ms since the deployment.
        every: between its checkpoints.
        notify: who is on call in it: told before each checkpoint, and of findings.
    """

    name: str = Field(min_length=1)
    until: Annotated[Duration, Field(gt=0)]
    every: Annotated[Duration, Field(gt=0)]
    notify: Targets = ()


class Baseline(StrictModel):
    """What the new version is held against.

    Attributes:
        kind: ``before`` the deployment, the same hours a ``week`` before, the ``other_color`` at the same time
            (checks use ``$color`` and ``$other_color``), or ``fixed`` numbers of the checks.
        length: of what was recorded before, ms.
    """

    kind: Literal["before", "week", "other_color", "fixed"] = "before"
    length: Annotated[Duration, Field(ge=MINUTE)] = DAY


def _baseline(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class Criterion(StrictModel):
    """What must hold at a verdict beside the checks.

    Attributes:
        expr: PromQL; ``$window`` is the time since the deployment. None: a person answers.
        ask: the question to a person.
        min: the least good value.
        max: the greatest good value.
        unit: what the expression counts, as of checks.
        at: at which verdicts; none: at all.
    """

    required_one: ClassVar[Groups] = (("expr", "ask"),)
    exclusive: ClassVar[Groups] = (("expr", "ask"),)

    name: str = Field(min_length=1)
    expr: str = ""
    ask: str = ""
    min: Number | None = None
    max: Number | None = None
    unit: str = ""
    at: Annotated[tuple[Duration, ...], OneOrMany] = ()
    required: bool = True

    @model_validator(mode="before")
    @classmethod
    def _in_one_unit(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(word := data.get("unit", ""), str):
            _agree(Unit(word), data)
        return data

    @model_validator(mode="after")
    def _bound(self) -> Self:
        if self.expr and self.min is None and self.max is None:
            raise refuse("an expression needs min or max", "expr")
        return self


class CheckSet(StrictModel):
    """A ready-made table of checks, for some services."""

    name: str
    services: Names = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in CHECK_SETS:
            msg = f"unknown check set {self.name!r}"
            raise refuse(msg, "name", hint=f"there are {', '.join(CHECK_SETS)}")
        return self


def _set(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


DEFAULT_PHASES: Final = (
    DeployPhase(name="intensive", until=4 * HOUR, every=15 * MINUTE),
    DeployPhase(name="active", until=24 * HOUR, every=2 * HOUR),
    DeployPhase(name="standard", until=48 * HOUR, every=4 * HOUR),
)
_BEFORE_VERDICT: Final = 12
"""Samples before the first verdict where a plan does not say how often they are taken."""


class DeployPlan(StrictModel):
    """How one kind of deployment is watched.

    Attributes:
        match_services: which services use it without being asked; none: it is used by name.
        verdicts: when is concluded, ms since the deployment; the last at the end of the last phase.
        extend: by how much CONCERNS lengthen the watch; its checkpoints go on as in the last phase.
        extensions: how often at most.
        evaluate_every: between looks at the limits.
        sample_every: between the samples that are compared with the baseline; unwritten: 5 minutes, or less where
            the first verdict would come before the twelfth sample, but not less than ``evaluate_every``.
        sign_off: within what time a checkpoint is to be signed; 0: nobody has to.
        remind: how long before a checkpoint those on call are told; 0: not.
        false_alarms: the chance that a version that changed nothing ends in CONCERNS or worse.
        rollback: the action that a FAILURE asks for.
        retire: the action that SUCCESS at the end asks for.
        verify: how long an action has to show that it helped.
        incident: the severity of the incident that a FAILURE opens; empty: none.

    """

    key_hints: ClassVar[dict[str, str]] = {"sets": "the key is called use", "services": "each check names its services"}

    name: str = Field(default="default", min_length=1)
    match_services: Names = ()
    services: Names = ()
    phases: tuple[DeployPhase, ...] = Field(default=DEFAULT_PHASES, min_length=1)
    verdicts: Annotated[tuple[Duration, ...], OneOrMany] = ()
    extend: Annotated[Duration, Field(gt=0)] = DAY
    extensions: int = Field(default=1, ge=0, le=10)
    evaluate_every: Annotated[Duration, Field(ge=SECOND)] = 30 * SECOND
    sample_every: Annotated[Duration, Field(ge=SECOND)] = 5 * MINUTE
    sign_off: Duration = 30 * MINUTE
    remind: Duration = 5 * MINUTE
    false_alarms: Annotated[Number, Field(gt=0, le=0.5)] = 0.05
    baseline: Annotated[Baseline, BeforeValidator(_baseline), WithJsonSchema({"type": ["string", "object"]})] = (
        Baseline()
    )
    use: Annotated[
        tuple[Annotated[CheckSet, BeforeValidator(_set), WithJsonSchema({"type": ["string", "object"]})], ...],
        OneOrMany,
    ] = ()
    checks: tuple[Check, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    notify: Targets = ()
    rollback: str = ""
    retire: str = ""
    verify: Annotated[Duration, Field(gt=0)] = 10 * MINUTE
    incident: Literal["", "P0", "P1", "P2", "P3"] = "P1"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        before = 0
        for index, phase in enumerate(self.phases):
            if phase.until <= before:
                raise refuse("each phase must end later than the one before", "phases", index, "until")
            before = phase.until
        for index, at in enumerate(self.verdicts):
            if at > before:
                raise refuse("a verdict lies after the last phase", "verdicts", index)
        self._sample_often_enough()
        if self.sample_every < self.evaluate_every or self.sample_every % self.evaluate_every:
            raise refuse("it must be a multiple of evaluate_every", "sample_every")
        if not self.all_checks():
            raise refuse("a plan needs checks", "checks", hint=f"write use: [{', '.join(CHECK_SETS)}], or checks")
        names = [check.name for check in self.all_checks()]
        for index, check in enumerate(self.checks):
            if names.count(check.name) > 1:
                msg = f"two checks have the name {check.name!r}"
                raise refuse(msg, "checks", index, "name")
        return self

    def _sample_often_enough(self) -> None:
        """Unwritten, a plan of minutes samples more often than one of days: without samples nothing is concluded."""
        often = self.verdict_times[0] // _BEFORE_VERDICT // self.evaluate_every * self.evaluate_every
        if "sample_every" not in self.model_fields_set and often < self.sample_every:
            object.__setattr__(self, "sample_every", max(often, self.evaluate_every))

    @property
    def end(self) -> int:
        """When the last phase ends, ms since the deployment."""
        return self.phases[-1].until

    @property
    def verdict_times(self) -> tuple[int, ...]:
        """When is concluded: as written, and at the end; unwritten: half way (24 of 48 h) and at the end."""
        return tuple(sorted({*(self.verdicts or (self.end // 2,)), self.end}))

    def all_checks(self) -> tuple[Check, ...]:
        """Those of the sets that are used, then its own; one of its own replaces one of a set with the same name."""
        own = {check.name for check in self.checks}
        found = [
            Check(**{**row, **({"services": used.services} if used.services else {})})
            for used in self.use
            for row in CHECK_SETS[used.name]
            if row["name"] not in own
        ]
        return (*found, *self.checks)


def _place_of_version(value: str) -> str:
    kind, colon, name = value.partition(":")
    if value != "image" and not (kind in {"label", "annotation"} and colon and name):
        msg = f"{value!r} is no place where a version stands"
        raise refuse(msg, hint="write label:NAME, annotation:NAME, or image for the tag of the image")
    return value


VersionPlaces = Annotated[tuple[Annotated[str, AfterValidator(_place_of_version)], ...], OneOrMany]


class VersionSource(StrictModel):
    """The containers or pods of one service.

    Attributes:
        labels: all of them must be there; none: a usual label names the service, or its container has its name.
        namespace: of the pods; empty: any.
        container: whose image tells the version; empty: the one with the service's name, or the first.
        version: where it stands; the first that is there counts. None: as ``version_from`` says.
    """

    service: str = Field(min_length=1)
    labels: TextMap = Field(default_factory=dict)
    namespace: str = ""
    container: str = ""
    version: VersionPlaces = ()


class DeploymentsConfig(StrictModel):
    """How deployments are noticed and watched.

    Attributes:
        plans: the first whose ``match_services`` has the service is used, else the first.
        version_label: a new value of this label on a service's targets starts a watch; empty: there is none.
        watch_containers: whether a new version of the containers that Docker and Kubernetes discovery find does, too.
        version_from: where the version of a container or pod stands; the first that is there counts.
        versions: services whose containers do not carry the service's name, or tell their version otherwise.
        docker_sd_configs: daemons whose containers are looked at and not scraped.
        kubernetes_sd_configs: clusters likewise.
    """

    plans: tuple[DeployPlan, ...] = ()
    version_label: str = ""
    watch_containers: bool = True
    version_from: VersionPlaces = (
        "label:app.kubernetes.io/version",
        "label:org.opencontainers.image.version",
        "image",
    )
    versions: tuple[VersionSource, ...] = ()
    docker_sd_configs: tuple[DockerSdConfig, ...] = ()
    kubernetes_sd_configs: tuple[KubernetesSdConfig, ...] = ()

    def plan(self, name: str, service: str) -> DeployPlan | None:
        """The plan of that name; with no name the one for a service."""
        if name:
            return next((plan for plan in self.plans if plan.name == name), None)
        return next(
            (plan for plan in self.plans if service in plan.match_services), self.plans[0] if self.plans else None
        )
