"""``telegram_configs``."""

from typing import ClassVar, Literal

from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.base import Duration, FilePath, Secret, StrictModel, Url
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class TelegramConfig(NotifierConfig):
    """One chat; a bot's token that is not set here is taken from ``global``."""

    exclusive: ClassVar[Groups] = (("bot_token", "bot_token_file"), ("chat_id", "chat_id_file"))
    required_one: ClassVar[Groups] = (("chat_id", "chat_id_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    api_url: Url | None = None
    bot_token: Secret = Secret("")
    bot_token_file: FilePath = ""
    chat_id: int = 0
    chat_id_file: FilePath = ""
    message_thread_id: int = 0
    message: str = '{{ template "telegram.default.message" . }}'
    disable_notifications: bool = False
    parse_mode: Literal["", "Markdown", "MarkdownV2", "HTML"] = "HTML"
    timeout: Duration = 0

    def missing(self, defaults: StrictModel) -> str:
        """A bot's token."""
        assert isinstance(defaults, AlertmanagerGlobal)  # noqa: S101 - narrows the type
        known = self.bot_token or self.bot_token_file or defaults.telegram_bot_token or defaults.telegram_bot_token_file
        return "" if known else "bot_token or bot_token_file is required, or telegram_bot_token in global"


def contact(way: Contact, person: Person) -> TelegramConfig:
    """A person's chat with the bot of ``global``."""
    del person
    return TelegramConfig(chat_id=int(way.to))
