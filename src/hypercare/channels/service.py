"""The channels' part in the loop: remembers what was delivered, replies in threads, sends tests, keeps a secret."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select

from hypercare.channels import memory
from hypercare.channels.commands import Hear, OutsideKnows, SendTest, Sent
from hypercare.channels.links import ACKNOWLEDGE, PATH, Link, LinkSigner
from hypercare.channels.memory import Message, Standing
from hypercare.channels.notification import Notification, Page
from hypercare.channels.page import render as render_page
from hypercare.channels.registry import CHANNELS
from hypercare.channels.tables import heard, secrets
from hypercare.kernel import CommandError, Effect
from hypercare.kernel.tables import outbox
from hypercare.model.alerts import Alert
from hypercare.model.events import EffectDelivered, EffectFailed
from hypercare.model.labels import Labels
from hypercare.model.time import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from hypercare.channels.dispatcher import Dispatcher
    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.ports import Files

TEST_SUBJECT: Final = "test:"
_LINKS: Final = "links"
_TEST: Final = "channels.test"
_TEST_LASTS: Final[Ms] = 1 * MINUTE
_PURGE: Final = "channels.purge"
_PURGE_EVERY: Final[Ms] = 1 * HOUR
_HEARD_FOR: Final[Ms] = 1 * DAY
_KEPT: Final[Ms] = 90 * DAY


class ChannelsService:
    """Keeps the messages that may be answered or have to be kept up to date.

    Args:
        dispatcher: knows the integrations.
        files: a secret may be in one.

    """

    def __init__(self, dispatcher: Dispatcher, files: Files) -> None:
        self._dispatcher = dispatcher
        self._files = files
        self._signer: LinkSigner | None = None
        self._valid: Ms = DAY
        self._external_url = ""
        self._replies = False

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(EffectDelivered, self._on_delivered)
        kernel.subscribe(EffectFailed, self._on_failed)
        kernel.on_message(SendTest, self._send_test)
        kernel.on_message(Hear, self._hear)
        kernel.on_message(OutsideKnows, self._outside_knows)
        kernel.on_timer(_TEST, self._on_test_over)
        kernel.on_timer(_PURGE, self._on_purge)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        links = config.hypercare.channels.links
        given = self._files.read(Path(links.secret_file)).decode().strip() if links.secret_file else ""
        # Not after the commit: pages of this very step are to have links; a refused reload puts the old one back.
        self._signer = LinkSigner(given or links.secret.reveal() or _own_secret(ctx))
        self._valid = links.valid
        self._external_url = config.hypercare.web.external_url
        self._replies = config.hypercare.channels.slack is not None
        ctx.set_timer(_PURGE, ctx.now + _PURGE_EVERY, _PURGE, durable=False)

    # -- pages -------------------------------------------------------------------------------------------------

    @property
    def signer(self) -> LinkSigner:
        """Signs and reads links.

        Raises:
            CommandError: the first configuration is not applied yet.

        """
        if self._signer is None:
            raise CommandError("not ready yet", 503)
        return self._signer

    def render(self, channel: str, page: Page) -> dict[str, Any]:
        """The payload of an effect that pages somebody; its link acknowledges without a log-in."""
        return render_page(channel, dataclasses.replace(page, ack_url=self.ack_url(page)))

    def ack_url(self, page: Page) -> str:
        """The signed link of a page; empty where nobody could reach us."""
        if self._signer is None or not self._external_url:
            return page.ack_url
        return self.url_of(PATH, Link(ACKNOWLEDGE, page.incident_id, page.person, page.at + self._valid))

    def url_of(self, path: str, link: Link) -> str:
        """A signed link; empty where nobody could reach us."""
        if self._signer is None or not self._external_url:
            return ""
        return f"{self._external_url}{path}{self._signer.token(link)}"

    # -- what was delivered ------------------------------------------------------------------------------------

    def _on_delivered(self, ctx: Context, event: EffectDelivered) -> None:
        channel = CHANNELS.get(event.channel)
        if channel is not None and channel.chains:
            self._chain(ctx, event)
        if channel is None or channel.ref is None or not event.receipt or event.subject.startswith(TEST_SUBJECT):
            return
        payload = _payload(ctx, event.effect_id)
        if "reply" in payload["content"]:
            return
        receipt = dict(event.receipt)
        earlier = memory.load(ctx.db, event.target, event.subject)
        if earlier is not None and (earlier.closed or earlier.receipt != receipt):
            earlier = None
        ends = payload.get("alerts") == []
        standing = Standing(**payload["standing"]) if "standing" in payload else None
        over = standing is not None and standing.status == memory.RESOLVED
        known = earlier.standing if earlier else Standing()
        message = Message(
            id=memory.message_id(event.target, event.subject),
            channel=event.channel,
            target=event.target,
            subject=event.subject,
            ref=channel.ref(receipt),
            receipt=receipt,
            # What only says that somebody acted is not what is to be said anew.
            content=earlier.content if earlier and standing else payload["content"],
            alerts=earlier.alerts if earlier and standing else tuple(payload.get("alerts", ())),
            told=memory.RESOLVED if ends else earlier.told if earlier else memory.OPEN,
            standing=known,
            closed=ends or (over and event.subject.startswith("incident:")),
            at=ctx.now,
        )
        memory.put(ctx.db, message)
        if earlier is not None and self._replies and event.channel == "slack":
            self._reply(ctx, event, payload, standing)

    def _chain(self, ctx: Context, event: EffectDelivered) -> None:
        """Send what follows a content that has been delivered, in its lane."""
        for number, content in enumerate(_payload(ctx, event.effect_id)["content"].get("then", ())):
            key = f"then{number}:{hashlib.blake2b(event.effect_id.encode(), digest_size=24).hexdigest()}"
            ctx.emit(Effect(key, event.channel, event.target, event.subject, {"content": content}, lane_of(event)))

    def _reply(self, ctx: Context, event: EffectDelivered, payload: dict[str, Any], standing: Standing | None) -> None:
        """Say in the thread what has changed: a changed message itself makes no sound."""
        text = standing.text if standing else str(payload.get("note", ""))
        if not text:
            return
        # Only what fires concerns those who do not follow the thread.
        content = {
            "reply": text,
            "thread": dict(event.receipt),
            "broadcast": standing is None and payload.get("alerts") != [],
        }
        key = f"reply:{hashlib.blake2b(event.effect_id.encode(), digest_size=24).hexdigest()}"
        ctx.emit(Effect(key, event.channel, event.target, event.subject, {"content": content}, lane_of(event)))

    def _on_failed(self, ctx: Context, event: EffectFailed) -> None:
        """The message to change is not there any more: what was to be said is said in a new one."""
        channel = CHANNELS.get(event.channel)
        if channel is None or event.error not in channel.gone:
            return
        earlier = memory.load(ctx.db, event.target, event.subject)
        if earlier is None or earlier.closed:
            return
        memory.put(ctx.db, dataclasses.replace(earlier, closed=True))
        payload = _payload(ctx, event.effect_id)
        if "reply" not in payload["content"]:
            key = f"again:{hashlib.blake2b(event.effect_id.encode(), digest_size=24).hexdigest()}"
            ctx.emit(Effect(key, event.channel, event.target, event.subject, payload, lane_of(event)))

    # -- commands ----------------------------------------------------------------------------------------------

    def _hear(self, ctx: Context, command: Hear) -> bool:
        key = hashlib.blake2b(command.id.encode("utf-8", "replace"), digest_size=24).hexdigest()
        if ctx.db.execute(select(heard.c.id).where(heard.c.id == key)).first():
            return False
        ctx.db.execute(insert(heard).values(id=key, at=ctx.now))
        return True

    def _outside_knows(self, ctx: Context, command: OutsideKnows) -> None:
        message = memory.load_by_id(ctx.db, command.message_id)
        if message is not None:
            memory.put(ctx.db, dataclasses.replace(message, told=command.status))

    def _send_test(self, ctx: Context, command: SendTest) -> tuple[Sent, ...]:
        test = ctx.new_id()
        effects = self._test_effects(ctx, command, test)
        for effect in effects:
            ctx.emit(effect)
        ctx.set_timer(f"{_TEST}:{test}", ctx.now + _TEST_LASTS, _TEST)
        return tuple(Sent(effect.key, effect.channel, effect.target) for effect in effects)

    def _test_effects(self, ctx: Context, command: SendTest, test: str) -> list[Effect]:
        subject, cancel = f"{TEST_SUBJECT}{test}", f"{_TEST}:{test}"
        if command.person:
            prefix = f"person/{command.person}/"
            ways = [(t, c) for t, c in self._dispatcher.all_targets.items() if t.startswith(prefix)]
            if not ways:
                raise CommandError(f"there is no person {command.person}", 404)
            title = "Test of hypercare: nothing is wrong"
            page = Page(test, title, "P3", "", f"{command.by} asked for it", ctx.now, command.person)
            return [
                Effect(f"test:{test}:{n}", c, t, subject, render_page(c, page), cancel_key=cancel)
                for n, (t, c) in enumerate(ways)
            ]
        integrations = self._dispatcher.integrations.get(command.receiver)
        if integrations is None:
            raise CommandError(f"there is no receiver {command.receiver}", 404)
        if not integrations:
            raise CommandError(f"receiver {command.receiver} has no integration that delivers", 409)
        told = _test_notification(command, test, ctx.now, self._external_url)
        return [
            Effect(f"test:{test}:{n}", i.channel, i.target, subject, i.render(told), cancel_key=cancel)
            for n, i in enumerate(integrations)
        ]

    def _on_test_over(self, ctx: Context, key: str) -> None:
        ctx.cancel(key, "the test was given up after a minute")

    def _on_purge(self, ctx: Context, key: str) -> None:
        ctx.set_timer(key, ctx.now + _PURGE_EVERY, _PURGE, durable=False)
        ctx.db.execute(delete(heard).where(heard.c.at < ctx.now - _HEARD_FOR))
        memory.purge(ctx.db, ctx.now - _KEPT)


def lane_of(told: EffectDelivered | EffectFailed | Message) -> str:
    """The lane of what is told of a subject to a target, as routing names it: one thing after the other."""
    return f"{told.subject}|{told.target}"


def _payload(ctx: Context, effect_id: str) -> dict[str, Any]:
    text: str = ctx.db.execute(select(outbox.c.payload).where(outbox.c.id == effect_id)).scalar_one()
    found: dict[str, Any] = json.loads(text)
    return found


def _test_notification(command: SendTest, test: str, now: Ms, external_url: str) -> Notification:
    labels = Labels.of(alertname="HypercareTest", severity="info")
    annotations = Labels.of(
        summary="This is a test. Nothing is wrong.", description=f"{command.by} asked hypercare for it."
    )
    alert = Alert(labels, annotations, starts_at=now)
    group = Labels.of(alertname="HypercareTest")
    return Notification(command.receiver, f"{{}}/test:{test}", group, (alert,), now, external_url)


def _own_secret(ctx: Context) -> str:
    """A secret that is made once and kept with the state, so that links outlive a restart."""
    known = ctx.db.execute(select(secrets.c.value).where(secrets.c.name == _LINKS)).scalar()
    if known is not None:
        return str(known)
    value = ctx.new_id() + ctx.new_id()
    ctx.db.execute(insert(secrets).values(name=_LINKS, value=value, at=ctx.now))
    return value
