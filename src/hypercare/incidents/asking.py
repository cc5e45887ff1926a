"""Graphs of alerts whose metrics another server has: asked for right after the opening, kept once it answers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.incidents import evidence, rows, store
from hypercare.incidents.graphs import asked_for, comparisons, graph_from
from hypercare.model.events import IncidentChanged
from hypercare.model.time import HOUR, MINUTE
from hypercare.promql import PromqlError, parse
from hypercare.rules.answers import Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.incidents.current import Current
    from hypercare.incidents.evidence import Instruments, Subject
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.rules.answers import Answers, Elsewhere

_KIND: Final = "incidents.evidence.asked"
_AGAIN: Final = 2 * MINUTE
"""After which the other server is asked once more: it was away, or we were started anew."""
_PATIENCE: Final = HOUR
"""After the opening; then the graph says that the source was away."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """One thing that is drawn of a subject, and the question for it."""

    subject: Subject
    question: Question
    op: str
    threshold: float | None

    @property
    def newest(self) -> Question:
        """What was at the opening itself."""
        return Question(self.question.query, self.question.at)


@dataclasses.dataclass(frozen=True, slots=True)
class _Arrived:
    incident_id: str
    parts: tuple[_Part, ...]
    answers: Answers


class Asker:
    """Keeps the graphs of incidents that another server has the samples of; the deadline is a row."""

    def __init__(self, settings: Current, instruments: Instruments) -> None:
        self._settings = settings
        self._instruments = instruments
        self._post: Callable[[object], None] | None = None

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._post = kernel.post
        kernel.on_timer(_KIND, self._settings.patient(_KIND, self._on_due))
        kernel.on_message(_Arrived, self._on_arrived)

    def begin(self, ctx: Context, incident: Incident, server: Elsewhere) -> bool:
        """Ask for the graphs of an incident; whether there are any to ask for."""
        parts = self._parts(ctx, incident)
        post = self._post
        if not parts or post is None:
            return False
        ctx.set_timer(f"{_KIND}:{incident.id}", ctx.now + _AGAIN, _KIND)
        questions = [question for part in parts for question in (part.question, part.newest)]
        ctx.after_commit(
            lambda: server.ask(questions, lambda answers: post(_Arrived(incident.id, tuple(parts), answers)))
        )
        return True

    def _on_due(self, ctx: Context, key: str) -> None:
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_KIND}:"))
        server = self._instruments.elsewhere()
        # Where the own store answers meanwhile it knows nothing of that time.
        if incident is not None and server is not None:
            self.begin(ctx, incident, server)

    def _parts(self, ctx: Context, incident: Incident) -> list[_Part]:
        firing = self._instruments.firing(ctx.db, ctx.now)
        alerts = evidence.alerts_of(ctx.db, incident, firing)
        # Whenever it is asked: what was seen at the opening.
        span = evidence.span_of(incident, incident.opened_at)
        found: dict[Question, _Part] = {}
        for subject in evidence.subjects(self._instruments, alerts):
            try:
                drawn = comparisons(parse(subject.expr))
            except PromqlError:
                # Of another dialect, it may be: the server that knows it is asked for it as it stands.
                question = asked_for(subject.expr, span)
                found.setdefault(question, _Part(subject, question, "", None))
                continue
            for part, op, threshold in drawn:
                question = asked_for(str(part), span)
                found.setdefault(question, _Part(subject, question, op, threshold))
        return list(found.values())[: evidence.GRAPHS]

    def _on_arrived(self, ctx: Context, message: _Arrived) -> None:
        incident = store.load_incident(ctx.db, message.incident_id)
        key = f"{_KIND}:{message.incident_id}"
        if incident is None:
            ctx.cancel_timer(key)
            return
        if evidence.has_graphs(ctx.db, incident.id):
            return
        told = message.answers
        if any(answer.away for answer in told.values()) and ctx.now < incident.opened_at + _PATIENCE:
            return
        ctx.cancel_timer(key)
        for part in message.parts:
            asked, near, newest = part.question, part.subject.near, told[part.newest]
            graph = graph_from(told[asked], asked, near, part.op, part.threshold, newest)
            evidence.keep_graph(ctx, incident.id, part.subject.title, graph)
        rows.tell(ctx, incident.id, "evidence", f"evidence kept: {evidence.count(len(message.parts), 'graph')}")
        ctx.publish(IncidentChanged(incident.id, "evidence", rows.MACHINE))
