"""Overrides and swaps that people make while hypercare runs, and calendars taken in and given out."""

from __future__ import annotations

import dataclasses

import pytest

from hypercare.kernel import CommandError, Kernel, Outbox
from hypercare.model.errors import InputError
from hypercare.model.time import DAY, HOUR, WEEK, format_rfc3339, parse_rfc3339, to_datetime
from hypercare.oncall.changes import Changes, load_changes, with_changes
from hypercare.oncall.commands import AddOverride, AddSwap, Imported, ImportShifts, RemoveChange
from hypercare.oncall.ical import read_calendar, write_calendar
from hypercare.oncall.plan import Person, Plan, Schedule
from hypercare.oncall.render import render
from hypercare.oncall.rotation import on_call
from hypercare.sim import VirtualClock, World, virtual_ports
from hypercare.state import State

START = parse_rfc3339("2026-01-05T09:00:00Z")
PEOPLE = (
    Person("ann", ("email",), full_name="Ann Ö", email="ann@x.example"),
    Person("ben", ("email",)),
    Person("cat", ("email",), full_name="Cat; the, first"),
)
PLAN = Plan(
    PEOPLE,
    (
        Schedule("s", ("ann", "ben"), to_datetime(START).replace(tzinfo=None)),
        Schedule("t", ("cat",), to_datetime(START).replace(tzinfo=None)),
    ),
)


class Desk:
    """The commands in a kernel of their own."""

    def __init__(self):
        self.clock = VirtualClock(START)
        self.state = State.open(None)
        ports = virtual_ports(self.clock, World(self.clock, 1), 1)
        self.kernel = Kernel(self.state, ports, Outbox(None))
        self.plan = PLAN
        Changes(lambda: PLAN, self.take).register(self.kernel)
        self.kernel.start()

    def take(self, plan):
        self.plan = plan

    def tell(self, command):
        answer = self.kernel.call(command)
        while self.kernel.step():
            pass
        return answer.result(0)

    def who(self, at, schedule="s"):
        return on_call(self.plan.schedule(schedule), at).person


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.state.close()


def test_an_override_counts_at_once_and_until_it_is_taken_out(desk):
    change = desk.tell(AddOverride("s", "cat", START + HOUR, START + 2 * HOUR, "ann", "dentist"))
    assert (change.kind, change.person, change.created_by, change.comment) == ("override", "cat", "ann", "dentist")
    assert [desk.who(START + n * HOUR) for n in (0, 1, 2)] == ["ann", "cat", "ann"]
    later = desk.tell(AddOverride("s", "ben", START + HOUR, START + 2 * HOUR, "ben"))
    assert desk.who(START + HOUR) == "ben"
    assert desk.tell(RemoveChange(later.id, "cat")).removed_by == "cat"
    assert desk.who(START + HOUR) == "cat"
    with desk.state.read() as db:
        assert [c.id for c in load_changes(db)] == [change.id]
        assert [c.id for c in load_changes(db, removed=True)] == [change.id, later.id]
        assert load_changes(db, since=START + 2 * HOUR) == ()
        assert with_changes(PLAN, load_changes(db)) == desk.plan


def test_a_swap_changes_both_weeks_of_its_schedule_alone(desk):
    desk.tell(AddSwap("s", "ann", "ben", START, START + 2 * WEEK, "ann"))
    assert [desk.who(START + n * WEEK) for n in range(4)] == ["ben", "ann", "ann", "ben"]
    assert desk.who(START, "t") == "cat"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (AddOverride("x", "ann", START, START + 1, "a"), 404),
        (AddOverride("s", "nobody", START, START + 1, "a"), 400),
        (AddOverride("s", "ann", START, START, "a"), 400),
        (AddOverride("s", "ann", START, START + 400 * DAY, "a"), 400),
        (AddSwap("s", "ann", "ann", START, START + 1, "a"), 400),
        (AddSwap("s", "ann", "zoe", START, START + 1, "a"), 400),
        (RemoveChange("x", "a"), 404),
        (ImportShifts("x", (Imported("u", "ann", START, START + 1),), "a"), 404),
        (ImportShifts("s", (Imported("u", "ann", START, START + 1), Imported("v", "zoe", START, START + 1)), "a"), 400),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(desk, command, status):
    with pytest.raises(CommandError) as refused:
        desk.tell(command)
    assert refused.value.status == status
    with desk.state.read() as db:
        assert load_changes(db, removed=True) == ()


def test_a_change_is_taken_out_once(desk):
    change = desk.tell(AddOverride("s", "cat", START, START + HOUR, "ann"))
    desk.tell(RemoveChange(change.id, "ann"))
    with pytest.raises(CommandError, match="already by ann"):
        desk.tell(RemoveChange(change.id, "ben"))


def test_an_imported_event_takes_the_place_of_its_earlier_self(desk):
    first = desk.tell(
        ImportShifts(
            "s",
            (Imported("u", "cat", START, START + HOUR), Imported("v", "cat", START + DAY, START + DAY + HOUR)),
            "ann",
        )
    )
    assert [c.uid for c in first] == ["u", "v"]
    desk.tell(ImportShifts("s", (Imported("u", "cat", START + HOUR, START + 2 * HOUR),), "ann"))
    assert [desk.who(START + n * HOUR) for n in (0, 1, 24)] == ["ann", "cat", "cat"]
    assert desk.tell(ImportShifts("s", (), "ann")) == ()


# -- iCalendar ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again():
    schedule = dataclasses.replace(PLAN.schedules[0], people=("ann", "ben", "cat"))
    duties = render(schedule, START, START + 3 * WEEK)
    text = write_calendar("shop, on call", [("s", d) for d in duties], PLAN, START)
    assert text.endswith("END:VCALENDAR\r\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    back = read_calendar(text, PLAN, "America/New_York")
    assert [(e.person, e.start, e.end) for e in back] == [(d.person, d.start, d.end) for d in duties]
    assert len({e.uid for e in back}) == 3
    assert "SUMMARY:Cat\\; the\\, first on call: s" in text


def test_long_lines_fold_between_characters():
    plan = Plan((Person("ann", (), full_name="Ö" * 100 + "\r\nEND:VCALENDAR"),))
    (duty,) = render(dataclasses.replace(PLAN.schedules[0], people=("ann",)), START, START + 1)
    text = write_calendar("x", [("s", duty)], plan, START)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert ("Ö" * 100 + "\\nEND:VCALENDAR on call: s") in text.replace("\r\n ", "")
    assert text.count("\r\nEND:VCALENDAR") == 1


def event(*lines):
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n"
        + "".join(f"{line}\r\n" for line in lines)
        + "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


@pytest.mark.parametrize(
    ("lines", "person", "start", "end"),
    [
        (("DTSTART:20260105T090000Z", "DTEND:20260105T170000Z", "SUMMARY:ann"), "ann", "2026-01-05T09:00:00Z", "2026-01-05T17:00:00Z"),
        (("DTSTART;TZID=Europe/Berlin:20260705T090000", "DURATION:PT8H", "SUMMARY:BEN on call: x"), "ben", "2026-07-05T07:00:00Z", "2026-07-05T15:00:00Z"),
        (("DTSTART:20260105T090000", "DURATION:P1DT30M", "SUMMARY:Ann Ö"), "ann", "2026-01-05T14:00:00Z", "2026-01-06T14:30:00Z"),
        (("DTSTART;VALUE=DATE:20260308", "SUMMARY:ben"), "ben", "2026-03-08T05:00:00Z", "2026-03-09T05:00:00Z"),
        (("DTSTART;VALUE=DATE:20260308", "DTEND;VALUE=DATE:20260309", "SUMMARY:ben"), "ben", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        (("DTSTART:20260105T090000Z", "DTEND:20260105T170000Z", 'ATTENDEE;CN="Ann: the boss":mailto:ANN@x.example', "SUMMARY:dut", " y"), "ann", "2026-01-05T09:00:00Z", "2026-01-05T17:00:00Z"),
        (("BEGIN:VALARM", "DTSTART:junk", "END:VALARM", "DTSTART:20260105T090000Z", "DURATION:PT1H", "SUMMARY:Cat\\; the\\, first"), "cat", "2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z"),
    ],
)  # fmt: skip
def test_calendars_of_others(lines, person, start, end):
    (found,) = read_calendar(event(*lines), PLAN, "America/New_York")
    assert (found.person, found.start, found.end) == (person, parse_rfc3339(start), parse_rfc3339(end))


GOOD = ("DTSTART:20260105T090000Z", "DTEND:20260105T170000Z", "SUMMARY:ann")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("hello", 1, "not a content line"),
        ("", 1, "expected BEGIN:VCALENDAR"),
        ("A:b", 1, "expected BEGIN:VCALENDAR"),
        (event(*GOOD, "RRULE:FREQ=DAILY"), 7, "an event that repeats for ever"),
        (event(*GOOD, "RRULE:FREQ=DAILY;COUNT=5000"), 7, "an event that repeats more than 1000 times"),
        (event(*GOOD, "RRULE:FREQ=WEEKLY;INTERVAL=9999;COUNT=999"), 7, "date value out of range"),
        (event(*GOOD, "RRULE:FREQ=MONTHLY;COUNT=2"), 7, "only FREQ=DAILY and FREQ=WEEKLY"),
        (event(*GOOD, "RRULE:FREQ=DAILY;COUNT=0"), 7, "COUNT is a number"),
        (event(*GOOD, "RRULE:FREQ=WEEKLY;BYDAY=1MO;COUNT=2"), 7, "BYDAY names weekdays"),
        (event(*GOOD, "RRULE:FREQ=DAILY;BYHOUR=3;COUNT=2"), 7, "BYHOUR in a rule of repetition"),
        (event(*GOOD, "RRULE:FREQ=DAILY;UNTIL=soon"), 7, "UNTIL is a date"),
        (event(*GOOD, "RDATE:20260107T090000Z"), 7, "an event with further dates"),
        (event(*GOOD, "RECURRENCE-ID:20260107T090000Z"), 7, "an event that changes one of a series"),
        (event(GOOD[0], GOOD[1], "SUMMARY:stranger"), 4, "cannot tell whose shift 'stranger' is"),
        (event("DTSTART:20261305T090000Z", *GOOD[1:]), 4, "not a date and time"),
        (event("DTSTART;TZID=Mars/Olympus:20260105T090000", *GOOD[1:]), 4, "unknown time zone 'Mars/Olympus'"),
        (event("DTSTART:20260105T090000Z", "DURATION:eight", "SUMMARY:ann"), 5, "not a duration"),
        (event("DTSTART:20260105T090000Z", "SUMMARY:ann"), 6, "the event has neither"),
        (event("DTSTART:20260105T090000Z", "DTEND:20260105T090000Z", "SUMMARY:ann"), 7, "the event does not end after"),
        (event(*GOOD).partition("END:VEVENT")[0], 6, "an event does not end"),
        (event("SUMMARY:ann"), 5, "the event has no DTSTART"),
    ],
)
def test_what_cannot_be_understood_names_its_line(text, line, message):
    with pytest.raises(InputError) as wrong:
        read_calendar(text, PLAN, "UTC")
    (problem,) = wrong.value.problems
    assert problem.line == line
    assert problem.message.startswith(message)


def test_a_cancelled_event_is_left_out():
    assert read_calendar(event(*GOOD, "STATUS:CANCELLED"), PLAN, "UTC") == ()


BERLIN = (
    "DTSTART;TZID=Europe/Berlin:20260326T090000",
    "DTEND;TZID=Europe/Berlin:20260326T170000",
    "SUMMARY:ann",
    "UID:u",
)


@pytest.mark.parametrize(
    ("rule", "starts"),
    [
        # The clocks change on the 29th: 09:00 stays 09:00 there.
        (("RRULE:FREQ=DAILY;COUNT=4",), ["26T08", "27T08", "28T08", "29T07"]),
        (("RRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20260330",), ["26T08", "28T08", "30T07"]),
        (("RRULE:FREQ=DAILY;UNTIL=20260328T080000Z",), ["26T08", "27T08", "28T08"]),
        (("RRULE:FREQ=WEEKLY;BYDAY=FR,MO;COUNT=2",), ["27T08", "30T07"]),
        (("RRULE:FREQ=WEEKLY;COUNT=2;BYDAY=TH;WKST=SU", "EXDATE;TZID=Europe/Berlin:20260326T090000"), ["02T07"]),
        (("RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260327T080000Z,20260328T080000Z"), ["26T08"]),
    ],
)
def test_events_that_come_again_keep_their_local_time(rule, starts):
    found = read_calendar(event(*BERLIN, *rule), PLAN, "UTC")
    assert [format_rfc3339(shift.start)[8:13] for shift in found] == starts
    assert {shift.end - shift.start for shift in found} == {8 * 3_600_000}
    assert len({shift.uid for shift in found}) == len(found)
