"""Reading a scenario and the configuration that it rehearses: all that is wrong with both, at once."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.config.problems import did_you_mean, validate
from hypercare.config.source import Document, read_yaml
from hypercare.model.errors import InputError, Problem
from hypercare.model.time import SECOND, format_duration
from hypercare.rehearse.recording.reading import open_recording
from hypercare.rules import check_template
from hypercare.sim.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hypercare.config import Config
    from hypercare.model.time import Ms
    from hypercare.ports import Files
    from hypercare.rehearse.recording.piece import Recording
    from hypercare.rehearse.remote import Send
    from hypercare.sim.scenario import Replay

ANYBODY = "anybody"


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a service is scraped.

    Attributes:
        targets: ``host:port`` with the colour that is served there (empty: every colour).
        named: scraping puts the label ``service`` on it.

    """

    targets: Mapping[str, str]
    named: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Book:
    """A scenario that fits its configuration.

    Attributes:
        recording: what is replayed in place of services, open; or none.
        shift: added to its times, ms.

    """

    scenario: Scenario
    config: Config
    places: Mapping[str, Place]
    recording: Recording | None = None
    shift: Ms = 0


def read(
    path: Path, files: Files, env: Mapping[str, str], config: Path | None = None, send: Send | None = None
) -> Book:
    """Read a scenario.

    Args:
        path: of the scenario.
        files: the port that reads it, and all that the configuration names.
        env: environment variables of the configuration.
        config: a hypercare.yml instead of the one that the scenario names.
        send: asks the server that a replay comes from, and waits for its answer.

    Raises:
        InputError: everything that is wrong, in the order of reading.
        SourceError: the server of a replay is away, or refuses.

    """
    try:
        data = files.read(path)
    except OSError as error:
        raise InputError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from None
    document = read_yaml(data, str(path), str(path.parent))
    problems: list[Problem] = []
    scenario = validate(Scenario, document, problems)
    if scenario is None:
        raise InputError(_sorted(problems))
    named = config or path.parent / scenario.config
    loaded = load(named, files, env, INTEGRATIONS, check_template, check_files=False)
    recorded, shift = None, 0
    if scenario.replay is not None:
        try:
            scenario, recorded, shift = recorded_by(scenario, scenario.replay, path.parent, send)
        except InputError as error:
            problems += error.problems
    places = {name: _place(loaded, name, service.targets) for name, service in scenario.services.items()}
    problems += _unplaced(document, places)
    problems += _people(document, scenario, loaded)
    problems += _actions(document, scenario, loaded)
    problems += _happenings(document, scenario)
    problems += _expectations(document, scenario, loaded)
    if problems:
        if recorded is not None:
            recorded.close()
        raise InputError(_sorted(problems))
    return Book(scenario, loaded, places, recorded, shift)


def recorded_by(scenario: Scenario, replay: Replay, base: Path, send: Send | None) -> tuple[Scenario, Recording, Ms]:
    """The recording that a scenario replays: the scenario with its times, the recording, what is added to its times.

    Raises:
        InputError: everything that is wrong with it.
        SourceError: the server is away or refuses.

    """
    recording = open_recording(replay, base, send)
    shift = 0 if replay.shift_to is None else replay.shift_to - recording.first
    length = scenario.length if "length" in scenario.model_fields_set else recording.last - recording.first
    times = {"start": recording.first + shift, "length": max(length, SECOND)}
    return scenario.model_copy(update=times), recording, shift


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda p: (p.file, p.line, p.column, p.message))


def _place(config: Config, name: str, given: tuple[str, ...]) -> Place:
    found: dict[str, str] = {}
    labelled: list[bool] = []
    for job in config.prometheus.scrape_configs:
        for static in job.static_configs:
            for target in static.targets:
                # Without a label of that name, the job is taken for the service.
                mine = target in given if given else static.labels.get("service", job.job_name) == name
                if mine:
                    found[target] = static.labels.get("color", "")
                    labelled.append("service" in static.labels)
    # Targets that come by discovery are not in the file.
    for target in given:
        found.setdefault(target, "")
    return Place(found, bool(labelled) and all(labelled))


def _problem(
    document: Document, path: tuple[str | int, ...], message: str, hint: str = "", *, key: bool = False
) -> Problem:
    line, column = document.find(path, key=key)
    return Problem(document.file, line, column, message, hint)


def _near(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or "there are none"


def _unplaced(document: Document, places: Mapping[str, Place]) -> list[Problem]:
    hint = 'write targets: ["host:port"], or give its targets in prometheus.yml the label service'
    return [
        _problem(document, ("services", name), f"no target of the configuration belongs to {name!r}", hint, key=True)
        for name, place in places.items()
        if not place.targets
    ]


def _people(document: Document, scenario: Scenario, config: Config) -> list[Problem]:
    known = [person.name for person in config.hypercare.people]
    return [
        _problem(
            document, ("people", name), f"{name!r} is not in people of the configuration", _near(name, known), key=True
        )
        for name in scenario.people
        if name not in known
    ]


def _actions(document: Document, scenario: Scenario, config: Config) -> list[Problem]:
    known = [action.name for action in config.hypercare.actions]
    return [
        _problem(document, ("actions", name), f"the configuration has no action {name!r}", _near(name, known), key=True)
        for name in scenario.actions
        if name not in known
    ]


def _happenings(document: Document, scenario: Scenario) -> list[Problem]:
    found = []
    for number, happening in enumerate(scenario.happens):
        at = ("happens", number)
        fitting = [name for name in scenario.services if fnmatchcase(name, happening.service)]
        if scenario.replay is not None and happening.service:
            if happening.at > scenario.length:
                text = "this is after the end of the recording"
                found.append(_problem(document, (*at, "at"), text, f"it is {format_duration(scenario.length)} long"))
            if happening.deploy is None:
                text = "what was recorded has happened: only a deploy can be told here"
                found.append(_problem(document, (*at, "service"), text, key=True))
            continue
        if happening.service and not fitting:
            message = f"no service of the scenario is called {happening.service!r}"
            found.append(_problem(document, (*at, "service"), message, _near(happening.service, scenario.services)))
        models = [model for name in fitting for model in scenario.services[name].llm]
        if happening.provider and happening.provider not in models:
            message = f"no language model {happening.provider!r} in {happening.service!r}"
            found.append(_problem(document, (*at, "provider"), message, _near(happening.provider, models)))
    return found


def _expectations(document: Document, scenario: Scenario, config: Config) -> list[Problem]:
    people = [ANYBODY, *(person.name for person in config.hypercare.people)]
    rules = [rule for file in config.rules for group in file.groups for rule in group.rules]
    known = {
        "page": people,
        "person": people,
        "notified": [receiver.name for receiver in config.alertmanager.receivers],
        "alert": [rule.alert for rule in rules if rule.alert],
        "service": [*scenario.services, *(service.name for service in config.hypercare.services)],
    }
    if scenario.replay is not None:
        # The recording may know more of them than the configuration.
        del known["service"]
    words = {"page": "person", "notified": "receiver"}
    found = []
    for number, expectation in enumerate(scenario.expect):
        for key, names in known.items():
            name = getattr(expectation, key)
            if name and name not in names:
                message = f"the configuration has no {words.get(key, key)} {name!r}"
                found.append(_problem(document, ("expect", number, key), message, _near(name, names)))
    return found
