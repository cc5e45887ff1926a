"""What a channel is: a configuration model and four functions."""

from __future__ import annotations

import dataclasses
import email.utils
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from hypercare.channels.memory import Standing
from hypercare.config.channels import Outgoing
from hypercare.gotemplate import KV, Data, Template, alertmanager_functions
from hypercare.kernel import Delivered, Outcome, Permanent, Retry
from hypercare.model.time import SECOND
from hypercare.ports import Apprised, AppriseResult, HttpRequest, HttpResponse, Mail, MailResult, PortError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.channels.memory import Message
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts
    from hypercare.config.alertmanager import AlertmanagerGlobal
    from hypercare.config.base import Secret
    from hypercare.config.http_client import NotifierConfig
    from hypercare.config.people import Contact, Person
    from hypercare.model.time import Ms
    from hypercare.ports import Files

ConfigT = TypeVar("ConfigT", bound="NotifierConfig")


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """Text for the console."""

    text: str


Request: TypeAlias = HttpRequest | Mail | Line | Apprised
"""What goes through a port."""
Answer: TypeAlias = HttpResponse | PortError | MailResult | AppriseResult
"""What comes back."""


class NotSendableError(Exception):
    """The settings do not allow to send this, now or later."""


_NOTHING_DONE: Final = Standing()
_ANYWHERE: Final = Outgoing()


@dataclasses.dataclass(frozen=True, slots=True)
class Sending:
    """What a channel may use when it builds a request.

    Attributes:
        key: idempotency key of the effect; the same with every try.
        files: reads secrets kept in files, at the time of sending: a changed password needs no reload.
        defaults: ``global`` of alertmanager.yml.
        context: the notification's data for addresses and keys that are templates; none for pages.
        now: when it is sent.
        message_id: of this subject at this target, as people's answers will name it.
        earlier: what was delivered of this subject to this target before; none where that is over, or never was.
        standing: what people have done about it so far.
        firing: whether anything of it still fires.
        follows: whether it only shows what people have done.
        interactive: whether answers can come back from Slack.
        note: what has changed, in a few lines.
        outgoing: where requests may go.

    """

    key: str
    files: Files
    defaults: AlertmanagerGlobal
    context: Mapping[str, Any] | None = None
    now: Ms = 0
    message_id: str = ""
    earlier: Message | None = None
    standing: Standing = _NOTHING_DONE
    firing: bool = True
    follows: bool = False
    interactive: bool = False
    note: str = ""
    outgoing: Outgoing = _ANYWHERE

    def secret(self, value: Secret, file: str) -> str:
        """A secret that is given in the configuration or in a file; empty where neither is set.

        Raises:
            OSError: the file cannot be read.
        """
        return self.files.read(Path(file)).decode().strip() if file else value.reveal()

    def filled(self, secret: str) -> str:
        """A secret with its template rendered: addresses and keys may depend on the group's labels.

        Raises:
            TemplateError: it cannot be rendered.
            NotSendableError: there is no data for it (a page to a person).
        """
        if "{{" not in secret:
            return secret
        context = self.context
        if context is None:
            raise NotSendableError("a templated address cannot be used here")
        data = Data(
            receiver=context["receiver"],
            status=context["status"],
            group_labels=KV(context["group_labels"]),
            common_labels=KV(context["common_labels"]),
            common_annotations=KV(context["common_annotations"]),
            external_url=context["external_url"],
            # Absent where an older hypercare put the effect into the outbox.
            route_labels=KV(context.get("route_labels", {})),
            route_labels_rendered=True,
        )
        return Template.parse(secret).render(data, alertmanager_functions(0))


@dataclasses.dataclass(frozen=True, slots=True)
class Channel(Generic[ConfigT]):
    """One way to reach people.

    Attributes:
        name: as effects name it, e.g. ``slack``.
        key: of a receiver's list, e.g. ``slack_configs``.
        model: checks one element of that list.
        render: a notification as JSON without secrets.
        page: a page as JSON without secrets, in the form that ``request`` takes.
        request: what goes through the port; secrets are read here.
        classify: what the answer means.
        contact: the settings for a person's contact way.
        ref: the name by which an answer from outside comes back, from a receipt; none: nothing is remembered.
        follow: what to send when people have acknowledged or resolved what was told (from the content delivered last);
            none where the channel has no words for it.
        shows_standing: whether a follow-up shows who did what, not only that it was done.
        chains: whether a content may have ``then``: contents that follow once it was delivered.
        gone: errors that mean that the message is not there any more, so that a new one has to be made.
        http: whether its requests go over HTTP.

    """

    name: str
    key: str
    model: type[ConfigT]
    render: Callable[[ConfigT, Notification, Texts], dict[str, Any]]
    page: Callable[[Page], dict[str, Any]]
    request: Callable[[ConfigT, Mapping[str, Any], Sending], Request]
    classify: Callable[[Answer], Outcome]
    contact: Callable[[Contact, Person], ConfigT]
    ref: Callable[[Mapping[str, str]], str] | None = None
    follow: Callable[[Mapping[str, Any], Standing], dict[str, Any] | None] | None = None
    gone: tuple[str, ...] = ()
    shows_standing: bool = False
    chains: bool = False
    http: bool = True


_RETRIED = frozenset({408, 425, 429})


def classify_http(answer: Answer) -> Outcome:
    """2xx: delivered; 408, 425, 429 and 5xx, or no answer at all: later again; everything else: never."""
    if isinstance(answer, PortError):
        error = f"{answer.kind}: {answer.message}"
        # Where notifications may go is the configuration's to say; trying again changes nothing.
        return Permanent(error) if answer.kind == "forbidden" else Retry(error)
    if not isinstance(answer, HttpResponse):
        return Permanent("not an answer to an HTTP request")
    if 200 <= answer.status < 300:
        return Delivered(f"HTTP {answer.status}")
    error = f"HTTP {answer.status}: {excerpt(answer.body)}"
    if answer.status in _RETRIED or answer.status >= 500:
        return Retry(error, retry_after(answer))
    return Permanent(error)


def classify_mail(answer: Answer) -> Outcome:
    """4xx and no conversation at all: later again; 5xx: never."""
    if not isinstance(answer, MailResult):
        return Permanent("an HTTP answer to an e-mail")
    if answer.ok:
        return Delivered(answer.message)
    error = f"SMTP {answer.code}: {answer.message}" if answer.code else answer.message
    return Permanent(error) if 500 <= answer.code < 600 else Retry(error)


def retry_after(answer: HttpResponse) -> int | None:
    """The server's own wish in ms, as seconds or as a date; none where it has none that can be read."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal() and len(value) < 8:
        return int(value) * SECOND
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    arrived = answer.started_at + round(answer.duration * SECOND)
    return max(0, round(until.timestamp() * SECOND) - arrived)


def excerpt(body: bytes, limit: int = 300) -> str:
    """The beginning of an answer, for an error message."""
    text = " ".join(body[: 4 * limit].decode("utf-8", "replace").split())
    return text[:limit] + ("…" if len(text) > limit else "")


def json_body(content: object) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
