"""Laws of paging with delayed contact ways, conditions, repeats and restarts: found by chance, not by example."""

from __future__ import annotations

import zoneinfo

from desk_kit import NOON, Desk, alert
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_paging_properties import ACTIONS, House

from hypercare.incidents.settings import IncidentSettings
from hypercare.incidents.store import load_timeline
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, to_datetime
from hypercare.oncall.plan import Person, Plan, Policy, Schedule, Step

FEW = settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
WAYS = (
    Person("ada", ("console", "console"), urgencies=("high", "high"), delays=(0, 4 * MINUTE)),
    Person("bob", ("console", "console"), urgencies=("any", "low"), delays=(2 * MINUTE, 0)),
)
RICH = Policy("default", (Step(0, ("ada",)), Step(10 * MINUTE, ("bob",)), Step(15 * MINUTE, ("ada",))), 1, 10 * MINUTE)


class RichHouse(House):
    """The house of the incidents' laws, with people who are reached in several ways."""

    def __init__(self, path, *, confirm):
        self.up = True
        self.firing, self.causes, self.silences, self.wrong = {}, {}, {}, []
        self.made = 0
        Desk.__init__(self, Plan(WAYS, policies=(RICH,)), IncidentSettings(confirm=confirm), path)


@FEW
@given(ACTIONS, st.booleans())
def test_never_what_is_silenced_inhibited_or_acknowledged_and_always_what_calls(tmp_path_factory, actions, confirm):
    house = RichHouse(tmp_path_factory.mktemp("s") / "state.db", confirm=confirm)
    for action, instance, minutes, wait in [("fire", "1", 1, 1), *actions]:
        house.act(action, instance, minutes)
        house.wait(wait * MINUTE + SECOND)
    house.up = True
    house.wait(3 * HOUR)
    assert house.wrong == []
    incident = house.latest()
    if house.calls() and incident.status != "acknowledged":
        with house.state.read() as db:
            story = load_timeline(db, incident.id)
        begun = max(e.at for e in story if e.kind in {"opened", "reopened", "unacknowledged"})
        assert {e.data["person"] for e in story if e.kind == "page_delivered" and e.at >= begun} == {"ada", "bob"}
    house.state.close()


STEPS = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["ada", "bob", "cid"])), min_size=1, max_size=5)
RESTARTS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 25)), max_size=4)


@FEW
@given(STEPS, RESTARTS)
def test_every_step_of_an_unanswered_page_goes_out_at_its_time_or_when_we_are_back(tmp_path_factory, steps, restarts):
    times, at = [(0, "ada")], 0
    for gap, name in steps:
        at += gap
        times.append((at, name))
    people = tuple(Person(name, ("console",)) for name in ("ada", "bob", "cid"))
    policy = Policy("default", tuple(Step(t * MINUTE, (name,)) for t, name in times))
    desk = Desk(Plan(people, policies=(policy,)), path=tmp_path_factory.mktemp("s") / "state.db")
    desk.notify(alert())
    down = []
    for at, lasts in restarts:
        if NOON + at * MINUTE + 1 < desk.clock.now():
            continue
        desk.sim.run_until(NOON + at * MINUTE + 1)
        begin = desk.clock.now()
        desk.restart(after=lasts * MINUTE)
        down.append((begin, desk.clock.now()))
    desk.sim.run_until(NOON + 6 * HOUR)
    expected = []
    for t, name in times:
        due = NOON + t * MINUTE
        back = next((until for begin, until in down if begin <= due < until), due)
        expected.append((back, name))
    assert [(e.payload["at"], e.payload["person"]) for e in desk.post.sent] == expected
    assert len({e.key for e in desk.post.sent}) == len(desk.post.sent)
    desk.state.close()


ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "America/St_Johns"]


@FEW
@given(st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(0, 6 * 24 * 60))
def test_time_zones_do_not_matter(schedule_zone, person_zone, minutes):
    """The same instants, written by other clocks, page the same people at the same time."""

    def pages(zone, home):
        start = to_datetime(NOON - 3 * HOUR).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
        schedule = Schedule("s", ("ada", "bob", "cid"), start, zone, DAY // 2, since=NOON - 3 * HOUR)
        people = tuple(Person(name, ("console",), home) for name in ("ada", "bob", "cid"))
        steps = (Step(0, ("schedule:s",)), Step(HOUR, ("schedule:s",)), Step(13 * HOUR, ("schedule:s",)))
        desk = Desk(Plan(people, (schedule,), (Policy("default", steps),)), at=NOON + minutes * MINUTE)
        desk.notify(alert())
        desk.wait(DAY)
        return [(e.payload["at"], e.payload["person"]) for e in desk.post.sent]

    assert pages(schedule_zone, person_zone) == pages("UTC", "UTC")
