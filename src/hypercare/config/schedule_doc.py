"""One schedule on its own, as it stands below ``oncall.schedules``: read from JSON, YAML or a form, and written."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from hypercare.config.problems import did_you_mean, problem_of
from hypercare.config.schedules import Schedule
from hypercare.config.source import Document, Node, read_yaml
from hypercare.model.time import YEAR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator

    from hypercare.config.schedules import Rotation

Path = tuple[str | int, ...]
_NOWHERE: Final = Document("", "", "", Node(0, 0))
_NAME: Final = re.compile(r"[^\W_][\w .+-]{0,99}")
_LONGEST_TEXT: Final = 100
_MOST_LAYERS: Final = 50
_MOST_ENTRIES: Final = 1000
_FIRST_YEAR: Final = 1980
_LAST_YEAR: Final = 2200


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong at one place of a schedule.

    Attributes:
        path: keys and indices, as ``("layers", 1, "start")``.

    """

    path: Path
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in self.path)
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ScheduleError(ValueError):
    """A schedule that cannot be; ``troubles`` says all that is wrong."""

    def __init__(self, troubles: list[Trouble]) -> None:
        super().__init__("; ".join(map(str, troubles)))
        self.troubles = tuple(troubles)


def read_schedule(definition: Any, people: Collection[str]) -> Schedule:
    """A schedule from nested dicts and lists with the keys of hypercare.yml.

    Args:
        definition: texts for moments, durations and days, as in YAML.
        people: whom it may name.

    Raises:
        ScheduleError: all that is wrong with it.

    """
    try:
        schedule = Schedule.model_validate(definition)
    except ValidationError as error:
        raise ScheduleError([_trouble(dict(e)) for e in error.errors(include_url=False)]) from error
    except RecursionError as error:
        raise ScheduleError([Trouble((), "it is nested too deeply")]) from error
    troubles = [*_limits(schedule), *_strangers(schedule, people)]
    if troubles:
        raise ScheduleError(troubles)
    return schedule


def read_text(text: str) -> Any:
    """The definition in a YAML text: one schedule alone, or a file with one below ``oncall.schedules``.

    Raises:
        InputError: no YAML.
        ScheduleError: several schedules, or none.

    """
    data = read_yaml(text.encode("utf-8", "replace"), "the text", "").root.data()
    if isinstance(data, dict) and isinstance(data.get("oncall"), dict):
        data = data["oncall"].get("schedules")
    if isinstance(data, list):
        if len(data) != 1:
            raise ScheduleError([Trouble((), f"expected one schedule, found {len(data)}")])
        data = data[0]
    if not isinstance(data, dict):
        raise ScheduleError([Trouble((), "expected a schedule: a mapping with name, and rotation or layers")])
    return data


def definition_of(schedule: Schedule) -> dict[str, Any]:
    """What ``read_schedule`` reads, of JSON values; defaults are left out."""
    found: dict[str, Any] = schedule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return found


def dump_json(schedule: Schedule) -> str:
    """As it is kept."""
    return json.dumps(definition_of(schedule), ensure_ascii=False)


def as_yaml(schedule: Schedule) -> str:
    """The lines for hypercare.yml."""
    whole = {"oncall": {"schedules": [definition_of(schedule)]}}
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Lists stand below their key with an indent."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's own
        """Never without an indent."""
        return super().increase_indent(flow, indentless=False)


def _trouble(error: dict[str, Any]) -> Trouble:
    said = problem_of(error, _NOWHERE)
    more = (error.get("ctx") or {}).get("at", ()) if error["type"] == "refused" else ()
    return Trouble((*error["loc"], *more), said.message, said.hint)


def _limits(schedule: Schedule) -> Iterator[Trouble]:
    """What hypercare.yml leaves to its author's sense, and a form should not."""
    if not _NAME.fullmatch(schedule.name) or schedule.name != schedule.name.strip():
        yield Trouble(("name",), "expected letters, digits, spaces and . + - _, at most 100, a letter or digit first")
    if len(schedule.layers) > _MOST_LAYERS:
        yield Trouble(("layers",), f"more than {_MOST_LAYERS} layers")
    for key in ("overrides", "swaps", "holidays", "fallback"):
        if len(getattr(schedule, key)) > _MOST_ENTRIES:
            yield Trouble((key,), f"more than {_MOST_ENTRIES}")
    for path, rotation in _rotations(schedule):
        if rotation.every > YEAR:
            yield Trouble((*path, "every"), "a turn lasts a year at most")
        for key in ("people", "restrictions"):
            if len(getattr(rotation, key)) > _MOST_ENTRIES:
                yield Trouble((*path, key), f"more than {_MOST_ENTRIES}")
    for path, text in _free_texts(schedule):
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            yield Trouble(path, f"expected at most {_LONGEST_TEXT} printable characters")
    for path, moment in _moments(schedule):
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            yield Trouble(path, f"expected a date between {_FIRST_YEAR} and {_LAST_YEAR}")


def _free_texts(schedule: Schedule) -> Iterator[tuple[Path, str]]:
    yield from ((("layers", index, "name"), layer.name) for index, layer in enumerate(schedule.layers))
    yield from ((("holidays", index, "name"), holiday.name) for index, holiday in enumerate(schedule.holidays))


def _rotations(schedule: Schedule) -> Iterator[tuple[Path, Rotation]]:
    if schedule.rotation is not None:
        yield ("rotation",), schedule.rotation
    for index, layer in enumerate(schedule.layers):
        yield ("layers", index), layer


def _moments(schedule: Schedule) -> Iterator[tuple[Path, dt.date]]:
    for path, rotation in _rotations(schedule):
        yield (*path, "start"), rotation.start
        if rotation.until is not None:
            yield (*path, "until"), rotation.until
    for key in ("overrides", "swaps"):
        for index, item in enumerate(getattr(schedule, key)):
            yield (key, index, "from"), item.from_
            yield (key, index, "until"), item.until
    for index, holiday in enumerate(schedule.holidays):
        yield ("holidays", index, "date"), holiday.date
        if holiday.until is not None:
            yield ("holidays", index, "until"), holiday.until


def _strangers(schedule: Schedule, people: Collection[str]) -> Iterator[Trouble]:
    for path, name in _named(schedule):
        if name not in people:
            hint = did_you_mean(name, people) or "people are written in hypercare.yml"
            yield Trouble(path, f"unknown person {name!r}", hint)


def _named(schedule: Schedule) -> Iterator[tuple[Path, str]]:
    for path, rotation in _rotations(schedule):
        yield from (((*path, "people", index), name) for index, name in enumerate(rotation.people))
    yield from ((("fallback", index), name) for index, name in enumerate(schedule.fallback))
    yield from ((("overrides", index, "person"), o.person) for index, o in enumerate(schedule.overrides))
    for index, swap in enumerate(schedule.swaps):
        yield from ((("swaps", index, "people", place), name) for place, name in enumerate(swap.people))
    yield from ((("holidays", i, "person"), h.person) for i, h in enumerate(schedule.holidays) if h.person)
