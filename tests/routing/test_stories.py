"""Whole stories: alerts go in, notifications come out, under the virtual clock."""

from __future__ import annotations

import dataclasses

import pytest
from routing_kit import T0, Fail, FakeIntegration, House, matcher, route, settings

from hypercare.kernel import CommandError
from hypercare.model.decision import Reason
from hypercare.model.events import AlertsReceived
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.routing.commands import ExpireSilence, PutSilence, ReceiveAlerts
from hypercare.routing.inhibition import InhibitRule
from hypercare.routing.intervals import TimeInterval
from hypercare.routing.store import load_alerts, load_groups, load_journal, load_silences


def test_alerts_of_one_group_go_out_together_after_group_wait(house):
    house.fire(house.alert("Down", "a"))
    house.run(10 * SECOND)
    house.fire(house.alert("Down", "b"))
    house.fire(house.alert("Slow", "a"))
    house.run(1 * HOUR)
    assert house.story == ["30 ops +Down/a +Down/b", "40 ops +Slow/a"]


def test_a_new_alert_of_a_known_group_waits_for_group_interval(house):
    house.fire(house.alert("Down", "a"))
    house.run(60 * SECOND)
    house.fire(house.alert("Down", "b"))
    house.run(10 * MINUTE)
    assert house.story == ["30 ops +Down/a", "330 ops +Down/a +Down/b"]


def test_repeat_after_repeat_interval_at_the_next_tick(house):
    house.fire(house.alert("Down", "a"))
    house.run(9 * HOUR)
    # Strictly later than four hours: the tick at exactly four hours is not.
    assert house.story == ["30 ops +Down/a", "14730 ops +Down/a", "29430 ops +Down/a"]


def test_resolved_is_told_and_the_group_goes(house):
    down = house.alert("Down", "a")
    house.fire(down)
    house.run(60 * SECOND)
    house.resolve(down)
    house.run(10 * MINUTE)
    assert house.story == ["30 ops +Down/a", "330 ops -Down/a"]
    assert [e.alert.name for e in house.ended] == ["Down"]
    assert [(e.reason, len(e.firing), len(e.resolved)) for e in house.notified] == [
        (Reason.NEW, 1, 0),
        (Reason.RESOLVED, 0, 1),
    ]
    with house.state.read() as db:
        assert load_groups(db, house.settings, house.clock.now()) == ()
        assert load_alerts(db, house.settings, house.clock.now()) == ()
    assert not [key for key in house.kernel.timers._live if key.startswith("routing.flush")]


def test_an_alert_that_ends_before_group_wait_is_never_told(house):
    down = house.alert("Down", "a")
    house.fire(down)
    house.run(10 * SECOND)
    house.resolve(down)
    house.run(10 * MINUTE)
    assert house.story == []
    assert len(house.ended) == 1
    assert house.notified == []


def test_an_old_alert_flushes_its_new_group_at_once(house):
    old = dataclasses.replace(house.alert("Down", "a"), starts_at=T0 - 31 * SECOND)
    house.fire(old)
    house.run(1 * SECOND)
    assert house.story == ["0 ops +Down/a"]


def test_partial_resolution_and_send_resolved_off():
    quiet = FakeIntegration("ops", "fake/1", send_resolved=False)
    house = House(settings(None, FakeIntegration("ops"), quiet))
    a, b = house.alert("Down", "a"), house.alert("Down", "b")
    house.fire(a, b)
    house.run(60 * SECOND)
    house.resolve(a)
    house.run(5 * MINUTE)
    told = [(e.target.rsplit("/", 1)[1], e.payload["firing"], e.payload["resolved"]) for _, e in house.told]
    assert told == [
        ("0", ["Down/a", "Down/b"], []),
        ("1", ["Down/a", "Down/b"], []),
        ("0", ["Down/b"], ["Down/a"]),
    ]
    house.resolve(b)
    house.run(5 * MINUTE)
    assert len(house.told) == 4  # only the first hears of the end
    house.fire(house.alert("Down", "b"))
    house.run(5 * MINUTE)
    assert [e.payload["firing"] for _, e in house.told[4:]] == [["Down/b"], ["Down/b"]]


def test_continue_reaches_both_receivers_and_a_receiver_without_integrations_still_counts():
    root = route(
        "ops",
        group_by=("alertname",),
        group_wait=0,
        routes=(route("pager", "severity=critical", continue_=True), route("log", "severity=~crit.*")),
    )
    house = House(settings(root, receivers={"log": ()}))
    house.fire(house.alert("Down", "a", severity="critical"))
    house.run(1 * HOUR)
    assert house.story == ["0 pager +Down/a"]
    assert [(e.receiver, e.group_key) for e in house.notified] == [
        ("pager", '{}/{severity="critical"}:{alertname="Down"}'),
        ("log", '{}/{severity=~"crit.*"}:{alertname="Down"}'),
    ]


def test_a_silence_added_during_group_wait_holds_until_it_ends(house):
    house.fire(house.alert("Down", "a"))
    house.run(10 * SECOND)
    end = house.clock.now() + 12 * MINUTE
    silence = house.call(PutSilence(((matcher("alertname=Down"),),), 0, end, "ann", "deploy"))
    with house.state.read() as db:
        view = load_alerts(db, house.settings, house.clock.now())[0]
    assert (view.state, view.silenced_by) == ("suppressed", (silence,))
    house.run(20 * MINUTE)
    assert house.story == ["930 ops +Down/a"]
    with house.state.read() as db:
        entries = load_journal(db, fingerprint=view.fingerprint)
    assert [(e.stage, e.decision.reason, e.decision.by) for e in entries] == [
        ("pass", Reason.NEW, ""),
        ("silence", Reason.SILENCED, silence),
        ("received", Reason.RECEIVED, "rules"),
    ]


def test_silences_are_edited_expired_and_validated(house):
    now = house.clock.now()
    first = house.call(PutSilence(((matcher("a=b"),),), 0, now + HOUR))
    assert house.call(PutSilence(((matcher("a=b"),),), now, now + 2 * HOUR, id=first)) == first
    second = house.call(PutSilence(((matcher("a=c"),),), 0, now + 2 * HOUR, id=first))
    assert second != first
    house.run(1 * SECOND)
    house.call(ExpireSilence(second))
    house.run(1 * SECOND)
    with house.state.read() as db:
        assert [(s.id, str(s.state(house.clock.now()))) for s in load_silences(db)] == [
            (first, "expired"),
            (second, "expired"),
        ]
    for bad, status in [
        (ExpireSilence("nope"), 404),
        (PutSilence(((matcher("a=b"),),), 0, now + HOUR, id="nope"), 404),
        (PutSilence(((matcher("a=b"),),), 0, now - HOUR), 400),
        (PutSilence((), 0, now + HOUR), 400),
        (PutSilence(((matcher("a=~.*"),),), 0, now + HOUR), 400),
    ]:
        with pytest.raises(CommandError) as caught:
            house.call(bad)
        assert caught.value.status == status
    house.run(6 * 24 * HOUR)
    with house.state.read() as db:
        assert load_silences(db) == ()


def test_inhibition_holds_back_while_the_source_fires():
    rule = InhibitRule((matcher("severity=critical"),), (matcher("severity=warning"),), ("cluster",))
    house = House(settings(inhibit_rules=(rule,)))
    critical = house.alert("Down", severity="critical", cluster="eu")
    house.fire(critical, house.alert("Slow", severity="warning", cluster="eu"))
    house.fire(house.alert("Full", severity="warning", cluster="us"))
    house.run(2 * MINUTE)
    assert house.story == ["30 ops +Down", "30 ops +Full"]
    house.resolve(critical)
    house.run(10 * MINUTE)
    assert house.story[2:] == ["330 ops -Down", "330 ops +Slow"]


def test_mute_and_active_time_intervals():
    # T0 is Sunday, 15 June 2025, 15:06:40 UTC.
    intervals = {"weekend": (TimeInterval(weekdays=((6, 6), (0, 0))),), "office": (TimeInterval(times=((960, 1020),)),)}
    root = route(
        "ops",
        group_by=("alertname",),
        group_wait=0,
        repeat_interval=48 * HOUR,
        routes=(
            route("a", "team=a", mute_time_intervals=("weekend",)),
            route("b", "team=b", active_time_intervals=("office",)),
        ),
    )
    house = House(settings(root, intervals=intervals))
    house.fire(house.alert("A", team="a"), house.alert("B", team="b"))
    house.run(12 * HOUR)
    # 16:00 is 3200 s away, midnight 32000 s; the ticks are 300 s apart.
    assert house.story == ["3300 b +B", "32100 a +A"]


def test_a_foreign_alert_ends_by_itself_unless_it_is_sent_again(house):
    down = house.alert("Down", "a")
    assert house.call(ReceiveAlerts((down,))) == ()
    for _ in range(3):
        house.run(4 * MINUTE)
        house.call(ReceiveAlerts((down,)))
    house.run(30 * MINUTE)
    assert [at - T0 for at, e in house.events if type(e).__name__ == "AlertResolved"] == [17 * MINUTE]
    assert house.story == ["30 ops +Down/a", "1230 ops -Down/a"]


def test_a_foreign_alert_with_an_end_of_its_own(house):
    down = dataclasses.replace(house.alert("Down", "a"), ends_at=T0 + 2 * MINUTE)
    house.call(ReceiveAlerts((down,)))
    house.run(10 * MINUTE)
    assert house.story == ["30 ops +Down/a", "330 ops -Down/a"]
    refused = house.call(ReceiveAlerts((dataclasses.replace(down, starts_at=5, ends_at=3),)))
    assert "start time must be before the end time" in refused[0]


def test_a_reload_keeps_what_was_told(house):
    house.fire(house.alert("Down", "a", team="x"))
    house.run(60 * SECOND)
    house.apply(settings())
    # The same receiver by a route of its own: a new group, which is told once.
    root = route("ops", group_by=("alertname",), routes=(route("team-x", "team=x"),))
    house.run(10 * MINUTE)
    assert house.story == ["30 ops +Down/a"]
    house.apply(settings(root))
    house.run(10 * MINUTE)
    assert house.story == ["30 ops +Down/a", "660 team-x +Down/a"]
    house.apply(settings(root))
    house.apply(settings())
    house.run(1 * HOUR)
    # Back again: the old group's memory is still there.
    assert len(house.story) == 2


def test_a_restart_announces_nothing_anew_and_loses_nothing(tmp_path):
    house = House(settings(), tmp_path / "state.db")
    a = house.alert("Down", "a")
    house.fire(a)
    house.run(60 * SECOND)
    house.fire(house.alert("Slow", "b"))
    house.run(10 * SECOND)
    house.restart(5 * SECOND)
    assert house.story == ["30 ops +Down/a"]
    house.run(60 * SECOND)
    assert house.story == ["30 ops +Down/a", "90 ops +Slow/b"]
    house.restart(20 * MINUTE)
    house.resolve(a)
    house.run(10 * MINUTE)
    # The overdue flush comes a second after the start, as it rang before the configuration was taken.
    assert house.story[2:] == ["1336 ops -Down/a"]


def test_a_foreign_alert_whose_end_passed_while_we_were_down_is_waited_for(tmp_path):
    house = House(settings(), tmp_path / "state.db")
    house.call(ReceiveAlerts((house.alert("Down", "a"),)))
    house.run(60 * SECOND)
    house.restart(20 * MINUTE)
    house.run(60 * SECOND)
    house.call(ReceiveAlerts((house.alert("Down", "a"),)))
    house.run(4 * MINUTE)
    assert house.story == ["30 ops +Down/a"]
    assert house.ended == []


def test_a_kill_between_commit_and_delivery_delivers_later_with_the_same_key(tmp_path):
    house = House(settings(), tmp_path / "state.db")
    house.collector.answer = False
    house.fire(house.alert("Down", "a"))
    house.run(60 * SECOND)
    house.collector.answer = True
    house.restart()
    house.run(20 * MINUTE)
    keys = [effect.key for _, effect in house.told]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_failed_step_leaves_no_trace(house):
    house.fire(house.alert("Down", "a"))
    with pytest.raises(RuntimeError):
        house.call(Fail(AlertsReceived((house.alert("Lost", "x"), house.alert("Down", "b")))))
    house.run(60 * SECOND)
    assert house.story == ["30 ops +Down/a"]
    with house.state.read() as db:
        assert [v.alert.name for v in load_alerts(db, house.settings, house.clock.now())] == ["Down"]


def test_an_alert_that_ended_in_silence_is_new_when_it_fires_again(house):
    down = house.alert("Down", "a")
    house.fire(down)
    house.run(60 * SECOND)
    silence = house.call(PutSilence(((matcher("alertname=Down"),),), 0, house.clock.now() + HOUR))
    house.resolve(down)
    house.run(10 * MINUTE)
    house.call(ExpireSilence(silence))
    house.run(10 * MINUTE)
    house.fire(house.alert("Down", "a"))
    house.run(60 * SECOND)
    assert house.story == ["30 ops +Down/a", "1290 ops +Down/a"]


def test_groups_and_alerts_for_readers():
    root = route(
        "ops", group_by=("alertname",), routes=(route("pager", "severity=critical", continue_=True), route("chat"))
    )
    house = House(settings(root))
    house.fire(house.alert("Down", "a", severity="critical"), house.alert("Down", "b"))
    with house.state.read() as db:
        assert {v.state for v in load_alerts(db, house.settings, house.clock.now())} == {"unprocessed"}
    house.run(60 * SECOND)
    with house.state.read() as db:
        groups = load_groups(db, house.settings, house.clock.now())
        alerts = load_alerts(db, house.settings, house.clock.now())
    assert [(g.receiver, [v.alert.labels.get("instance") for v in g.alerts]) for g in groups] == [
        ("chat", ["a", "b"]),
        ("pager", ["a"]),
    ]
    assert sorted((v.alert.labels.get("instance"), v.receivers, v.state) for v in alerts) == [
        ("a", ("pager", "chat"), "active"),
        ("b", ("chat",), "active"),
    ]
