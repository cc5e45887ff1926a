"""The machine sleeps for hours and wakes: nobody is told a lie, and nothing comes in a flood."""

from __future__ import annotations

import pytest

from hypercare.model.time import HOUR, MINUTE, SECOND

NAP = 3 * HOUR


def test_a_firing_alert_sleeps_and_wakes(story):
    """No data came in three hours, and that is not good news: the alert must not end because we slept."""
    one = story().run(MINUTE).load("a", 9).run(3 * MINUTE)
    before = one.elements("High")
    one.sleep(NAP).run(20 * MINUTE)
    assert one.elements("High") == before
    assert one.chats() == [("High", "a:80", "firing")]
    assert (one.paged(), one.audited()) == (["ana", "ben"], [])
    assert len(one.incidents()) == 1


def test_what_ended_while_asleep_ends_once(story):
    one = story().run(MINUTE).load("a", 9).run(3 * MINUTE).load("a", 1)
    one.sleep(NAP).run(30 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing"), ("High", "a:80", "resolved")]
    assert [i.status for i in one.incidents()] == ["resolved"]


def test_sleep_is_not_pending_time(story, write):
    one = story(rules_yml=write.rules({**write.high, "for": "1h"})).run(MINUTE).load("a", 9).run(20 * MINUTE)
    assert one.states("High") == {"pending"}
    one.sleep(NAP).run(35 * MINUTE)
    assert one.states("High") == {"pending"}
    one.run(10 * MINUTE)
    assert one.firing("High")


def test_calm_sleep(story):
    one = story().run(10 * MINUTE).sleep(NAP).run(30 * MINUTE)
    assert (one.chats(), one.paged(), one.incidents()) == ([], [], ())
    assert one.elements("High") == []


@pytest.mark.parametrize("slept", [40 * SECOND, 4 * MINUTE, NAP])
def test_an_alert_on_missing_targets_does_not_fire_for_a_sleep(story, write, slept):
    gone = {"alert": "Gone", "expr": "absent(load{instance='a:80'}) or up == 0", "for": "1m"}
    one = story(rules_yml=write.rules(gone)).run(10 * MINUTE).sleep(slept).run(30 * MINUTE)
    assert one.chats() == []


def test_work_left_out_is_counted_and_not_made_up_for(story):
    one = story().run(10 * MINUTE)
    steps, evaluations = one.app.kernel.steps, one.app.rules.evaluations
    one.sleep(NAP).run(MINUTE)
    # A minute's work: 2 targets twice, 2 ticks, and what runs beside them; not the work of three hours.
    assert one.app.kernel.steps - steps < 40
    assert one.app.rules.evaluations - evaluations <= 3
    assert one.app.rules.missed >= 358
    requests = one.value("count_over_time(up{job='shop'}[1h])")
    assert set(requests.values()) <= {2.0, 3.0}


def test_a_long_sleep_repeats_once(story):
    one = story().run(MINUTE).load("a", 9).run(3 * MINUTE).sleep(14 * HOUR).run(20 * MINUTE)
    # The repeat interval of four hours has passed three times; one repetition says it all.
    assert one.chats() == [("High", "a:80", "firing")] * 2
    assert (one.paged(), one.audited()) == (["ana", "ben"], [])


def test_many_short_naps(story):
    one = story().run(MINUTE).load("a", 9).run(3 * MINUTE)
    before = one.elements("High")
    for _ in range(6):
        one.sleep(6 * MINUTE).run(2 * MINUTE)
    assert one.elements("High") == before
    assert one.chats() == [("High", "a:80", "firing")]
    assert len(one.incidents()) == 1


def test_sleep_and_death(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE).load("a", 9).run(3 * MINUTE)
    before = one.elements("High")
    one.sleep(NAP).run(10 * SECOND).kill(away=10 * SECOND).run(20 * MINUTE)
    assert one.elements("High") == before
    assert one.chats() == [("High", "a:80", "firing")]
    assert (one.paged(), one.audited()) == (["ana", "ben"], [])
