"""``services``, ``incidents``, ``collect``, ``storage`` and ``web`` of hypercare.yml."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.alertmanager import OneOrManyMatchers
from hypercare.config.base import (
    AnyUrl,
    Duration,
    FilePath,
    HostPort,
    OneOrMany,
    Regex,
    Secret,
    Size,
    StrictModel,
    TextMap,
    Url,
    check_http_url,
    refuse,
)
from hypercare.config.http_client import HttpClientConfig
from hypercare.config.incident_room import (
    DEFAULT_PHASES,
    Definitions,
    Notice,
    NoticeTexts,
    Phase,
    PostmortemConfig,
    check_phases,
)
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp, matches_all
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.promql import PromqlError, parse

Groups = tuple[tuple[str, ...], ...]
_SECOND_OR_MORE = Field(ge=SECOND)


def _status(value: Any) -> Any:
    text = str(value).lower()
    if not re.fullmatch(r"[1-5](xx|\d\d)", text):
        msg = f"expected an HTTP status such as 200 or 2xx, found {value!r}"
        raise refuse(msg)
    return text


Status = Annotated[str, BeforeValidator(_status), WithJsonSchema({"type": ["string", "integer"]})]


class Expect(StrictModel):
    """What an answer must look like.

    Attributes:
        status: HTTP statuses, ``2xx`` for a whole class.
        body: an RE2 expression that must be found somewhere in the body.

    """

    status: Annotated[tuple[Status, ...], OneOrMany] = ("2xx",)
    body: Regex = ""

    def accepts_status(self, status: int) -> bool:
        """Whether the HTTP status is among the expected ones."""
        return any(text in {str(status), f"{str(status)[0]}xx"} for text in self.status)


class HealthCheck(StrictModel):
    """One probe of a service; exactly one of ``http``, ``tcp``, ``tls`` and ``dns`` says what is asked.

    Attributes:
        http: URL.
        tcp: host:port that accepts a connection.
        tls: host:port whose certificate is valid and stays so for ``min_validity``.
        dns: a name that resolves.
        interval: ms; 0: that of ``collect.probes``.
        timeout: ms; 0: that of ``collect.probes``.
        max_latency: an answer that takes longer is a failure; 0: none.

    """

    exclusive: ClassVar[Groups] = (("http", "tcp", "tls", "dns"),)
    required_one: ClassVar[Groups] = (("http", "tcp", "tls", "dns"),)

    name: str = ""
    http: Url | None = None
    tcp: HostPort = ""
    tls: HostPort = ""
    dns: str = ""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    headers: TextMap = Field(default_factory=dict)
    record_type: Literal["A", "AAAA", "SRV", "MX", "NS", "TXT", "CNAME"] = "A"
    server: HostPort = ""
    interval: Duration = 0
    timeout: Duration = 0
    expect: Expect = Expect()
    max_latency: Duration = 0
    min_validity: Duration = 14 * DAY
    http_config: HttpClientConfig | None = None

    @property
    def kind(self) -> str:
        """http, tcp, tls or dns."""
        return next(kind for kind in ("http", "tcp", "tls", "dns") if getattr(self, kind))

    @property
    def target(self) -> str:
        """What is asked."""
        return str(getattr(self, self.kind))


def _percent(value: Any) -> Any:
    return value.removesuffix("%").strip() if isinstance(value, str) else value


Percent = Annotated[
    float,
    BeforeValidator(_percent),
    Field(gt=0.0, le=100.0),
    WithJsonSchema({"type": ["number", "string"], "examples": [99.9, "99.9%"]}),
]


class Slo(StrictModel):
    """What a service promises over ``window``.

    Attributes:
        availability: percent of good requests where ``errors`` and ``total`` tell them, else of good health checks.
        latency: the ``latency_percentile`` of responses is at most this, ms; 0: no promise.
        error_rate: percent of failed requests at most; needs ``errors`` and ``total``.
        errors: PromQL with ``$window``: failed requests a second.
        total: PromQL with ``$window``: all requests a second.
        latency_metric: a histogram with a bucket at ``latency``, with matchers; empty: health checks are timed.

    """

    availability: Percent | None = None
    latency: Duration = 0
    latency_percentile: Percent = 95.0
    error_rate: Percent | None = None
    objective: str = ""
    window: Annotated[Duration, Field(ge=HOUR)] = 30 * DAY
    errors: str = ""
    total: str = ""
    latency_metric: str = ""

    @model_validator(mode="after")
    def _expressions(self) -> Self:
        if bool(self.errors) != bool(self.total):
            raise refuse("errors and total belong together", "errors" if self.errors else "total")
        if self.error_rate is not None and not self.total:
            hint = "write errors: and total:, PromQL with $window; or availability:, which health checks can tell"
            raise refuse("what failed requests are is not said", "error_rate", hint=hint)
        for key in ("errors", "total"):
            text = getattr(self, key)
            if text and "$window" not in text:
                raise refuse(f"{key} needs $window", key, hint="for example sum(rate(http_requests_total[$window]))")
            _parsed(text.replace("$window", "5m"), key)
        if self.latency_metric and self.latency:
            _parsed(f"rate({self.latency_buckets(1.0)}[5m])", "latency_metric")
        return self

    def latency_buckets(self, bound: float) -> str:
        """The bucket of the histogram that has what took at most ``bound`` seconds."""
        name, _, matchers = self.latency_metric.partition("{")
        inner = matchers.removesuffix("}")
        return f'{name}_bucket{{{inner}{"," if inner else ""}le="{bound:g}"}}'

    def latency_count(self) -> str:
        """The histogram's number of events."""
        name, brace, matchers = self.latency_metric.partition("{")
        return f"{name}_count{brace}{matchers}"


def _parsed(text: str, key: str) -> None:
    if not text:
        return
    try:
        parse(text)
    except PromqlError as error:
        msg = f"not PromQL: {error}"
        raise refuse(msg, key) from None


class Service(StrictModel):
    """A part of the platform that somebody answers for.

    Attributes:
        tier: 1 is the most important.
        owner: a team or a person.
        escalation: the policy of its incidents; empty: the first that fits.
        match: how its alerts and series are recognised; none: ``service="<name>"`` or ``job="<name>"``.

    """

    key_hints: ClassVar[dict[str, str]] = {"healthcheck": "the key is called health", "team": "the key is called owner"}

    name: str = Field(min_length=1)
    tier: int = Field(default=3, ge=1, le=4)
    owner: str = ""
    description: str = ""
    health: Annotated[tuple[HealthCheck, ...], OneOrMany] = ()
    runbook: AnyUrl = ""
    slo: Slo | None = None
    labels: TextMap = Field(default_factory=dict)
    escalation: str = ""
    match: OneOrManyMatchers = ()

    @property
    def selectors(self) -> tuple[tuple[Matcher, ...], ...]:
        """Matcher sets, one of which must fit as a whole."""
        if self.match:
            return (self.match,)
        return tuple((Matcher(label, MatchOp.EQUAL, self.name),) for label in ("service", "job"))

    def selects(self, labels: Labels) -> bool:
        """Whether an alert or a series with these labels belongs to the service."""
        if not self.match:
            # What the selectors say, without making them: each page asks every service about every alert.
            return self.name in {labels.get("service"), labels.get("job")}
        return matches_all(self.match, labels)


class SeverityRule(StrictModel):
    """Alerts that fit ``match`` (of services of ``tier``, where given) make incidents of severity ``is``."""

    match: OneOrManyMatchers = ()
    tier: int | None = Field(default=None, ge=1, le=4)
    is_: Severity = Field(alias="is")

    def fits(self, labels: Labels, tier: int | None) -> bool:
        """Whether the rule decides for an alert with these labels."""
        return (self.tier is None or self.tier == tier) and matches_all(self.match, labels)


def _one(name: str, value: str) -> tuple[Matcher, ...]:
    return (Matcher(name, MatchOp.EQUAL, value),)


DEFAULT_SEVERITIES = (
    SeverityRule(match=_one("severity", "critical"), is_=Severity.P1),
    SeverityRule(match=_one("severity", "warning"), is_=Severity.P2),
)


class IncidentsConfig(StrictModel):
    """Which alerts open an incident, how bad it is, when it is over.

    Attributes:
        open: all of these must fit.
        severity: the first rule that fits decides; after them critical is P1, warning P2, the rest P3.
        quiet_time: so long after the last alert has ended the incident resolves itself, ms.
        confirm: a person has to confirm the end instead.
        ack_timeout: so long after the last word of a person in an acknowledged incident whose alerts still fire, those
            on call are paged again, ms; 0: an acknowledgement holds for ever.
        group_by: alerts with equal values of these labels belong to one incident.
        definitions: what the severities mean, and how often those who wait are told.
        phases: stretches of the work, with their checklists.
        notify: who is told of incidents, beside those who are paged.
        texts: templates of what they are told.
        postmortem: what follows.

    """

    open: OneOrManyMatchers = _one("severity", "critical")
    severity: tuple[SeverityRule, ...] = ()
    quiet_time: Duration = 10 * MINUTE
    confirm: bool = False
    ack_timeout: Duration = 0
    group_by: tuple[str, ...] = ("alertname", "service")
    definitions: Definitions = Definitions()
    phases: tuple[Phase, ...] = DEFAULT_PHASES
    notify: tuple[Notice, ...] = ()
    texts: NoticeTexts = NoticeTexts()
    postmortem: PostmortemConfig = PostmortemConfig()

    @model_validator(mode="after")
    def _phases(self) -> Self:
        check_phases(self.phases)
        return self

    def opens(self, labels: Labels) -> bool:
        """Whether an alert with these labels opens an incident."""
        return matches_all(self.open, labels)

    def severity_of(self, labels: Labels, tier: int | None = None) -> Severity:
        """How bad an incident is that an alert with these labels opens."""
        for rule in (*self.severity, *DEFAULT_SEVERITIES):
            if rule.fits(labels, tier):
                return rule.is_
        return Severity.P3


def switch(value: Any) -> Any:
    """``host: true`` for ``host: {enabled: true}``."""
    text = str(value).lower()
    return {"enabled": value} if not isinstance(value, dict) and text in {"true", "false", "yes", "no"} else value


class HostCollector(StrictModel):
    """CPU, memory, disks, … of the machine we run on, under node_exporter's names."""

    enabled: bool = True
    interval: Annotated[Duration, _SECOND_OR_MORE] = 15 * SECOND
    labels: TextMap = Field(default_factory=dict)


class ProbeDefaults(StrictModel):
    """Defaults of all health checks."""

    interval: Annotated[Duration, _SECOND_OR_MORE] = 30 * SECOND
    timeout: Annotated[Duration, Field(gt=0)] = 10 * SECOND


class SelfCollector(StrictModel):
    """Hypercare's own metrics."""

    enabled: bool = True
    interval: Annotated[Duration, _SECOND_OR_MORE] = 15 * SECOND


class CollectConfig(StrictModel):
    """Built-in collectors."""

    host: Annotated[HostCollector, BeforeValidator(switch)] = HostCollector()
    probes: ProbeDefaults = ProbeDefaults()
    self_: Annotated[SelfCollector, BeforeValidator(switch)] = Field(default=SelfCollector(), alias="self")


class StorageConfig(StrictModel):
    """How long samples are kept; ``retention_size`` 0: no limit.

    Attributes:
        cache_size: of decompressed samples, which queries over long spans fill; 0: a twentieth of the memory.
        history: how long runs of actions and deployment watches are kept after their end, ms.

    """

    history: Annotated[Duration, Field(ge=DAY)] = 400 * DAY
    retention: Annotated[Duration, Field(gt=0)] = 15 * DAY
    retention_size: Size = 0
    cache_size: Size = 0


def _external_url(url: str) -> str:
    return check_http_url(url).rstrip("/") if url else url


class User(StrictModel):
    """Somebody who may log in; ``password_hash`` is an Argon2 hash."""

    exclusive: ClassVar[Groups] = (("password_hash", "password_hash_file"),)
    required_one: ClassVar[Groups] = (("password_hash", "password_hash_file"),)
    key_hints: ClassVar[dict[str, str]] = {"password": "write a hash into password_hash"}

    name: str = Field(min_length=1)
    password_hash: Secret = Secret("")
    password_hash_file: FilePath = ""
    role: Literal["viewer", "responder", "admin"] = "viewer"


class OidcRoles(StrictModel):
    """Which values of the roles claim make whom; the highest that fits counts."""

    viewer: Annotated[tuple[str, ...], OneOrMany] = ()
    responder: Annotated[tuple[str, ...], OneOrMany] = ()
    admin: Annotated[tuple[str, ...], OneOrMany] = ()


class Oidc(StrictModel):
    """Log-in by OpenID Connect (authorization code with PKCE); ``web.external_url`` has to be set.

    Attributes:
        issuer: as in the provider's tokens; ``/.well-known/openid-configuration`` is read below it.
        name_claim: of the ID token or the user's information: what people are called.
        roles_claim: holds a text or a list; dots lead into objects: ``realm_access.roles``.
        default_role: of who has none of the values; empty: they do not come in.
        title: on the button of the log-in page.

    """

    exclusive: ClassVar[Groups] = (("client_secret", "client_secret_file"),)

    issuer: Annotated[str, AfterValidator(check_http_url)]
    client_id: str = Field(min_length=1)
    client_secret: Secret = Secret("")
    client_secret_file: FilePath = ""
    scopes: Annotated[tuple[str, ...], OneOrMany] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    roles_claim: str = "groups"
    roles: OidcRoles = OidcRoles()
    default_role: Literal["", "viewer", "responder"] = ""
    title: str = "Log in with single sign-on"


class WebConfig(StrictModel):
    """The web server; beyond loopback it demands a token or a user.

    Attributes:
        session_idle: a session that is not used for so long ends.
        session_max: a session ends so long after the log-in.
        admin_api: whether ``/api/v1/admin/tsdb`` may delete series and make snapshots.
        cors_origin: a regular expression for the origins of pages that may read Prometheus' API; empty: none.
        open: what nobody has to log in for: ``metrics`` (hypercare's own, at /metrics), ``ingest`` (sending samples,
            logs and alerts).

    """

    exclusive: ClassVar[Groups] = (("token", "token_file"),)

    listen: HostPort = ""
    external_url: Annotated[str, AfterValidator(_external_url)] = ""
    token: Secret = Secret("")
    token_file: FilePath = ""
    users: tuple[User, ...] = ()
    oidc: Oidc | None = None
    session_idle: Annotated[Duration, Field(ge=MINUTE)] = 12 * HOUR
    session_max: Annotated[Duration, Field(ge=MINUTE)] = 7 * DAY
    admin_api: bool = False
    cors_origin: Regex = ""
    open: Annotated[tuple[Literal["metrics", "ingest"], ...], OneOrMany] = ()

    @model_validator(mode="after")
    def _users(self) -> Self:
        if self.oidc is not None and not self.external_url:
            raise refuse("log-in by OpenID Connect needs external_url, to which the provider sends people back", "oidc")
        names = [user.name for user in self.users]
        for index, name in enumerate(names):
            if name in names[:index]:
                msg = f"two users have the name {name!r}"
                raise refuse(msg, "users", index, "name")
        return self
