"""Performs effects: finds the settings in the running configuration, sends through a port, reads the answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hypercare.channels import console
from hypercare.channels.base import Channel, Line, NotSendableError, Request, Sending
from hypercare.channels.integration import BoundIntegration
from hypercare.channels.memory import Standing, message_id
from hypercare.channels.registry import BY_KEY
from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.channels import ChannelsConfig
from hypercare.gotemplate import TemplateError, TemplateSet
from hypercare.kernel import Delivered, Permanent, Retry
from hypercare.ports import Apprised, AppriseResult, HttpRequest, Mail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hypercare.channels.memory import Message
    from hypercare.config.alertmanager import AlertmanagerConfig
    from hypercare.config.loader import Config
    from hypercare.config.people import Person
    from hypercare.kernel import Effect, Outcome
    from hypercare.ports import Files, Ports

_log = logging.getLogger(__name__)
_Found = tuple[Channel[Any], Any]


def load_templates(patterns: Iterable[str], files: Files) -> tuple[TemplateSet, tuple[str, ...]]:
    """The default templates and those of the files that fit the patterns; with the errors of files left out."""
    templates = TemplateSet.alertmanager()
    errors: list[str] = []
    for pattern in patterns:
        for path in files.glob(pattern):
            try:
                templates.add(files.read(path).decode(), path.name)
            except (OSError, UnicodeDecodeError, TemplateError) as error:
                errors.append(f"{path}: {error}")
    return templates, tuple(errors)


class Dispatcher:
    """The kernel's deliverer. ``configure`` comes before anything is delivered, and at each reload.

    Args:
        ports: where effects leave.
        recall: what was delivered to a target of a subject before.

    Attributes:
        template_errors: template files that could not be read; their texts fall back to the defaults.

    """

    def __init__(self, ports: Ports, recall: Callable[[str, str], Message | None] = lambda _target, _s: None) -> None:
        self._ports = ports
        self._recall = recall
        self._settings = ChannelsConfig()
        self._defaults = AlertmanagerGlobal()
        self._receivers: dict[str, tuple[BoundIntegration, ...]] = {}
        self._targets: dict[str, _Found] = {}
        self.template_errors: tuple[str, ...] = ()

    def configure(self, config: Config) -> None:
        """Take the running configuration: the receivers of alertmanager.yml, and the people of hypercare.yml."""
        self.take(config.alertmanager, config.hypercare.people, config.hypercare.channels)

    def take(
        self, alertmanager: AlertmanagerConfig, people: Iterable[Person] = (), settings: ChannelsConfig | None = None
    ) -> None:
        """Take receivers, people, and what holds for all channels."""
        self._settings = settings or ChannelsConfig()
        templates, self.template_errors = load_templates(alertmanager.templates, self._ports.files)
        for error in self.template_errors:
            _log.error("template file left out: %s", error)
        receivers = bind(alertmanager, templates)
        targets: dict[str, _Found] = {i.target: (i.definition, i.config) for r in receivers.values() for i in r}
        # Where no people are configured, pages go to the console under this name.
        targets["person/everyone/0"] = (console.CHANNEL, console.ConsoleConfig())
        for person in people:
            for index, way in enumerate(person.contact):
                channel = BY_KEY[f"{way.channel}_configs"]
                targets[f"person/{person.name}/{index}"] = (channel, channel.contact(way, person))
        self._defaults = alertmanager.global_
        self._receivers, self._targets = receivers, targets

    @property
    def integrations(self) -> Mapping[str, tuple[BoundIntegration, ...]]:
        """The integrations of each receiver, in the order of the configuration; kinds nobody delivers are not there."""
        return self._receivers

    def targets(self, receiver: str) -> tuple[tuple[str, str], ...]:
        """Channel and target of each integration of a receiver, for a page to all of them."""
        return tuple((i.channel, i.target) for i in self._receivers.get(receiver, ()))

    @property
    def all_targets(self) -> Mapping[str, str]:
        """The channel of every target that something can be sent to now: integrations, and people's contact ways."""
        return {target: channel.name for target, (channel, _) in self._targets.items()}

    @property
    def uses_http(self) -> bool:
        """Whether anybody is told over HTTP."""
        return any(channel.http for channel, _ in self._targets.values())

    def deliver(self, effect: Effect, reply: Callable[[Outcome], None]) -> None:
        """Start a delivery. Never raises: what is wrong is the outcome."""
        found = self._targets.get(effect.target)
        if found is None or found[0].name != effect.channel:
            reply(Permanent("receiver no longer exists"))
            return
        channel, config = found
        prepared = self._prepare(channel, config, effect)
        match prepared:
            case HttpRequest():
                self._ports.http.submit(prepared, lambda answer: reply(channel.classify(answer)))
            case Mail():
                self._ports.mailer.submit(prepared, lambda answer: reply(channel.classify(answer)))
            case Apprised():
                self._apprise(prepared, lambda answer: reply(channel.classify(answer)))
            case Line():
                self._ports.console.write(prepared.text)
                reply(Delivered())
            case _:
                reply(prepared)

    def _apprise(self, message: Apprised, reply: Callable[[AppriseResult], None]) -> None:
        if self._ports.apprise is None:
            reply(AppriseResult(ok=False, message="Apprise cannot be reached from here", permanent=True))
        else:
            self._ports.apprise.submit(message, reply)

    def _prepare(self, channel: Channel[Any], config: Any, effect: Effect) -> Request | Retry | Permanent:
        try:
            sending = self._sending(channel, effect)
            return channel.request(config, effect.payload["content"], sending)
        except OSError as error:
            # A secret that is being replaced; whoever forgot it can still put it there.
            return Retry(f"cannot read a file with a secret: {error}")
        except (NotSendableError, TemplateError) as error:
            return Permanent(str(error))
        except (KeyError, TypeError, ValueError) as error:
            # A payload stored by another version, or a secret file that is not text.
            return Permanent(f"cannot be sent: {type(error).__name__}: {error}")

    def _sending(self, channel: Channel[Any], effect: Effect) -> Sending:
        earlier = None if channel.ref is None else self._recall(effect.target, effect.subject)
        known = earlier.standing if earlier is not None and not earlier.closed else Standing()
        given = effect.payload.get("standing")
        return Sending(
            effect.key,
            self._ports.files,
            self._defaults,
            effect.payload.get("context"),
            now=self._ports.clock.now(),
            message_id=message_id(effect.target, effect.subject),
            earlier=earlier if earlier is not None and not earlier.closed else None,
            standing=Standing(**given) if given else known,
            firing=effect.payload.get("alerts") != [],
            follows=given is not None,
            interactive=self._settings.slack is not None,
            note=str(effect.payload.get("note", "")),
            outgoing=self._settings.outgoing,
        )


def bind(alertmanager: AlertmanagerConfig, templates: TemplateSet) -> dict[str, tuple[BoundIntegration, ...]]:
    """All receivers' integrations that a channel delivers."""
    fallback = TemplateSet.alertmanager()
    receivers: dict[str, tuple[BoundIntegration, ...]] = {}
    for receiver in alertmanager.receivers:
        counts: dict[str, int] = {}
        found: list[BoundIntegration] = []
        for key, model in receiver.integrations:
            channel = BY_KEY.get(key)
            if channel is None:
                continue
            index = counts.get(key, 0)
            counts[key] = index + 1
            # The default configuration is made below this floor, from a model of its own.
            config = model if isinstance(model, channel.model) else channel.model.model_validate(model.model_dump())
            found.append(BoundIntegration(receiver.name, channel, index, config, templates, fallback))
        receivers[receiver.name] = tuple(found)
    return receivers
