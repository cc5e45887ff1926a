"""The response test of GremlinsAI, measured under the virtual clock: achieved times against target times.

    python examples/gremlinsai/response_test.py

Five alert scenarios with people who answer, three escalation levels with people who do not, ten steps after an
incident, four weeks of coverage. Nothing here is assumed: every number is read from the rows that the run left behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.incidents.commands import (
    AddLink,
    AddTask,
    EditPostmortem,
    MovePostmortem,
    PassMilestone,
    Resolve,
)
from hypercare.incidents.postmortem import load_postmortem
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, WEEK, parse_rfc3339
from hypercare.rehearse.drill import Drill, Responder
from hypercare.rehearse.measure import Line, afterwards, answers, as_table, covered, reached
from hypercare.rules import check_template

FILE = Path(__file__).with_name("hypercare.yml")
START = parse_rfc3339("2026-01-05T15:00:00Z")
BACKEND, GIB = "gremlinsai-backend:8000", 2**30
OUTSIDE = ("hooks.slack.example", "events.pagerduty.com", "smtp.gremlins.example:587")
LLM = "gremlinsai_llm_response_duration_seconds"
BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)
# Alert: where, what breaks it, what heals it.
SCENARIOS = {
    "HighApiErrorRate": (
        BACKEND, ("counter", "gremlinsai_api_errors_total", 4),
        ("counter", "gremlinsai_api_errors_total", 0.2)),
    "HighLLMLatency": (
        BACKEND, ("histogram", LLM, 'provider="ollama"', 3, 8.0),
        ("histogram", LLM, 'provider="ollama"', 3, 1.0)),
    "WeaviateDown": ("weaviate:2112", None, None),
    "HighMemoryUsage": (
        BACKEND, ("gauge", "process_resident_memory_bytes", 2.4 * GIB),
        ("gauge", "process_resident_memory_bytes", 0.8 * GIB)),
    "DatabaseConnectionFailure": (
        BACKEND, ("counter", "gremlinsai_database_connection_errors_total", 0.5),
        ("counter", "gremlinsai_database_connection_errors_total", 0)),
}  # fmt: skip
# How fast these three answer; what matters is that the run measures it, and what the rules and routes add to it.
FAST = {
    "alex": Responder(70 * SECOND, 4 * MINUTE, 12 * MINUTE),
    "sarah": Responder(90 * SECOND, 4 * MINUTE, 14 * MINUTE),
}
LEVELS = (
    ("secondary", ("sarah",), 15 * MINUTE + 5 * SECOND),
    ("manager", ("mike",), 30 * MINUTE + 5 * SECOND),
    ("executive", ("executive",), HOUR + 5 * SECOND),
)


def platform(drill: Drill) -> None:
    """A healthy platform."""
    backend = drill.target(BACKEND)
    backend.counter("gremlinsai_api_requests_total", 40)
    backend.counter("gremlinsai_api_errors_total", 0.2)
    backend.histogram("gremlinsai_api_request_duration_seconds", "", 40, 0.2)
    for provider in ("ollama", "openai"):
        backend.histogram(LLM, f'provider="{provider}"', 3, 1.0, BOUNDS)
    backend.gauge("process_resident_memory_bytes", 0.8 * GIB)
    backend.counter("gremlinsai_database_connection_errors_total", 0)
    drill.target("weaviate:2112").gauge("weaviate_up", 1)
    drill.target("kube-state-metrics:8080").gauge("kube_pods", 1)


def switch(drill: Drill, name: str, *, broken: bool) -> None:
    """Break what a scenario breaks, or heal it."""
    address, breaks, heals = SCENARIOS[name]
    step = breaks if broken else heals
    if step is None:
        drill.target(address).up = not broken
    else:
        getattr(drill.target(address), step[0])(*step[1:])


def provoke(drill: Drill, name: str) -> int:
    """Break something and wait until it has opened an incident; its number."""
    before = drill.newest()
    switch(drill, name, broken=True)
    opened = drill.sim.run_until_true(lambda: drill.newest() != before and _title(drill) is not None, HOUR)
    incident = drill.newest()
    if not opened or incident is None or (before is not None and incident.number == before.number):
        msg = f"{name} opened no incident within an hour"
        raise SystemExit(msg)
    return incident.number


def _title(drill: Drill) -> str | None:
    newest = drill.newest()
    return None if newest is None else newest.title


def measure() -> list[Line]:
    """Run everything; the lines of the report."""
    drill = Drill(lambda files: load(FILE, files, {}, INTEGRATIONS, check_template), START)
    platform(drill)
    drill.accept(*OUTSIDE)
    drill.start()
    drill.sim.run_for(10 * MINUTE)
    lines: list[Line] = []
    for name in SCENARIOS:
        drill.responders = FAST
        number = provoke(drill, name)
        drill.sim.run_for(20 * MINUTE)
        switch(drill, name, broken=False)
        drill.sim.run_for(HOUR)
        incident = drill.incident(number)
        with drill.app.state.read() as db:
            lines += [line for line in answers(db, incident, name) if line.what != "resolved"]
    lines += escalation(drill)
    lines += covered(drill.app.oncall.plan, START, START + 4 * WEEK, "four weeks")
    drill.close()
    return lines


def escalation(drill: Drill) -> list[Line]:
    """Nobody answers for more than an hour; then the ten steps after the incident."""
    drill.responders = {}
    number = provoke(drill, "WeaviateDown")
    drill.sim.run_for(70 * MINUTE)
    ref = str(number)
    incident = drill.incident(number)
    with drill.app.state.read() as db:
        lines = list(reached(db, incident, "escalation", LEVELS))
    switch(drill, "WeaviateDown", broken=False)
    drill.sim.run_for(5 * MINUTE)
    drill.call(Resolve(ref, "mike", "the vector database was restarted"))
    drill.sim.run_for(10 * MINUTE)
    drill.sim.run_for(80 * MINUTE)
    drill.call(PassMilestone(ref, "mike", "evidence"))
    drill.sim.run_for(20 * HOUR)
    drill.call(PassMilestone(ref, "mike", "meeting"))
    drill.call(
        AddTask(ref, "mike", "Alert before the disk of Weaviate is full", "david", drill.clock.now() + WEEK, "action")
    )
    drill.sim.run_for(DAY)
    drill.call(AddLink(ref, "david", "https://wiki.gremlins.example/runbooks/weaviate-down", "runbook, updated"))
    incident = drill.incident(number)
    with drill.app.state.read() as db:
        document = load_postmortem(db, incident.id)
    if document is None:
        raise SystemExit("there is no post-mortem")
    text = document.text if "lessons" in document.text.lower() else document.text + "\n## Lessons learned\n"
    drill.call(EditPostmortem(ref, "mike", text + "\nWatch the disk, not only the process.\n", document.version))
    for state in ("review", "done"):
        drill.call(MovePostmortem(ref, "mike", state))
    incident = drill.incident(number)
    with drill.app.state.read() as db:
        return [*lines, *afterwards(db, incident, "afterwards")]


def main() -> int:
    """Print the table; 1 if anything was late."""
    lines = measure()
    sys.stdout.write(as_table(lines))
    return 0 if all(line.passed for line in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
