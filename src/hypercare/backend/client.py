"""Asks the other server: a bounded number of queries at a time."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from hypercare.backend.reading import read_answer
from hypercare.backend.settings import settings_of
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.backend.settings import BackendSettings
    from hypercare.config import Config
    from hypercare.ports import Files, Http, HttpReply, HttpRequest
    from hypercare.rules.answers import Answers, Question

_log = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Queries of rules on their way at a time: what a Prometheus gives one client before others notice."""

LOOKED_AT_ONCE: Final = 4
"""Queries of pages beside them: somebody who looks makes no rule wait."""

_COMPLETE: Final = (
    # VictoriaMetrics moves an instant within the last 30 s back and caches, unless told not to.
    ("nocache", "1"),
    # Half an answer may look like a recovery: Thanos and the cluster of VictoriaMetrics refuse to give one.
    ("partial_response", "false"),
    ("deny_partial_response", "1"),
)


@dataclasses.dataclass(slots=True, eq=False)
class _Asked:
    """Questions that are answered together."""

    settings: BackendSettings
    lane: _Lane
    waiting: int
    reply: Callable[[Answers], None]
    answers: dict[Question, Answer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True, eq=False)
class _Lane:
    """Questions that wait for each other."""

    most: int
    running: int = 0
    queue: deque[tuple[Question, _Asked]] = dataclasses.field(default_factory=deque)


class Backend:
    """The other server, or none; every method may be called from any thread.

    Attributes:
        queries: of rules, answered since the start.
        failures: of them, those that got no answer.
        away: why the last query got no answer; empty where it got one.

    """

    def __init__(self, http: Http, files: Files) -> None:
        self._http = http
        self._files = files
        self._lock = threading.Lock()
        self._rules, self._pages = _Lane(AT_ONCE), _Lane(LOOKED_AT_ONCE)
        self.settings: BackendSettings | None = None
        self.queries = 0
        self.failures = 0
        self.away = ""

    def configure(self, config: Config) -> bool:
        """Talk to the server that a configuration names; whether it names one."""
        self.settings = settings_of(config, self._files)
        return self.settings is not None

    def ask(self, questions: Sequence[Question], reply: Callable[[Answers], None]) -> None:
        """See ``rules.answers.Elsewhere``."""
        self._ask(self._rules, questions, reply)

    def look(self, questions: Sequence[Question], seconds: float) -> Answers:
        """Ask for somebody who looks at a page, and wait; not to be called in the kernel's thread.

        Args:
            questions: what is asked.
            seconds: how long at most; what has not come by then is answered by an error.

        """
        wanted = tuple(dict.fromkeys(questions))
        late = Answer(error=f"{AWAY}: no answer within {seconds:g} s")
        found, left, done = dict.fromkeys(wanted, late), set(wanted), threading.Event()

        def take(answers: Answers) -> None:
            with self._lock:
                found.update(answers)
                left.difference_update(answers)
                if not left:
                    done.set()

        for each in wanted:
            self._ask(self._pages, (each,), take)
        if wanted:
            done.wait(seconds)
        with self._lock:
            return dict(found)

    def _ask(self, lane: _Lane, questions: Sequence[Question], reply: Callable[[Answers], None]) -> None:
        settings = self.settings
        wanted = tuple(dict.fromkeys(questions))
        error = "no other server is configured" if settings is None else settings.http.error
        if settings is None or error or not wanted:
            reply(dict.fromkeys(wanted, Answer(error=f"{AWAY}: {error}")))
            return
        asked = _Asked(settings, lane, len(wanted), reply)
        with self._lock:
            lane.queue.extend((question, asked) for question in wanted)
        self._next(lane)

    def send(self, request: HttpRequest, reply: HttpReply) -> None:
        """Send a request built by ``settings``; a secret that cannot be read is a failure of the request."""
        settings = self.settings
        if settings is None:
            reply(PortError("other", "no other server is configured"))
        elif settings.http.error:
            reply(PortError("other", settings.http.error))
        else:
            self._http.submit(request, reply)

    def _next(self, lane: _Lane) -> None:
        while True:
            with self._lock:
                if not lane.queue or lane.running >= lane.most:
                    return
                question, asked = lane.queue.popleft()
                lane.running += 1
            self._query(question, asked)

    def _query(self, question: Question, asked: _Asked) -> None:
        fields = (("query", question.query), *_when(question), *_COMPLETE)
        path = "/api/v1/query_range" if question.step else "/api/v1/query"
        request = asked.settings.request(path, fields, asked.settings.timeout)
        self._http.submit(request, lambda got: self._take(question, asked, got))

    def _take(self, question: Question, asked: _Asked, got: HttpResponse | PortError) -> None:
        answer = read_answer(got)
        with self._lock:
            asked.lane.running -= 1
            asked.answers[question] = answer
            asked.waiting -= 1
            done = not asked.waiting
            if asked.lane is self._rules:
                self._note(answer)
        if done:
            asked.reply(asked.answers)
        self._next(asked.lane)

    def _note(self, answer: Answer) -> None:
        self.queries += 1
        self.failures += bool(answer.error)
        away = answer.error if answer.away else ""
        if away and not self.away:
            _log.warning("%s; rules keep their alerts as they are", away)
        elif self.away and not away:
            _log.info("the source is back")
        self.away = away


def _when(question: Question) -> tuple[tuple[str, str], ...]:
    end = f"{question.at / 1000:.3f}"
    if not question.step:
        return (("time", end),)
    return ("start", f"{question.start / 1000:.3f}"), ("end", end), ("step", f"{question.step / 1000:.3f}")
