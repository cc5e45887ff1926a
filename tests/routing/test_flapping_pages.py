"""Whoever is to be paged is paged, though nobody is told of what flaps: routing, incidents and on-call in one kernel."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_kit import Fail, FakeIntegration, House, matcher, route
from routing_kit import settings as routing_settings

from hypercare.incidents import store
from hypercare.incidents.commands import Resolve
from hypercare.incidents.service import IncidentService
from hypercare.incidents.settings import IncidentSettings
from hypercare.model.events import AlertsBeganAgain, AlertsReceived
from hypercare.model.time import HOUR, MINUTE, SECOND, parse_rfc3339
from hypercare.oncall.plan import Person, Plan, Policy, Step
from hypercare.oncall.service import OnCallService
from hypercare.routing.commands import PutSilence
from hypercare.routing.flapping import FlapRule
from hypercare.routing.inhibition import InhibitRule
from hypercare.routing.intervals import TimeInterval
from hypercare.routing.recurrence_text import read_every
from hypercare.routing.rows import load_alerts as load_held
from hypercare.routing.tree import build_tree

NOON = parse_rfc3339("2026-01-05T12:00:00Z")
NEVER = -1
DAMP = FlapRule(20 * MINUTE, high=6, low=2, damp=True)
SHOW = dataclasses.replace(DAMP, damp=False)
SHORT = dataclasses.replace(DAMP, window=4 * MINUTE)
OFF = dataclasses.replace(DAMP, high=0, low=0)
SOON = dataclasses.replace(DAMP, high=4, low=1)
RULES = {"show": SHOW, "short": SHORT, "off": OFF}
PEOPLE = (Person("ada", ("console",)), Person("bob", ("console",)))
PLAN = Plan(PEOPLE, (), (Policy("default", (Step(0, ("ada",)),)),))
LONGER = Plan(PEOPLE, (), (Policy("default", (Step(0, ("ada",)), Step(10 * MINUTE, ("bob",)))),))
TIMES = {"group_wait": 10 * SECOND, "group_interval": MINUTE, "repeat_interval": 4 * HOUR}


def ours(rule, root=None, *integrations, **more):
    root = root or route("ops", group_by=("alertname",), **TIMES)
    power = InhibitRule((matcher("alertname=Power"),), (matcher("alertname=Down"),))
    return routing_settings(root, *integrations, flapping=(rule,), inhibit_rules=(power,), **more)


class Ward(House):
    """Three rooms; what happens is written as ``minute what, minute what``."""

    def __init__(self, settings, path=None, plan=PLAN):
        self.pages, self.plan = [], plan
        super().__init__(settings, path, NOON)
        self.down = self.alert("Down", severity="critical")
        self.power = self.alert("Power")

    def furnish(self, kernel):
        self.incidents = IncidentService()
        self.oncall = OnCallService(lambda _, page: dataclasses.asdict(page))
        self.incidents.register(kernel)
        self.oncall.register(kernel)
        kernel.on_message(IncidentSettings, self.incidents.apply)
        kernel.on_message(Plan, self.oncall.apply)

    def apply(self, settings):
        super().apply(settings)
        self.call(IncidentSettings(quiet_time=10 * MINUTE))
        self.call(self.plan)

    def deliver(self, effect, reply):
        if effect.key.startswith("page:"):
            self.pages.append(self.minute)
            self.collector.deliver(effect, reply)
        else:
            super().deliver(effect, reply)

    @property
    def minute(self):
        return (self.clock.now() - NOON) // MINUTE

    def live(self, script):
        for line in script.split(", "):
            minute, what, *more = line.split()
            rest = NOON + round(float(minute) * MINUTE) - self.clock.now()
            assert rest >= 0, f"too late for {line}"
            self.run(rest)
            getattr(self, f"do_{what}")(*more)
            assert self.kernel.failures == 0
        return self

    def do_fire(self, source="rules"):
        """It begins, by a clock that may be behind ours."""
        starts = self.clock.now() - (HOUR if source == "late" else 0)
        self.down = dataclasses.replace(self.down, starts_at=starts)
        self.fire(self.down)

    def do_promise(self):
        """It begins, and ends in 18 seconds if nobody says more."""
        self.down = dataclasses.replace(self.down, starts_at=self.clock.now())
        self.fire(dataclasses.replace(self.down, ends_at=self.clock.now() + 18 * SECOND), source="api")

    def do_end(self):
        self.resolve(self.down)

    def do_blink(self):
        """Ends and begins in what is sent at once."""
        now = self.clock.now()
        began = dataclasses.replace(self.down, starts_at=now)
        self.fire(dataclasses.replace(self.down, ends_at=now), began)
        self.down = began

    def do_flap(self, until):
        """Begins at once, and ends and begins each minute; at the end it has ended."""
        while self.minute < int(until):
            self.do_fire()
            self.run(MINUTE)
            self.do_end()
            self.run(MINUTE)

    def do_resolve(self):
        self.call(Resolve(str(self.all[-1].number), "ana"))

    def do_silence(self, minutes, every=""):
        now = self.clock.now()
        recurrence = read_every(every, "UTC") if every else None
        ends = now + int(minutes) * MINUTE
        self.call(PutSilence(((matcher("alertname=Down"),),), now, ends, "ana", "", recurrence=recurrence))

    def do_dark(self):
        self.fire(self.power)

    def do_light(self):
        self.resolve(self.power)

    def do_kill(self, minutes="0"):
        self.restart(int(minutes) * MINUTE)

    def do_fail(self):
        with pytest.raises(RuntimeError, match="on purpose"):
            self.call(Fail(AlertsReceived((self.alert("Other"),))))
        self.kernel.failures = 0

    def do_regroup(self):
        tree = build_tree(route("others", group_by=("instance",), **TIMES))
        self.apply(dataclasses.replace(self.settings, tree=tree, receivers={"others": (FakeIntegration("others"),)}))

    def do_reload(self, rule):
        self.apply(dataclasses.replace(self.settings, flapping=(RULES[rule],)))

    def do_wait(self):
        pass

    @property
    def all(self):
        with self.state.read() as db:
            return store.load_incidents(db)[::-1]

    @property
    def statuses(self):
        return " ".join(incident.status for incident in self.all)


FLAPS = "0 flap 6, "
"""Damped from minute 5 on, and ended for now; without more changes until 3+20 minutes."""
BETWEEN = "6 fire, 6.5 resolve, "
STAYS = {
    "its incident goes on while it is over for now": ("7 fire, 8 end, 22 fire, 40 wait", [0], "open"),
    "calm and over: the incident ends after the quiet time": ("36 wait", [0], "resolved"),
    "not before": ("31 wait", [0], "open"),
    "resolved while it fires, and it fires on": ("6 fire, 6.5 resolve, 590 wait", [0], "resolved"),
    "resolved later than it began again": ("6 fire, 7 end, 8 fire, 8.5 resolve, 590 wait", [0], "resolved"),
    "resolved while it is over, and it stays so": ("6.5 resolve, 590 wait", [0], "resolved"),
}
AGAIN = {
    "resolved while it fires": (BETWEEN + "7 end, 8 fire, 12 wait", [0, 8], "open"),
    "resolved while it is over for now": ("6.5 resolve, 8 fire, 12 wait", [0, 8], "open"),
    "each time": ("6.5 resolve, 7 fire, 8.5 resolve, 9 end, 10 fire, 12 wait", [0, 7, 10], "open"),
    "at that instant": ("6.5 resolve, 6.5 fire, 12 wait", [0, 7], "open"),
    "at once": ("6 fire, 6.5 resolve, 7 blink, 12 wait", [0, 7], "open"),
    "over for now when its group is looked at": (BETWEEN + "7 end, 7.5 fire, 8 end, 8.6 fire, 12 wait", [0, 9], "open"),
    "its sender's clock is behind": (BETWEEN + "7 end, 8 fire late, 12 wait", [0, 8], "open"),
    "long after": (BETWEEN + "7 end, 8 flap 30, 30.5 wait", [0, 8], "open"),
    "another incident follows": (
        "6.5 resolve, 7 silence 13, 8 flap 20, 20 fire, 22 wait", [0, 20], "resolved open"
    ),
}  # fmt: skip
HELD = {
    "silenced": (BETWEEN + "7 silence 23, 8 end, 9 flap 29, 29 fire, 33 wait", [0, 30], "resolved open"),
    "in a window": (
        BETWEEN + "6.9 silence 1000 12:07-12:15;12:16-12:30, 8 end, 9 flap 11, 11 fire, 20 wait", [0, 15], "open"
    ),
    "inhibited": (BETWEEN + "7 dark, 8 end, 9 flap 13, 13 fire, 14.5 light, 18 wait", [0, 15], "open"),
}  # fmt: skip
KILLED = {
    "before its group is looked at": (BETWEEN + "7 end, 8 fire, 8 kill, 12 wait", [0, 8], "open"),
    "while we are away": (BETWEEN + "7 end, 7 kill 5, 13 fire, 16 wait", [0, 13], "open"),
    "silenced": (BETWEEN + "7 silence 6, 8 end, 9 fire, 11 kill, 15 wait", [0, 13], "open"),
    "twice told is once": (BETWEEN + "7 end, 8 fire, 9 kill, 10 resolve, 11 kill, 15 wait", [0, 8], "resolved"),
    "by a failed step": (BETWEEN + "7 end, 8 fire, 8 fail, 12 wait", [0, 8], "open"),
    "over for now, then calm": ("7 kill, 10 kill, 36 wait", [0], "resolved"),
}
RELOADED = {
    "damped no more: its end is told": ("7 reload show, 18 wait", [0], "resolved"),
    "damped no more, and it fires": ("6 fire, 7 reload show, 40 wait", [0], "open"),
    "damped no more, resolved, again": ("6.5 resolve, 7 reload show, 8 fire, 9 wait", [0, 8], "open"),
    "nobody looks for it any more": ("7 reload off, 18 wait", [0], "resolved"),
    "calm sooner by the new rule": ("6.5 reload short, 19 wait", [0], "resolved"),
    "other groups: its end is told": ("7 regroup, 36 wait", [0], "resolved"),
    "again in the step before": (BETWEEN + "7 end, 8 fire, 8 reload show, 9 wait", [0, 8], "open"),
}
PLAIN = {
    "between two flushes": ("0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 3 wait", [0, 1], "open"),
    "the same, and a kill": ("0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 0.9 kill, 3 wait", [0, 1], "open"),
    "resolved after it": ("0 fire, 0.5 end, 0.6 fire, 0.8 resolve, 590 wait", [0], "resolved"),
    "silenced": ("0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 1 silence 4, 7 wait", [0, 5], "open"),
    "silenced, and a kill": ("0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 1 silence 4, 4 kill, 7 wait", [0, 5], "open"),
    "inhibited, and a kill": (
        "0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 1 dark, 4 kill, 4.5 light, 7 wait", [0, 5], "open"
    ),
    "ends and begins at once, and fires on": ("0 fire, 1.5 blink, 30 wait", [0], "open"),
    "it fires on": ("0 fire, 0.5 resolve, 590 wait", [0], "resolved"),
    "over, and nothing more": ("0 fire, 0.5 resolve, 0.6 end, 590 wait", [0], "resolved"),
}  # fmt: skip
TABLES = {"stays": STAYS, "again": AGAIN, "held": HELD, "killed": KILLED, "reloaded": RELOADED}
DAMPED = [
    pytest.param(FLAPS + script, pages, statuses, id=f"{name}: {title}")
    for name, table in TABLES.items()
    for title, (script, pages, statuses) in table.items()
]
NOT_DAMPED = [pytest.param(*row, id=f"not damped: {title}") for title, row in PLAIN.items()]


@pytest.mark.parametrize(("script", "pages", "statuses"), DAMPED + NOT_DAMPED)
def test_paged_when_it_begins_after_its_incident_is_over(tmp_path, script, pages, statuses):
    ward = Ward(ours(DAMP), tmp_path / "state.db" if " kill" in script else None).live(script)
    assert (ward.pages, ward.statuses) == (pages, statuses)


HUSHED = {
    "silenced while it is over for now": ("0 flap 6, 6 silence 14, 25 wait", [0, 20]),
    "over for now when it is silenced no more": ("0 flap 6, 6 fire, 6.5 silence 3, 7 end, 18 wait", [0, 15]),
    "silenced; calm, and begins before its group knows": ("0 flap 6, 6 silence 60, 23.05 fire, 40 wait", [0]),
    "silenced; the promised end, and begins before its group knows": (
        "0 promise, 0.2 silence 60, 0.6 promise, 0.8 fire, 20 wait", [0]
    ),
    "silenced from the start; the step before failed": ("0 silence 12, 0 flap 6, 8 fail, 15 wait", [12]),
}  # fmt: skip


@pytest.mark.parametrize(("script", "pages"), HUSHED.values(), ids=HUSHED)
def test_what_holds_back_a_damped_alert_holds_back_escalations_just_as_long(script, pages):
    assert Ward(ours(DAMP), plan=LONGER).live(script).pages == pages


def test_receivers_hear_no_more_than_they_would():
    ward = Ward(ours(DAMP)).live("0 flap 6")
    before = len(ward.story)
    ward.live(BETWEEN + "7 end, 8 flap 20")
    assert (ward.pages, len(ward.story)) == ([0, 8], before)
    with ward.state.read() as db:
        (incident,) = ward.all
        alerts = store.load_alerts(db, incident.id)
    assert [a.ends_at is None for a in alerts].count(True) == 1, "of its firings one is under way"


def test_other_rooms_hear_of_each_beginning_once_and_of_no_end_that_is_none():
    ward = Ward(ours(DAMP)).live("0 fire, 0.5 end, 0.8 fire, 4 wait, 5.5 blink, 9 wait")
    assert [(at - NOON) / MINUTE for event in ward.of(AlertsBeganAgain) for _, at in event.alerts] == [0.8, 5.5]
    assert len(ward.ended) == 1


@pytest.mark.parametrize(
    "how", ["30 wait", "7 reload show", "7 reload off", "23.05 kill", "7 fail, 23.05 fail", "7 regroup, 30 wait"]
)
def test_receivers_hear_of_its_end_once(tmp_path, how):
    ward = Ward(ours(DAMP), tmp_path / "state.db").live("0 flap 6")
    before = len(ward.story)
    ward.live(f"{how}, 50 wait")
    told = [line.split(" ")[-1] for line in ward.story[before:]]
    assert told == (["+Down", "-Down"] if "regroup" in how else ["-Down"])
    with ward.state.read() as db:
        assert load_held(db) == [], "it is gone"


def test_muted_until_a_route_is_heard():
    """Once, though it takes two routes; when the first of them may speak."""
    times = {"noon": (TimeInterval(times=((727, 735),)),), "after": (TimeInterval(times=((727, 745),)),)}
    one = route("one", mute_time_intervals=("noon",), continue_=True)
    root = route("ops", group_by=("alertname",), routes=(one, route("two", mute_time_intervals=("after",))), **TIMES)
    ward = Ward(ours(DAMP, root, intervals=times)).live(FLAPS + BETWEEN + "7 end, 8 fire, 14 wait")
    assert ward.pages == [0]
    assert ward.live("30 wait").pages == [0, 15]


def test_muted_and_killed(tmp_path):
    root = route("ops", routes=(route("one", mute_time_intervals=("noon",)),), **TIMES)
    settings = ours(OFF, root, intervals={"noon": (TimeInterval(times=((721, 725),)),)})
    script = "0 fire, 0.5 resolve, 0.6 end, 0.8 fire, 3 kill, 7 wait"
    ward = Ward(settings, tmp_path / "state.db").live(script)
    assert ward.pages == [0, 5]


def test_where_ends_are_not_told_that_it_is_calm_and_over_is_not_told():
    """Others of the group are not told once more because of it."""
    ward = Ward(ours(DAMP, None, FakeIntegration("ops", send_resolved=False)))
    ward.fire(ward.alert("Down", "other"))
    ward.live("0 flap 6")
    before = len(ward.story)
    ward.live("40 wait")
    assert len(ward.story) == before


FIRST = [("fire", 31), ("end", 31)] * 2
DEEDS = (
    "fire",
    "fire",
    "end",
    "end",
    "blink",
    "resolve",
    "resolve",
    "silence 2",
    "dark",
    "fail",
    "reload show",
    "kill",
)
HISTORY = st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from([1, 31, 61])), min_size=4, max_size=9)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORY)
def test_whatever_happens_what_begins_after_its_incident_is_over_is_paged(history):
    """What fires in the end has an open incident, unless somebody resolved that after it began."""
    began = resolved = NEVER
    with tempfile.TemporaryDirectory() as folder:
        ward = Ward(ours(SOON), Path(folder) / "state.db")
        for deed, seconds in FIRST + history:
            verb, *more = deed.split()
            if verb == "resolve":
                if "open" not in ward.statuses:
                    continue
                resolved = ward.clock.now()
            began = {"fire": ward.clock.now() if began == NEVER else began, "end": NEVER}.get(verb, began)
            if verb == "blink":
                began = ward.clock.now()
            getattr(ward, f"do_{verb}")(*more)
            ward.run(seconds * SECOND)
        ward.do_light()
        ward.run(4 * MINUTE)
        assert ward.kernel.failures == 0
        if began > resolved:
            assert ward.statuses.endswith("open"), ward.statuses
            assert ward.pages, "somebody was paged"
        elif began != NEVER:
            assert ward.statuses.endswith("resolved"), ward.statuses
        ward.do_end()
        ward.run(HOUR)
        assert "open" not in ward.statuses
        ward.state.close()
