"""Carrying out what people answered elsewhere, in their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hypercare.channels import memory
from hypercare.channels.base import json_body
from hypercare.channels.commands import Hear, OutsideKnows
from hypercare.conversations.people import by_pagerduty, by_slack
from hypercare.conversations.subjects import about
from hypercare.incidents.commands import Acknowledge, AddNote, Resolve, Unacknowledge
from hypercare.incidents.store import ACKNOWLEDGED, OPEN, RESOLVED, load_incidents
from hypercare.kernel import CommandError
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import format_duration
from hypercare.ports import HttpRequest
from hypercare.routing.commands import PutSilence
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.channels.memory import Message
    from hypercare.channels.pagerduty.answers import Done
    from hypercare.channels.slack.answers import Press, ThreadMessage
    from hypercare.conversations.subjects import About

_HELP: Final = (
    "`list` shows the incidents that are not resolved\n`ack 7`, `resolve 7`: take incident 7, or end it\n"
    "`note 7 some text`: write into its timeline"
)
_COMMANDS: Final = {"ack": Acknowledge, "resolve": Resolve}
_LONGEST_NOTE: Final = 10_000


class Acting:
    """Finds what an answer is about, and gives the commands.

    Args:
        app: whose kernel carries them out.

    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def press(self, pressed: Press) -> None:
        """A button of a Slack message; whoever pressed it is told where nothing came of it."""
        try:
            text = await self._press(pressed)
        except CommandError as error:
            text = str(error)
        if text:
            self._tell(pressed.response_url, text)

    async def _press(self, pressed: Press) -> str:
        who = self._slack_person(pressed.user, pressed.user_name)
        message, what = self._find_id(pressed.message_id)
        if pressed.act == "silence":
            return await self._silence(message, what, who, pressed.silence)
        if not what.unresolved:
            raise CommandError("there is no incident of these alerts that is not resolved", 404)
        for incident in what.unresolved:
            await call(self._app, _COMMANDS[pressed.act](incident.id, who))
        return ""

    async def _silence(self, message: Message, what: About, who: str, lasts: int) -> str:
        """Silence what the alerts of the message have in common: nothing that is not like all of them."""
        if not len(what.labels):
            raise CommandError("none of these alerts fires any more; there is nothing to silence", 409)
        now = self._app.ports.clock.now()
        matchers = tuple(Matcher(name, MatchOp.EQUAL, value) for name, value in what.labels)
        comment = f"from Slack ({message.target})"
        await call(self._app, PutSilence((matchers,), now, now + lasts, who, comment))
        told = ", ".join(str(matcher) for matcher in matchers)
        text = f"{who} silenced {{{told}}} for {format_duration(lasts)}"
        for incident in what.unresolved:
            await call(self._app, AddNote(incident.id, who, text))
        return f"Silenced for {format_duration(lasts)}: {{{told}}}"

    async def thread(self, said: ThreadMessage) -> None:
        """A message in the thread of one of ours becomes a note in the timeline of its incidents."""
        found = self._find_ref("slack", said.ref)
        text = said.text.strip()[:_LONGEST_NOTE]
        # Slack delivers an event again (with a new signature) when it has got no answer.
        if found is None or not text or not await call(self._app, Hear(f"slack event {said.event_id or said.ref}")):
            return
        who = by_slack(self._app.config.hypercare.people, said.user) or f"slack:{said.user}"
        for incident in found[1].incidents:
            await call(self._app, AddNote(incident.id, who, text))

    async def command(self, user: str, user_name: str, text: str) -> str:
        """A slash command; what to answer."""
        verb, _, rest = text.strip().partition(" ")
        ref, _, note = rest.strip().partition(" ")
        try:
            if verb == "list":
                return self._list()
            if verb in _COMMANDS and ref:
                who = self._slack_person(user, user_name)
                incident = await call(self._app, _COMMANDS[verb](ref, who, note.strip()))
                return f"Incident #{incident.number} is {incident.status}."
            if verb == "note" and ref and note.strip():
                who = self._slack_person(user, user_name)
                incident = await call(self._app, AddNote(ref, who, note.strip()[:_LONGEST_NOTE]))
                return f"Written into the timeline of incident #{incident.number}."
        except CommandError as error:
            return str(error)
        except TimeoutError:
            return "hypercare is busy; what you asked for may still happen"
        return _HELP

    async def pagerduty(self, done: Done) -> str:
        """What somebody did in PagerDuty; what came of it, for PagerDuty's log."""
        if not await call(self._app, Hear(f"pagerduty {done.event_id or done.key + done.act}")):
            return "this event came before"
        found = self._find_ref("pagerduty", done.key)
        if found is None:
            return "not an incident of ours"
        message, what = found
        status = {"ack": ACKNOWLEDGED, "resolve": RESOLVED, "unack": OPEN}[done.act]
        if message.told == status:
            return "known"
        # Our own event must not come back to PagerDuty as another one of theirs.
        if len(self._same_ref(message)) == 1:
            await call(self._app, OutsideKnows(message.id, status))
        who = by_pagerduty(self._app.config.hypercare.people, done.agent) or f"{done.agent_name} (PagerDuty)"
        commands = {"ack": Acknowledge, "resolve": Resolve, "unack": Unacknowledge}
        wanted = {"ack": (OPEN,), "resolve": (OPEN, ACKNOWLEDGED), "unack": (ACKNOWLEDGED,)}[done.act]
        changed = [incident for incident in what.incidents if incident.status in wanted]
        for incident in changed:
            await call(self._app, commands[done.act](incident.id, who))
        return f"{len(changed)} incidents: {done.act}"

    # -- finding -----------------------------------------------------------------------------------------------

    def _find_id(self, message_id: str) -> tuple[Message, About]:
        with self._app.state.read() as db:
            message = memory.load_by_id(db, message_id)
            if message is None:
                raise CommandError("hypercare does not know this message any more", 404)
            return message, about(db, message)

    def _find_ref(self, channel: str, ref: str) -> tuple[Message, About] | None:
        with self._app.state.read() as db:
            message = memory.load_by_ref(db, channel, ref)
            return None if message is None else (message, about(db, message))

    def _same_ref(self, message: Message) -> tuple[Message, ...]:
        with self._app.state.read() as db:
            return tuple(m for m in memory.load_of_subject(db, message.subject) if m.ref == message.ref)

    def _slack_person(self, user: str, user_name: str) -> str:
        config = self._app.config.hypercare
        found = by_slack(config.people, user)
        if found:
            return found
        if config.channels.slack is not None and config.channels.slack.unknown_users == "allow":
            return f"{user_name or user} (Slack)"[:100]
        raise CommandError(f"hypercare does not know you: no person of hypercare.yml has slack_id: {user}", 403)

    def _list(self) -> str:
        with self._app.state.read() as db:
            found = load_incidents(db, "unresolved", 20)
        lines = [f"#{i.number} {i.severity} {i.status}: {i.title}" for i in found]
        return "\n".join(lines) or "No incident is under way."

    def _tell(self, url: str, text: str) -> None:
        """Tell the one who pressed a button, and nobody else; a loss does no harm."""
        address = urlsplit(url)
        if address.scheme != "https" or not f".{address.hostname}".endswith(".slack.com"):
            return
        body = json_body({"response_type": "ephemeral", "replace_original": False, "text": text})
        request = HttpRequest("POST", url, (("Content-Type", "application/json"),), body, max_bytes=65_536)
        self._app.ports.http.submit(request, lambda _answer: None)
