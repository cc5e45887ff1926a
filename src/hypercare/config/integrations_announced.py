"""Receiver integrations that are understood but deliver nothing yet: their keys are checked, their use is announced."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.base import AnyUrl, Duration, FilePath, Secret, SecretUrl, StrictModel, TextMap, Url, refuse
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.remote import SigV4
from hypercare.model.time import SECOND

Groups = tuple[tuple[str, ...], ...]


class Undelivered(NotifierConfig):
    """Base of these kinds.

    ``needs`` maps a group of keys, one of which must be set, to the keys of ``global`` that may be set instead.
    """

    announced: ClassVar[str] = "receivers of this kind do not deliver yet"
    needs: ClassVar[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = ()

    http_config: HttpClientConfig | None = None

    def missing(self, defaults: AlertmanagerGlobal) -> str:
        """What is set neither here nor in ``global``."""
        for own, fallback in self.needs:
            if not any(getattr(self, key) for key in own) and not any(getattr(defaults, key) for key in fallback):
                return f"one of {', '.join(own)} is required, or one of {', '.join(fallback)} in global"
        return ""


_VICTOROPS_FIXED: Final = frozenset(
    {
        "routing_key",
        "message_type",
        "state_message",
        "entity_display_name",
        "monitoring_tool",
        "entity_id",
        "entity_state",
    }
)


class VictorOpsConfig(Undelivered):
    """``victorops_configs``."""

    exclusive: ClassVar[Groups] = (("api_key", "api_key_file"),)
    required_one: ClassVar[Groups] = (("routing_key",),)
    needs = ((("api_key", "api_key_file"), ("victorops_api_key", "victorops_api_key_file")),)

    send_resolved: bool = True
    api_key: Secret = Secret("")
    api_key_file: FilePath = ""
    api_url: Url | None = None
    routing_key: str = ""
    message_type: str = ""
    state_message: str = ""
    entity_display_name: str = ""
    monitoring_tool: str = ""
    custom_fields: TextMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _custom(self) -> Self:
        for name in self.custom_fields:
            if name in _VICTOROPS_FIXED:
                msg = f"the custom field {name!r} is one of the fixed fields"
                raise refuse(msg, "custom_fields", name)
        return self


class PushoverConfig(Undelivered):
    """``pushover_configs``."""

    exclusive: ClassVar[Groups] = (("user_key", "user_key_file"), ("token", "token_file"), ("html", "monospace"))
    required_one: ClassVar[Groups] = (("user_key", "user_key_file"), ("token", "token_file"))

    send_resolved: bool = True
    user_key: Secret = Secret("")
    user_key_file: FilePath = ""
    token: Secret = Secret("")
    token_file: FilePath = ""
    title: str = ""
    message: str = ""
    url: str = ""
    url_title: str = ""
    device: str = ""
    sound: str = ""
    priority: str = ""
    retry: Duration = 60 * SECOND
    expire: Duration = 3600 * SECOND
    ttl: Duration = 0
    html: bool = False
    monospace: bool = False


class WechatConfig(Undelivered):
    """``wechat_configs``."""

    exclusive: ClassVar[Groups] = (("api_secret", "api_secret_file"),)
    needs = (
        (("api_secret", "api_secret_file"), ("wechat_api_secret", "wechat_api_secret_file")),
        (("corp_id",), ("wechat_api_corp_id",)),
    )

    api_secret: Secret = Secret("")
    api_secret_file: FilePath = ""
    corp_id: str = ""
    message: str = ""
    api_url: Url | None = None
    to_user: str = ""
    to_party: str = ""
    to_tag: str = ""
    agent_id: str = ""
    message_type: Literal["", "text", "markdown"] = ""


class SnsConfig(Undelivered):
    """``sns_configs``."""

    exclusive: ClassVar[Groups] = (("target_arn", "topic_arn", "phone_number"),)
    required_one: ClassVar[Groups] = (("target_arn", "topic_arn", "phone_number"),)

    send_resolved: bool = True
    api_url: str = ""
    sigv4: SigV4 = SigV4()
    topic_arn: str = ""
    phone_number: str = ""
    target_arn: str = ""
    subject: str = ""
    message: str = ""
    attributes: TextMap = Field(default_factory=dict)


class WebexConfig(Undelivered):
    """``webex_configs``."""

    required_one: ClassVar[Groups] = (("room_id",),)

    send_resolved: bool = True
    api_url: Url | None = None
    message: str = ""
    room_id: str = ""

    @model_validator(mode="after")
    def _token(self) -> Self:
        if self.http_config is None or self.http_config.authorization is None:
            raise refuse("webex needs http_config.authorization with the bot's token")
        return self


class JiraConfig(Undelivered):
    """``jira_configs``."""

    required_one: ClassVar[Groups] = (("project",), ("issue_type",))
    needs = ((("api_url",), ("jira_api_url",)),)

    send_resolved: bool = True
    api_url: Url | None = None
    api_type: Literal["auto", "cloud", "datacenter"] = "auto"
    project: str = ""
    summary: Any = ""
    description: Any = ""
    labels: tuple[str, ...] = ()
    priority: str = ""
    issue_type: str = ""
    reopen_transition: str = ""
    resolve_transition: str = ""
    wont_fix_resolution: str = ""
    reopen_duration: Duration = 0
    fields: dict[str, Any] = Field(default_factory=dict)
    custom_fields: dict[str, Any] = Field(default_factory=dict)


class TitledField(StrictModel):
    """A field of a message; title and value are needed."""

    title: str = Field(min_length=1)
    value: str = Field(min_length=1)
    short: bool | None = None


class RocketchatAction(StrictModel):
    """A button."""

    type: str = "button"
    text: str = ""
    url: str = ""
    msg: str = ""
    msg_in_chat_window: bool = False
    msg_processing_type: str = ""


class RocketchatConfig(Undelivered):
    """``rocketchat_configs``."""

    exclusive: ClassVar[Groups] = (("token", "token_file"), ("token_id", "token_id_file"))
    needs = (
        (("token", "token_file"), ("rocketchat_token", "rocketchat_token_file")),
        (("token_id", "token_id_file"), ("rocketchat_token_id", "rocketchat_token_id_file")),
    )

    api_url: Url | None = None
    token_id: Secret = Secret("")
    token_id_file: FilePath = ""
    token: Secret = Secret("")
    token_file: FilePath = ""
    channel: str = ""
    color: str = ""
    title: str = ""
    title_link: str = ""
    text: str = ""
    fields: tuple[TitledField, ...] = ()
    short_fields: bool = False
    emoji: str = ""
    icon_url: str = ""
    image_url: str = ""
    thumb_url: str = ""
    link_names: bool = False
    actions: tuple[RocketchatAction, ...] = ()


class MattermostAttachment(StrictModel):
    """An attachment of a Mattermost message."""

    fallback: str = ""
    color: str = ""
    pretext: str = ""
    text: str = ""
    author_name: str = ""
    author_link: str = ""
    author_icon: str = ""
    title: str = ""
    title_link: str = ""
    fields: tuple[TitledField, ...] = ()
    thumb_url: str = ""
    footer: str = ""
    footer_icon: str = ""
    image_url: str = ""


class MattermostConfig(Undelivered):
    """``mattermost_configs``."""

    exclusive: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)
    needs = ((("webhook_url", "webhook_url_file"), ("mattermost_webhook_url", "mattermost_webhook_url_file")),)

    send_resolved: bool = True
    webhook_url: SecretUrl = Secret("")
    webhook_url_file: FilePath = ""
    channel: str = ""
    username: str = ""
    icon_url: str = ""
    icon_emoji: str = ""
    text: str = ""
    attachments: tuple[MattermostAttachment, ...] = ()
    type: str = ""
    props: dict[str, Any] = Field(default_factory=dict)
    priority: dict[str, Any] | None = None


class IncidentioConfig(Undelivered):
    """``incidentio_configs``."""

    exclusive: ClassVar[Groups] = (("url", "url_file"), ("alert_source_token", "alert_source_token_file"))
    required_one: ClassVar[Groups] = (("url", "url_file"),)

    send_resolved: bool = True
    url: AnyUrl = ""
    url_file: FilePath = ""
    alert_source_token: Secret = Secret("")
    alert_source_token_file: FilePath = ""
    max_alerts: int = 0
    timeout: Duration = 0
    metadata: TextMap = Field(default_factory=dict)


ANNOUNCED: Mapping[str, type[StrictModel]] = MappingProxyType(
    {
        "victorops_configs": VictorOpsConfig,
        "pushover_configs": PushoverConfig,
        "wechat_configs": WechatConfig,
        "sns_configs": SnsConfig,
        "webex_configs": WebexConfig,
        "jira_configs": JiraConfig,
        "rocketchat_configs": RocketchatConfig,
        "mattermost_configs": MattermostConfig,
        "incidentio_configs": IncidentioConfig,
    }
)
"""Models of all kinds that nobody delivers yet, by key."""
