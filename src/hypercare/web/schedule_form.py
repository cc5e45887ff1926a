"""The form of a schedule: from a definition to fields, from fields to a definition, and what its buttons do.

A form is nested dicts and lists of texts, so that whatever was typed comes back as it was, right or wrong.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hypercare.config.schedule_doc import definition_of
from hypercare.config.schedules import WEEKDAYS
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, WEEK, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.config.schedule_doc import Path, Trouble
    from hypercare.config.schedules import Schedule

Form: TypeAlias = dict[str, Any]
UNITS: Final = {"h": HOUR, "d": DAY, "w": WEEK}
"""Units of turns that the form offers; others only where a definition has them."""
_ALL_UNITS: Final = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1}
_MOST: Final = 1000
_WINDOW: Final[dict[str, Any]] = {"days": list(WEEKDAYS[:5]), "from": "09:00", "until": "17:00"}
_HOLIDAY: Final = {"date": "", "until": "", "name": "", "person": ""}


def new_layer(start: str) -> Form:
    """A layer whose first turn begins at a local moment."""
    return {
        "name": "", "timezone": "", "people": [], "add": "", "count": "1", "unit": "w", "start": start, "until": "",
        "handoff": "", "handoff_day": "", "holidays": "work", "restrictions": [],
    }  # fmt: skip


def new_form(timezone: str, start: str) -> Form:
    """An empty schedule with one layer."""
    return {
        "name": "", "timezone": timezone, "layers": [new_layer(start)], "holidays": [], "fallback": [],
        "fallback_add": "", "overrides": [], "swaps": [],
    }  # fmt: skip


def form_of(schedule: Schedule) -> Form:
    """The fields of a schedule."""
    said = definition_of(schedule)
    base = [said["rotation"]] if "rotation" in said else []
    return {
        "name": schedule.name, "timezone": schedule.timezone,
        "layers": [_layer_of(layer) for layer in (*base, *said.get("layers", ()))],
        "holidays": [_HOLIDAY | holiday for holiday in said.get("holidays", ())],
        "fallback": list(schedule.fallback), "fallback_add": "",
        "overrides": [
            {"person": o["person"], "from": _moment(o["from"]), "until": _moment(o["until"])}
            for o in said.get("overrides", ())
        ],
        "swaps": [
            {"one": s["people"][0], "other": s["people"][1], "from": _moment(s["from"]), "until": _moment(s["until"])}
            for s in said.get("swaps", ())
        ],
    }  # fmt: skip


def _layer_of(said: dict[str, Any]) -> Form:
    every = parse_duration(said.get("every", "1w"))
    unit = next(name for name, length in _ALL_UNITS.items() if every % length == 0)
    restrictions = [
        {"days": r.get("days", list(WEEKDAYS)), "from": r.get("from", "00:00"), "until": r.get("until", "00:00")}
        for r in said.get("restrictions", ())
    ]
    texts = {key: said.get(key, "") for key in ("name", "timezone", "handoff", "handoff_day")}
    return {
        **new_layer(_moment(said["start"])), **texts, "people": list(said["people"]), "restrictions": restrictions,
        "count": str(every // _ALL_UNITS[unit]), "unit": unit, "until": _moment(said.get("until", "")),
        "holidays": said.get("holidays", "work"),
    }  # fmt: skip


def _moment(text: str) -> str:
    """As a field for date and time has it; with an offset as it is."""
    if not text:
        return ""
    moment = dt.datetime.fromisoformat(text)
    return text if moment.tzinfo or moment.second or moment.microsecond else moment.isoformat(timespec="minutes")


def definition_from(form: Form) -> dict[str, Any]:
    """What ``read_schedule`` reads; a lowest layer without a name and a zone of its own is the ``rotation``."""
    layers = [_said_of_layer(layer) for layer in form["layers"]]
    said: dict[str, Any] = {"name": form["name"], "timezone": form["timezone"]}
    if layers and rotates(form):
        said["rotation"] = layers.pop(0)
    if layers:
        said["layers"] = layers
    said["overrides"] = form["overrides"]
    said["swaps"] = [{"people": [s["one"], s["other"]], "from": s["from"], "until": s["until"]} for s in form["swaps"]]
    said["holidays"] = [
        {"date": h["date"], **{key: h[key] for key in ("until", "name", "person") if h[key]}} for h in form["holidays"]
    ]
    said["fallback"] = form["fallback"]
    return said


def rotates(form: Form) -> bool:
    """Whether the lowest layer is the schedule's rotation."""
    return bool(form["layers"]) and not (form["layers"][0]["name"] or form["layers"][0]["timezone"])


def _said_of_layer(layer: Form) -> dict[str, Any]:
    found = {
        "people": layer["people"], "every": f"{layer['count']}{layer['unit']}", "start": layer["start"],
        "restrictions": layer["restrictions"], "holidays": layer["holidays"],
    }  # fmt: skip
    return found | {key: layer[key] for key in ("name", "timezone", "until", "handoff", "handoff_day") if layer[key]}


def read_form(fields: Mapping[str, Sequence[str]]) -> Form:
    """What was typed; fields are ``layers-0-restrictions-1-from`` and the like.

    Somebody chosen to be added is added by whatever button was pressed: they would be forgotten otherwise.
    """

    def one(name: str) -> str:
        return next(iter(fields.get(name, ())), "").strip()

    def many(pattern: str) -> list[int]:
        found = (re.fullmatch(rf"{pattern}-(\d{{1,4}})-.*", name) for name in fields)
        return sorted({int(match[1]) for match in found if match})[:_MOST]

    def row(prefix: str, keys: Sequence[str]) -> Form:
        return {key: one(f"{prefix}-{key}") for key in keys}

    layers: list[Form] = []
    for n in many("layers"):
        at = f"layers-{n}"
        texts = row(at, [key for key, value in new_layer("").items() if isinstance(value, str)])
        windows = [
            {"days": [d for d in fields.get(f"{at}-restrictions-{i}-days", ()) if d],
             **row(f"{at}-restrictions-{i}", ("from", "until"))}
            for i in many(rf"{at}-restrictions")
        ]  # fmt: skip
        people = [name for name in (*fields.get(f"{at}-people", ()), texts["add"]) if name]
        layers.append({**texts, "people": people, "add": "", "restrictions": windows})
    head = {name: one(name) for name in ("name", "timezone", "fallback_add")}
    return {
        **head, "fallback_add": "", "layers": layers,
        "fallback": [name for name in (*fields.get("fallback", ()), head["fallback_add"]) if name],
        "holidays": [row(f"holidays-{i}", tuple(_HOLIDAY)) for i in many("holidays")],
        "overrides": [row(f"overrides-{i}", ("person", "from", "until")) for i in many("overrides")],
        "swaps": [row(f"swaps-{i}", ("one", "other", "from", "until")) for i in many("swaps")],
    }  # fmt: skip


def press(form: Form, act: str) -> str:
    """Do what a button says to the form, in place: ``layers-0-people-2-up``.

    Returns:
        The id of the field that somebody goes on with; empty: the button was none of these.

    """
    match = re.fullmatch(r"(.*?)(?:-(\d{1,4}))?-(add|remove|up|down)", act)
    if match is None:
        return ""
    path, number, what = match[1], match[2], match[3]
    of = _list_at(form, path)
    if of is None or (number is None) != (what == "add") or len(of) > _MOST:
        return ""
    if number is None:
        return _add(path, of)
    at = int(number)
    if at >= len(of):
        return ""
    if what == "remove":
        del of[at]
        return f"{path}-{min(at, len(of) - 1)}-remove" if of else f"{path}-add"
    to = max(0, min(len(of) - 1, at + (1 if what == "down" else -1)))
    of.insert(to, of.pop(at))
    return f"{path}-{to}-{what}"


def _list_at(form: Form, path: str) -> list[Any] | None:
    """The list under a path such as ``layers-0-people``."""
    here: Any = form
    for part in path.split("-"):
        if isinstance(here, list):
            if not part.isdigit() or int(part) >= len(here):
                return None
            here = here[int(part)]
        elif isinstance(here, dict) and part in here:
            here = here[part]
        else:
            return None
    return here if isinstance(here, list) else None


def _add(path: str, of: list[Any]) -> str:
    kind = path.rpartition("-")[2]
    if kind in {"people", "fallback"}:
        # They are in the list already: see ``read_form``.
        return f"{path}-who"
    if kind == "layers":
        of.append(new_layer(of[-1]["start"] if of else ""))
        return f"layers-{len(of) - 1}-name"
    if kind == "restrictions":
        of.append(dict(_WINDOW))
        return f"{path}-{len(of) - 1}-from"
    if kind == "holidays":
        of.append(dict(_HOLIDAY))
        return f"holidays-{len(of) - 1}-date"
    return ""


_NAMES: Final = {"every": "count", "people": "people-who"}
_WORDS: Final = {
    "layers": "layer", "holidays": "holiday", "restrictions": "hours", "overrides": "override", "swaps": "swap",
    "count": "length of a turn", "start": "first turn", "handoff": "hand-off", "handoff_day": "day of the hand-off",
    "until": "end", "date": "day", "timezone": "time zone", "from": "beginning",
}  # fmt: skip


def errors_of(form: Form, troubles: Sequence[Trouble]) -> dict[str, list[str]]:
    """What is wrong, by the id of the field that is to blame; under ``""`` what belongs to none."""
    found: dict[str, list[str]] = {}
    for trouble in troubles:
        said = f"{trouble.message}; {trouble.hint}" if trouble.hint else trouble.message
        found.setdefault(field_of(form, trouble.path), []).append(said)
    return found


def field_of(form: Form, path: Path) -> str:
    """The id of the field that stands for a place of the definition."""
    parts = list(path)
    if not parts or parts == ["rotation"]:
        return ""
    if parts[0] == "rotation":
        parts[:1] = ["layers", 0]
    elif parts[0] == "layers" and len(parts) > 1 and isinstance(parts[1], int):
        parts[1] += rotates(form)
    if parts[0] == "swaps" and "people" in parts:
        place = parts[-1] if isinstance(parts[-1], int) else 0
        return f"swaps-{parts[1]}-{('one', 'other')[min(place, 1)]}"
    if "days" in parts:
        parts = parts[: parts.index("days") + 1]
    if len(parts) == 3 and parts[0] == "layers":
        parts[2] = _NAMES.get(str(parts[2]), parts[2])
    return "-".join(map(str, parts))


def place_of(field: str) -> str:
    """A field by its id in words: ``layer 2, hours 1, end``."""
    found: list[str] = []
    for part in field.replace("-who", "").split("-"):
        if part.isdigit():
            found[-1] += f" {int(part) + 1}"
        elif part:
            found.append(_WORDS.get(part, part))
    return ", ".join(found)
