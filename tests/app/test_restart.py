"""A whole App dies without a word and finds what was on its disk."""

from __future__ import annotations

from collections import Counter

import pytest

from hypercare.incidents.commands import Acknowledge
from hypercare.model.time import HOUR, MINUTE, SECOND


@pytest.fixture
def firing(story, tmp_path):
    one = story(data=tmp_path)
    one.run(MINUTE).load("a", 9).run(3 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    return one


def sent_twice(inbox):
    """Idempotency keys that came more than once."""
    keys = Counter(dict(r.headers).get("Idempotency-Key") or r.body for _, r in inbox.requests)
    return {key: count for key, count in keys.items() if count > 1}


@pytest.mark.parametrize("away", [0, 20 * SECOND, 2 * MINUTE, 8 * MINUTE])
def test_a_firing_alert_keeps_its_start_and_nobody_hears_of_it_again(firing, away):
    one = firing
    before = one.elements("High")
    one.kill(away)
    assert one.elements("High") == before
    one.run(25 * MINUTE)
    assert one.elements("High") == before
    assert one.chats() == [("High", "a:80", "firing")]
    assert len(one.incidents()) == 1
    (first, _), (second, who) = one.pages()
    assert (who, second) == ("ben", first + 10)


def test_an_escalation_that_came_due_while_away_goes_on_at_once(firing):
    one = firing.kill(away=40 * MINUTE)
    one.run(SECOND)
    assert one.paged() == ["ana", "ben"]
    one.run(HOUR)
    assert one.paged() == ["ana", "ben"]
    # The auditor does not tell of the step that was late while nobody could take it; that nobody took the incident, it does.
    assert [(name, what.partition(" after ")[0]) for _, name, what in one.audited()] == [
        ("ana", "#1 High: nobody has acknowledged"),
        ("ben", "#1 High: nobody has acknowledged"),
    ]
    assert one.chats() == [("High", "a:80", "firing")]


def test_deaths_in_a_row(firing):
    one = firing
    before = one.elements("High")
    for _ in range(8):
        one.kill(away=10 * SECOND).run(35 * SECOND)
    assert one.elements("High") == before
    one.run(20 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    assert one.paged() == ["ana", "ben"]


def test_samples_are_there_but_for_the_last_second(firing):
    one = firing
    before = one.value("count_over_time(load{instance='a:80'}[10m])")
    one.kill(away=SECOND)
    after = one.value("count_over_time(load{instance='a:80'}[10m])")
    assert after.keys() == before.keys()
    assert sum(before.values()) - sum(after.values()) in {0, 1}
    rate = "min_over_time(ALERTS_FOR_STATE[10m]) == max_over_time(ALERTS_FOR_STATE[10m])"
    one.run(5 * MINUTE)
    assert len(one.value(rate)) == 1, "the series goes on with the same start"


def test_an_acknowledged_incident_stays_so(firing):
    one = firing
    one.call(Acknowledge("1", "ana"))
    one.kill(away=MINUTE).run(HOUR)
    assert one.paged() == ["ana"]
    assert one.incidents()[0].acknowledged_by == "ana"


def test_resolved_while_away(firing):
    one = firing
    one.load("a", 1).kill(away=4 * MINUTE).run(30 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing"), ("High", "a:80", "resolved")]
    assert [i.status for i in one.incidents()] == ["resolved"]


def test_a_pending_alert_goes_on_after_a_short_absence_and_anew_after_a_long_one(story, tmp_path, write):
    slow = write.rules({**write.high, "for": "10m"})
    for name, away, fires in (("short", 20 * SECOND, True), ("long", 8 * MINUTE, False)):
        (tmp_path / name).mkdir()
        one = story(data=tmp_path / name, rules_yml=slow).run(MINUTE).load("a", 9).run(5 * MINUTE)
        assert one.states("High") == {"pending"}
        one.kill(away).run(6 * MINUTE - away if fires else 3 * MINUTE)
        assert one.firing("High") is fires


def test_a_notification_that_was_on_its_way_is_sent_once_more_with_its_key(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE).load("a", 9)
    assert one.sim.run_until_true(lambda: len(one.chat.requests) == 1, 5 * MINUTE)
    # It arrived; its answer did not.
    assert one.app.kernel.outbox.pending() >= 1
    one.kill().run(10 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")] * 2
    assert list(sent_twice(one.chat).values()) == [2]
    one.run(20 * MINUTE)
    assert len(one.chat.requests) == 2
    assert one.app.kernel.outbox.pending() == 0


def test_notifications_that_could_not_be_delivered_are_delivered_once(firing):
    one = firing
    one.chat.status = one.ana.status = one.ben.status = 503
    one.load("b", 9).run(11 * MINUTE)
    waiting = one.app.kernel.outbox.pending()
    assert waiting >= 2
    one.kill(away=MINUTE)
    assert one.app.kernel.outbox.pending() == waiting
    for inbox in (one.chat, one.ana, one.ben):
        inbox.status = 200
        inbox.requests.clear()
    one.run(30 * MINUTE)
    assert one.app.kernel.outbox.pending() == 0
    assert one.chats() == [("High", "b:80", "firing")]
    assert not sent_twice(one.ana)
    assert not sent_twice(one.ben)
    assert one.paged() == ["ben"]


@pytest.mark.parametrize("n", range(0, 15, 3))
def test_any_moment_will_do(story, tmp_path, n):
    """Killed at each of many moments of one fault: one incident, each told once (a repeat has the same key)."""
    one = story(data=tmp_path).run(MINUTE).load("a", 9).run(n * 13 * SECOND + n * 7)
    one.kill(away=3 * SECOND).run(15 * MINUTE).load("a", 1).run(14 * MINUTE)
    told = dict.fromkeys(r.body for _, r in one.chat.requests)
    assert len(told) == 2
    assert one.chats()[0] == ("High", "a:80", "firing")
    assert one.chats()[-1] == ("High", "a:80", "resolved")
    assert list(dict.fromkeys(one.paged())) == ["ana", "ben"]
    assert [i.status for i in one.incidents()] == ["resolved"]
