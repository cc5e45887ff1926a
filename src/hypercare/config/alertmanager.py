"""alertmanager.yml: global settings, the route tree, inhibition, receivers, time intervals."""

import functools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, create_model, model_validator

from hypercare.config.base import (
    Announced,
    Duration,
    FilePath,
    HostPort,
    LabelMap,
    LabelName,
    OneOrMany,
    PathText,
    Regex,
    Secret,
    SecretUrl,
    StrictModel,
    Url,
    refuse,
)
from hypercare.config.http_client import HttpClientConfig, TlsConfig
from hypercare.config.matcher_text import MatcherError, format_matcher, parse_matchers
from hypercare.config.remote import Tracing
from hypercare.config.time_intervals import NamedTimeIntervals
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import HOUR, MINUTE, SECOND

Groups = tuple[tuple[str, ...], ...]
_NOBODY: Final = Announced("receivers of this kind do not deliver yet")
GROUP_BY_ALL: Final = "..."


def _matchers(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise refuse('expected a list of matchers such as severity="critical"', hint="put it into [ ]")
    found: list[Matcher] = []
    for index, item in enumerate(value):
        if isinstance(item, Matcher):
            found.append(item)
            continue
        if not isinstance(item, str):
            raise refuse('expected a matcher such as severity="critical"', index)
        try:
            found.extend(parse_matchers(str(item)))
        except MatcherError as err:
            msg = f"not a matcher: {err}"
            raise refuse(msg, index, hint='write it as name="value"') from None
    return tuple(found)


Matchers = Annotated[
    tuple[Matcher, ...],
    BeforeValidator(_matchers),
    PlainSerializer(lambda ms: [format_matcher(m) for m in ms], return_type=list[str], when_used="json"),
    WithJsonSchema({"type": "array", "items": {"type": "string", "examples": ['severity="critical"']}}),
]
"""A list of matcher texts, all of which must fit; one text may hold several."""
OneOrManyMatchers = Annotated[Matchers, OneOrMany]
"""The same, or one text without the list (in hypercare.yml; Alertmanager wants the list)."""


class AlertmanagerGlobal(StrictModel):
    """Defaults of all receivers."""

    exclusive: ClassVar[Groups] = (
        ("smtp_auth_password", "smtp_auth_password_file"),
        ("smtp_auth_secret", "smtp_auth_secret_file"),
        ("slack_api_url", "slack_api_url_file"),
        ("slack_app_token", "slack_app_token_file"),
        ("opsgenie_api_key", "opsgenie_api_key_file"),
        ("victorops_api_key", "victorops_api_key_file"),
        ("wechat_api_secret", "wechat_api_secret_file"),
        ("telegram_bot_token", "telegram_bot_token_file"),
        ("rocketchat_token", "rocketchat_token_file"),
        ("rocketchat_token_id", "rocketchat_token_id_file"),
        ("mattermost_webhook_url", "mattermost_webhook_url_file"),
    )

    resolve_timeout: Duration = 5 * MINUTE
    http_config: HttpClientConfig | None = None
    smtp_from: str = ""
    smtp_hello: str = "localhost"
    smtp_smarthost: HostPort = ""
    smtp_auth_username: str = ""
    smtp_auth_password: Secret = Secret("")
    smtp_auth_password_file: FilePath = ""
    smtp_auth_secret: Secret = Secret("")
    smtp_auth_secret_file: FilePath = ""
    smtp_auth_identity: str = ""
    smtp_require_tls: bool = True
    smtp_force_implicit_tls: bool | None = None
    smtp_tls_config: TlsConfig | None = None
    slack_api_url: SecretUrl = Secret("")
    slack_api_url_file: FilePath = ""
    slack_app_token: Secret = Secret("")
    slack_app_token_file: FilePath = ""
    slack_app_url: Url = "https://slack.com/api/chat.postMessage"
    pagerduty_url: Url = "https://events.pagerduty.com/v2/enqueue"
    opsgenie_api_url: Url = "https://api.opsgenie.com/"
    opsgenie_api_key: Secret = Secret("")
    opsgenie_api_key_file: FilePath = ""
    wechat_api_url: Annotated[Url, _NOBODY] = "https://qyapi.weixin.qq.com/cgi-bin/"
    wechat_api_secret: Annotated[Secret, _NOBODY] = Secret("")
    wechat_api_secret_file: Annotated[FilePath, _NOBODY] = ""
    wechat_api_corp_id: Annotated[str, _NOBODY] = ""
    victorops_api_url: Annotated[Url, _NOBODY] = "https://alert.victorops.com/integrations/generic/20131114/alert/"
    victorops_api_key: Annotated[Secret, _NOBODY] = Secret("")
    victorops_api_key_file: Annotated[FilePath, _NOBODY] = ""
    telegram_api_url: Url = "https://api.telegram.org"
    telegram_bot_token: Secret = Secret("")
    telegram_bot_token_file: FilePath = ""
    webex_api_url: Annotated[Url, _NOBODY] = "https://webexapis.com/v1/messages"
    rocketchat_api_url: Annotated[Url, _NOBODY] = "https://open.rocket.chat/"
    rocketchat_token: Annotated[Secret, _NOBODY] = Secret("")
    rocketchat_token_file: Annotated[FilePath, _NOBODY] = ""
    rocketchat_token_id: Annotated[Secret, _NOBODY] = Secret("")
    rocketchat_token_id_file: Annotated[FilePath, _NOBODY] = ""
    mattermost_webhook_url: Annotated[SecretUrl, _NOBODY] = Secret("")
    mattermost_webhook_url_file: Annotated[FilePath, _NOBODY] = ""
    jira_api_url: Annotated[Url | None, _NOBODY] = None

    @model_validator(mode="after")
    def _slack(self) -> Self:
        has_token = bool(self.slack_app_token or self.slack_app_token_file)
        # The address for bot tokens is no webhook: an old way to use them that may stand beside the token.
        webhook = bool(self.slack_api_url) and self.slack_api_url.reveal() != self.slack_app_url
        if has_token and (webhook or self.slack_api_url_file):
            raise refuse("a Slack app token and a Slack webhook exclude each other", "slack_app_token")
        return self


class RouteMatch(StrictModel):
    """The matcher keys of a route, in the three ways of writing."""

    match: LabelMap = Field(default_factory=dict)
    match_re: dict[LabelName, Regex] = Field(default_factory=dict)
    matchers: Matchers = ()


def _combine(equal: dict[str, str], regex: dict[str, str], matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    found = [Matcher(name, MatchOp.EQUAL, value) for name, value in equal.items()]
    found += [Matcher(name, MatchOp.REGEX, value) for name, value in regex.items()]
    return tuple(sorted([*found, *matchers], key=lambda m: (m.name, m.value, m.op)))


class Route(RouteMatch):
    """A node of the route tree. What is none is inherited from the parent."""

    receiver: str | None = None
    group_by: tuple[LabelName, ...] | None = None
    continue_: bool = Field(default=False, alias="continue")
    routes: tuple["Route", ...] = ()
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    labels: LabelMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_route(self) -> Self:
        names = self.group_by or ()
        for index, name in enumerate(names):
            if name in names[:index]:
                msg = f"the label {name!r} stands twice in group_by"
                raise refuse(msg, "group_by", index)
        if GROUP_BY_ALL in names and len(names) > 1:
            raise refuse("'...' (group by all labels) cannot stand beside other labels", "group_by")
        for key in ("group_interval", "repeat_interval"):
            if getattr(self, key) == 0:
                msg = f"{key} cannot be zero"
                raise refuse(msg, key)
        return self

    @property
    def group_by_all(self) -> bool:
        """Whether every distinct label set is a group of its own."""
        return GROUP_BY_ALL in (self.group_by or ())

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """``match``, ``match_re`` and ``matchers`` together, sorted by name."""
        return _combine(self.match, self.match_re, self.matchers)

    def walk(self) -> Iterator["Route"]:
        """This route and all below it, depth first."""
        yield self
        for route in self.routes:
            yield from route.walk()


class InhibitRule(StrictModel):
    """Alerts that fit ``target`` are muted while one fits ``source`` and the labels of ``equal`` agree."""

    name: str = ""
    source_match: LabelMap = Field(default_factory=dict)
    source_match_re: dict[LabelName, Regex] = Field(default_factory=dict)
    source_matchers: Matchers = ()
    target_match: LabelMap = Field(default_factory=dict)
    target_match_re: dict[LabelName, Regex] = Field(default_factory=dict)
    target_matchers: Matchers = ()
    equal: tuple[LabelName, ...] = ()

    @property
    def source(self) -> tuple[Matcher, ...]:
        """All source matchers."""
        return _combine(self.source_match, self.source_match_re, self.source_matchers)

    @property
    def target(self) -> tuple[Matcher, ...]:
        """All target matchers."""
        return _combine(self.target_match, self.target_match_re, self.target_matchers)


class ConsoleConfig(StrictModel):
    """The integration of the default configuration: lines on the console."""

    send_resolved: bool = True


class Receiver(StrictModel):
    """A name for integrations; ``receiver_model`` adds the keys of a registry."""

    name: str = Field(min_length=1)
    labels: Annotated[LabelMap, Announced("labels of receivers are not used")] = Field(default_factory=dict)
    console_configs: tuple[ConsoleConfig, ...] = ()

    @model_validator(mode="after")
    def _label(self) -> Self:
        if self.labels.get("name", self.name) != self.name:
            raise refuse("the label name must be the receiver's name", "labels", "name")
        return self

    @property
    def integrations(self) -> tuple[tuple[str, StrictModel], ...]:
        """All integrations as (key, model), e.g. ``("slack_configs", …)``, by kind and in the order of the file."""
        keys = [name for name in type(self).model_fields if name.endswith("_configs")]
        return tuple((key, model) for key in keys for model in getattr(self, key))


class AlertmanagerConfig(StrictModel):
    """alertmanager.yml as a whole."""

    global_: AlertmanagerGlobal = Field(default=AlertmanagerGlobal(), alias="global")
    route: Route
    inhibit_rules: tuple[InhibitRule, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    templates: tuple[PathText, ...] = ()
    mute_time_intervals: tuple[NamedTimeIntervals, ...] = ()
    time_intervals: tuple[NamedTimeIntervals, ...] = ()
    tracing: Tracing | None = None

    @model_validator(mode="after")
    def _root(self) -> Self:
        root = self.route
        if not root.receiver:
            raise refuse("the root route needs a receiver", "route", "receiver")
        if root.all_matchers:
            raise refuse("the root route takes every alert and must not have matchers", "route", "matchers")
        for key in ("mute_time_intervals", "active_time_intervals"):
            if getattr(root, key):
                msg = f"the root route must not have {key}"
                raise refuse(msg, "route", key)
        if root.continue_:
            raise refuse("the root route has no sibling to continue with", "route", "continue")
        return self

    def receiver(self, name: str) -> Receiver | None:
        """The receiver of that name."""
        return next((r for r in self.receivers if r.name == name), None)

    @property
    def all_time_intervals(self) -> dict[str, NamedTimeIntervals]:
        """Both lists by name."""
        return {named.name: named for named in (*self.mute_time_intervals, *self.time_intervals)}


def alertmanager_model(integrations: Mapping[str, type[StrictModel]]) -> type[AlertmanagerConfig]:
    """``AlertmanagerConfig`` whose receivers take the keys of a registry (``slack_configs`` → model)."""
    return _alertmanager_model(tuple(sorted(integrations.items(), key=lambda item: item[0])))


@functools.lru_cache(maxsize=16)
def _alertmanager_model(integrations: tuple[tuple[str, type[StrictModel]], ...]) -> type[AlertmanagerConfig]:
    fields: dict[str, Any] = {key: (tuple[model, ...], ()) for key, model in integrations}  # type: ignore[valid-type]
    receiver = create_model("Receiver", __base__=Receiver, **fields)
    receivers: Any = (tuple[receiver, ...], ())
    return create_model("AlertmanagerConfig", __base__=AlertmanagerConfig, receivers=receivers)


def default_alertmanager() -> AlertmanagerConfig:
    """What applies without an alertmanager.yml: everything to the console, grouped by alert name."""
    return AlertmanagerConfig(
        route=Route(
            receiver="console",
            group_by=("alertname",),
            group_wait=10 * SECOND,
            group_interval=1 * MINUTE,
            repeat_interval=4 * HOUR,
        ),
        receivers=(Receiver(name="console", console_configs=(ConsoleConfig(),)),),
    )
