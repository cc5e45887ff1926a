"""A year of a schedule of four layers, exact to the minute, through both clock changes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time

from benchmarks.figure import Figure, Scale
from hypercare.model.time import DAY, HOUR, YEAR, parse_rfc3339
from hypercare.oncall.coverage import coverage
from hypercare.oncall.plan import Holiday, Layer, Override, Person, Plan, Schedule, Swap, Window
from hypercare.oncall.render import render

_START = parse_rfc3339("2026-01-05T00:00:00Z")


def four_weeks() -> Schedule:
    """Four people in turns of a week, over it two business days in other zones, and nights handed on daily."""
    first = dt.datetime(2026, 1, 5, 9)  # noqa: DTZ001 - local wall-clock time of a schedule
    people = ("ann", "ben", "cat", "dan")
    week = (0, 1, 2, 3, 4)
    layers = (
        Layer("berlin", ("eve", "fay"), first, "Europe/Berlin", windows=(Window(week, 9 * 60, 17 * 60),)),
        Layer("new york", ("gus", "hal"), first, "America/New_York", windows=(Window(week, 11 * 60, 18 * 60),), holidays="skip"),
        Layer("nights", people, first, "Australia/Sydney", DAY, windows=(Window(week, 22 * 60, 30 * 60),)),
    )  # fmt: skip
    month = 30 * DAY
    return Schedule(
        "primary", people, first, "Europe/Berlin", layers=layers, fallback=("ann",),
        overrides=tuple(Override("cat", _START + i * 7 * DAY, _START + i * 7 * DAY + 5 * HOUR) for i in range(52)),
        swaps=tuple(Swap("ann", "ben", _START + i * month, _START + i * month + 14 * DAY) for i in range(12)),
        holidays=tuple(Holiday(dt.date(2026, m, 1), dt.date(2026, m, 1), "dan") for m in range(1, 13)),
        away=tuple(Override("eve", _START + i * month, _START + i * month + 7 * DAY) for i in range(12)),
    )  # fmt: skip


def run(scale: Scale) -> list[Figure]:
    """The best of some runs, as a machine at rest has it; and the proof of coverage of four such schedules."""
    schedule = four_weeks()
    names = dict.fromkeys(name for layer in schedule.stack for name in layer.people)
    roles = ("primary", "secondary", "manager", "executive")
    plan = Plan(
        tuple(Person(name, ("email",)) for name in names),
        tuple(dataclasses.replace(schedule, name=role) for role in roles),
    )
    rendering, proving = [], []
    shifts = 0
    for _ in range(scale(5, 1)):
        began = time.perf_counter()
        shifts = len(render(schedule, _START, _START + YEAR))
        rendering.append(time.perf_counter() - began)
        began = time.perf_counter()
        found = coverage(plan, _START, _START + YEAR)
        proving.append(time.perf_counter() - began)
        assert found.covered, found.gaps[:3]
    note = f"{shifts} shifts: 4 layers in 3 zones, 52 overrides, 12 swaps, holidays and absences"
    return [
        Figure("who is on call over a year, 4 layers", min(rendering), "s", limit=1, note=note),
        Figure("coverage of a year proved for 4 such schedules", min(proving), "s", note=note),
    ]
