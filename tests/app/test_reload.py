"""A reload while an alert fires and somebody is being called: who was told is not told again, who is due is called."""

from __future__ import annotations

import json

import pytest

from hypercare.incidents.commands import Acknowledge
from hypercare.kernel import CommandError
from hypercare.model.errors import InputError, Problem
from hypercare.model.time import HOUR, MINUTE, SECOND

TWO = {"alert": "Low", "expr": "load > 2", "for": "1m"}
OTHER = {"alert": "Other", "expr": "load > 5", "labels": {"severity": "warning"}}


@pytest.fixture
def firing(story):
    """A story in which ``High`` of a fires since its third minute, ana was paged, and ben is next."""

    def make(**files):
        one = story(**files)
        one.run(MINUTE).load("a", 9).run(3 * MINUTE)
        assert one.firing("High")
        assert one.chats("High") == [("High", "a:80", "firing")]
        assert one.paged() == ["ana"]
        return one

    return make


def undisturbed(one):
    """Nobody heard of ``High`` again; ben is called at his time, ten minutes after ana, and once."""
    one.run(20 * MINUTE)
    assert one.chats("High") == [("High", "a:80", "firing")]
    (first, _), (second, who) = one.pages()
    assert who == "ben"
    assert second == first + 10
    assert len(one.incidents()) == 1
    return one


def test_the_same_again(firing):
    one = firing()
    before = one.elements("High")
    for _ in range(10):
        one.reload().run(7 * SECOND)
    assert one.elements("High") == before
    undisturbed(one)


@pytest.mark.parametrize("change", ["added", "first", "group before", "annotated", "for", "interval", "expression"])
def test_rules_change_around_a_firing_alert(firing, write, change):
    high = write.high
    texts = {
        "added": write.rules(high, OTHER),
        "first": write.rules(OTHER, high),
        "group before": json.dumps(
            {"groups": [{"name": "early", "rules": [OTHER]}, {"name": "main", "rules": [high]}]}
        ),
        "annotated": write.rules({**high, "annotations": {"summary": "now with words"}}),
        "for": write.rules({**high, "for": "30m"}),
        "interval": json.dumps({"groups": [{"name": "main", "interval": "10s", "rules": [high]}]}),
        "expression": write.rules({**high, "expr": "load > 4"}),
    }
    one = firing()
    before = one.elements("High")
    one.reload(rules_yml=texts[change])
    assert one.elements("High") == before
    undisturbed(one)
    assert one.elements("High") == before
    told = one.chats("Other")
    assert told == ([("Other", "a:80", "firing")] if "Other" in texts[change] else [])


def test_another_rule_goes_and_its_alert_with_it(firing, write):
    one = firing(rules_yml=write.rules(write.high, OTHER))
    assert one.chats("Other") == [("Other", "a:80", "firing")]
    one.reload(rules_yml=write.rules(write.high))
    undisturbed(one)
    assert one.chats("Other") == [("Other", "a:80", "firing"), ("Other", "a:80", "resolved")]
    assert one.value("ALERTS{alertname='Other'}") == {}


def test_the_firing_rule_goes(firing, write):
    one = firing()
    one.reload(rules_yml=write.rules(OTHER)).run(30 * MINUTE)
    assert one.chats("High") == [("High", "a:80", "firing"), ("High", "a:80", "resolved")]
    (incident,) = one.incidents()
    assert incident.status == "resolved"
    # The incident was open for ten more minutes of quiet, but nobody had to be called for them.
    assert one.paged() == ["ana"]


def test_a_rule_that_went_and_came_back_is_one_story(firing, write):
    one = firing()
    one.reload(rules_yml=write.rules(OTHER)).run(10 * SECOND)
    one.reload(rules_yml=write.rules(OTHER, write.high)).run(5 * MINUTE)
    assert [status for _, _, status in one.chats("High")] in (["firing"], ["firing", "resolved", "firing"])
    assert len(one.incidents()) == 1
    assert one.paged() == ["ana"]
    (incident,) = one.incidents()
    assert incident.firing == 1


def test_targets_come_and_go(firing, write):
    one = firing()
    one.target("c:80").gauge("load", 1)
    one.reload(prometheus_yml=write.prometheus("a:80", "b:80", "c:80")).run(MINUTE)
    assert one.value("up{instance='c:80'}") == {'up{instance="c:80", job="shop"}': 1.0}
    one.reload(prometheus_yml=write.prometheus("a:80", "c:80")).run(MINUTE)
    assert one.value("up{instance='b:80'}") == {}
    undisturbed(one)


def test_the_firing_target_goes(firing, write):
    one = firing()
    one.reload(prometheus_yml=write.prometheus("b:80")).run(5 * MINUTE)
    assert one.chats("High") == [("High", "a:80", "firing"), ("High", "a:80", "resolved")]
    one.run(30 * MINUTE)
    assert [i.status for i in one.incidents()] == ["resolved"]


CHANGED_JOBS = {
    "interval": {"scrape_interval": "10s"},
    "timeout": {"scrape_timeout": "5s"},
    "path": {"metrics_path": "/other"},
    "relabel": {"metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "junk", "action": "drop"}]},
}


@pytest.mark.parametrize("change", CHANGED_JOBS)
def test_a_job_changes(firing, write, change):
    job = {"job_name": "shop", "static_configs": [{"targets": ["a:80", "b:80"]}], **CHANGED_JOBS[change]}
    one = firing()
    one.reload(prometheus_yml=write.prometheus(scrape_configs=[job]))
    undisturbed(one)


def test_a_receiver_comes(firing):
    one = firing()
    mail = type(one.chat)(one.world, "second")
    one.reload(
        alertmanager_yml="""
route:
  receiver: chat
  group_by: [alertname, instance]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes: [{receiver: second, continue: true}, {receiver: chat}]
receivers:
  - {name: chat, webhook_configs: [{url: "http://chat/"}]}
  - {name: second, webhook_configs: [{url: "http://second/"}]}
"""
    )
    one.run(20 * MINUTE)
    # The group of the new child route is another one than that of the root: Alertmanager tells both, so do we.
    assert [a["status"] for m in mail.json() for a in m["alerts"]] == ["firing"]
    assert one.paged() == ["ana", "ben"]
    assert len(one.incidents()) == 1


def test_a_second_integration_comes(firing):
    one = firing()
    second = type(one.chat)(one.world, "second")
    one.reload(
        alertmanager_yml="""
route: {receiver: chat, group_by: [alertname, instance], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
  - name: chat
    webhook_configs: [{url: "http://chat/"}, {url: "http://second/"}]
"""
    )
    undisturbed(one)
    assert [a["status"] for m in second.json() for a in m["alerts"]] == ["firing"]


def test_a_receiver_goes_with_a_notification_under_way(firing, write):
    one = firing()
    one.chat.status = 503
    one.load("b", 9).run(3 * MINUTE)
    assert one.app.kernel.outbox.pending() == 1
    other = type(one.chat)(one.world, "other")
    one.reload(alertmanager_yml=write.alertmanager.replace("chat", "other"))
    one.run(5 * MINUTE)
    assert sorted({a["labels"]["instance"] for m in other.json() for a in m["alerts"]}) == ["a:80", "b:80"]
    assert len(other.requests) == 2
    assert one.app.kernel.outbox.pending() == 0


def test_an_address_changes_and_the_waiting_notification_follows(firing, write):
    one = firing()
    one.chat.status = 503
    one.load("b", 9).run(3 * MINUTE)
    other = type(one.chat)(one.world, "other")
    one.reload(alertmanager_yml=write.alertmanager.replace("http://chat/", "http://other/")).run(10 * MINUTE)
    assert [a["labels"]["instance"] for m in other.json() for a in m["alerts"]] == ["b:80"]


def test_a_reload_while_the_group_waits(story, write):
    one = story().run(MINUTE).load("a", 9)
    assert one.sim.run_until_true(lambda: one.firing("High"), 5 * MINUTE)
    one.run(5 * SECOND)
    assert one.chats() == []
    one.reload(rules_yml=write.rules(write.high, TWO)).run(5 * SECOND)
    assert one.chats() == [("High", "a:80", "firing")]


def test_a_reload_keeps_the_time_of_a_pending_alert(story, write):
    slow = {**write.high, "for": "10m"}
    one = story(rules_yml=write.rules(slow)).run(MINUTE).load("a", 9).run(5 * MINUTE)
    (before,) = one.elements("High")
    one.reload(rules_yml=write.rules(slow, TWO)).run(MINUTE)
    assert one.elements("High") == [before]
    one.reload(rules_yml=write.rules({**slow, "for": "2m"})).run(MINUTE)
    assert one.firing("High")


def test_people_change_while_somebody_is_called(firing, write):
    one = firing()
    one.reload(hypercare_yml=write.hypercare.replace("{notify: [ben], after: 10m}", "{notify: [ben], after: 15m}"))
    one.run(12 * MINUTE)
    assert one.paged() == ["ana"]
    one.run(5 * MINUTE)
    assert one.paged() == ["ana", "ben"]


def test_the_next_one_to_call_has_left(firing, write):
    text = write.hypercare
    without = text.replace('  - {name: ben, contact: [{channel: webhook, url: "http://phone-ben/"}]}\n', "")
    one = firing()
    one.reload(hypercare_yml=without.replace("{notify: [ben], after: 10m}", "{notify: [ana], after: 10m}"))
    one.run(20 * MINUTE)
    assert one.paged() == ["ana", "ana"]


def test_an_acknowledged_incident_stays_so(firing, write):
    one = firing()
    one.call(Acknowledge("1", "ana"))
    one.reload(rules_yml=write.rules(write.high, OTHER)).run(HOUR)
    assert one.paged() == ["ana"]
    assert one.incidents()[0].acknowledged_by == "ana"


# -- a bad reload ------------------------------------------------------------------------------------------------


def problem():
    raise InputError([Problem("hypercare.yml", 3, 1, "not good")])


def test_a_bad_reload_leaves_all_as_it_was(firing):
    one = firing()
    before = one.elements("High"), one.app.config, one.app.last_reload_at
    with pytest.raises(InputError, match="not good"):
        one.app.reload(problem)
    assert not one.app.last_reload_ok
    assert "hypercare.yml:3:1" in one.app.last_reload_error
    one.run(0)
    assert (one.elements("High"), one.app.config, one.app.last_reload_at) == before
    undisturbed(one)
    one.reload()
    assert one.app.last_reload_ok


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rules.yml", '{"groups": [{"name": "main", "rules": [{"alert": "High", "expr": "load >"}]}]}'),
        ("rules.yml", "\0\1"),
        ("alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: chat}]\n"),
        ("prometheus.yml", "scrape_configs: 7\n"),
        ("hypercare.yml", "platform: shop\npeople: [{name: ana}, {name: ana}]\n"),
    ],
)
def test_bad_files_leave_all_as_it_was(firing, name, text):
    one = firing()
    with pytest.raises(InputError):
        one.reload(**{name.replace(".", "_"): text})
    assert name in one.app.last_reload_error
    undisturbed(one)


ROOMS = ["routing", "incidents", "oncall", "rules", "collectors"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_that_cannot_take_a_configuration_leaves_all_as_it_was(firing, write, monkeypatch, room):
    """A fault of ours, or a refusal that only a room can know: the others must not run by the new one."""
    one = firing()
    other = type(one.chat)(one.world, "other")

    def refuse(*_):
        raise CommandError("cannot take it")

    with monkeypatch.context() as patch:
        patch.setattr(getattr(one.app, room), "configure", refuse)
        with pytest.raises(CommandError, match="cannot take it"):
            one.reload(
                rules_yml=write.rules(OTHER),
                prometheus_yml=write.prometheus("b:80"),
                alertmanager_yml=write.alertmanager.replace("chat", "other"),
                hypercare_yml=write.hypercare.replace("phone-ben", "phone-carl"),
            )
    assert not one.app.last_reload_ok
    undisturbed(one)
    one.load("b", 9).run(5 * MINUTE)
    assert one.chats("High")[1:] == [("High", "b:80", "firing")]
    assert one.value("up{instance='a:80'}") == {'up{instance="a:80", job="shop"}': 1.0}
    assert other.requests == []
