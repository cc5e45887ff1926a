"""``slack_configs``."""

from typing import ClassVar

from pydantic import model_validator

from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.base import Duration, FilePath, Secret, SecretUrl, StrictModel, Url, refuse
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class SlackField(StrictModel):
    """A field of the attachment: a title and a text, two side by side where short."""

    required_one: ClassVar[Groups] = (("title",), ("value",))

    title: str = ""
    value: str = ""
    short: bool | None = None


class SlackConfirmation(StrictModel):
    """A question before an action."""

    required_one: ClassVar[Groups] = (("text",),)

    text: str = ""
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


class SlackAction(StrictModel):
    """A button of the attachment."""

    required_one: ClassVar[Groups] = (("type",), ("text",), ("url", "name"))

    type: str = ""
    text: str = ""
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: SlackConfirmation | None = None


class SlackConfig(NotifierConfig):
    """One Slack channel; what is not set here is taken from ``global``.

    Attributes:
        update_message: change the message of a group instead of posting another one (with a bot token).

    """

    exclusive: ClassVar[Groups] = (("api_url", "api_url_file", "app_token", "app_token_file"),)

    send_resolved: bool = False
    http_config: HttpClientConfig | None = None
    api_url: SecretUrl = Secret("")
    api_url_file: FilePath = ""
    app_token: Secret = Secret("")
    app_token_file: FilePath = ""
    app_url: Url | None = None
    channel: str = ""
    username: str = '{{ template "slack.default.username" . }}'
    color: str = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    title: str = '{{ template "slack.default.title" . }}'
    title_link: str = '{{ template "slack.default.titlelink" . }}'
    pretext: str = '{{ template "slack.default.pretext" . }}'
    text: str = '{{ template "slack.default.text" . }}'
    fields: tuple[SlackField, ...] = ()
    short_fields: bool = False
    footer: str = '{{ template "slack.default.footer" . }}'
    fallback: str = '{{ template "slack.default.fallback" . }}'
    callback_id: str = '{{ template "slack.default.callbackid" . }}'
    icon_emoji: str = '{{ template "slack.default.iconemoji" . }}'
    icon_url: str = '{{ template "slack.default.iconurl" . }}'
    image_url: str = ""
    thumb_url: str = ""
    link_names: bool = False
    mrkdwn_in: tuple[str, ...] = ()
    actions: tuple[SlackAction, ...] = ()
    message_text: str = ""
    update_message: bool = False
    timeout: Duration = 0

    @model_validator(mode="after")
    def _update(self) -> "SlackConfig":
        webhook = self.api_url_file or (self.api_url and not self.api_url.reveal().endswith("/chat.postMessage"))
        if self.update_message and webhook:
            raise refuse(
                "update_message needs a bot token: a webhook's messages cannot be changed",
                "update_message",
                hint="set app_token, or api_url: https://slack.com/api/chat.postMessage with http_config.authorization",
            )
        return self

    def missing(self, defaults: StrictModel) -> str:
        """An address, or a token."""
        assert isinstance(defaults, AlertmanagerGlobal)  # noqa: S101 - narrows the type
        own = self.api_url or self.api_url_file or self.app_token or self.app_token_file
        shared = (
            defaults.slack_api_url
            or defaults.slack_api_url_file
            or defaults.slack_app_token
            or defaults.slack_app_token_file
        )
        return "" if own or shared else "api_url, api_url_file or app_token is required, or slack_api_url in global"


def contact(way: Contact, person: Person) -> SlackConfig:
    """A person's Slack webhook, or a channel or user reached through ``global``."""
    del person
    return SlackConfig(api_url=way.url, api_url_file=way.url_file, channel=way.to)
