"""Alerts as they are told: as they were received last, firing ones without an end, in the order of notifications."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from routing_kit import House, matcher, route, settings

from hypercare.channels.notification import alert_order
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.routing.commands import PutSilence
from hypercare.routing.journal import Journal
from hypercare.routing.merge import merge


@dataclasses.dataclass(frozen=True)
class Whole:
    """Keeps the notifications themselves."""

    receiver: str
    got: list
    name: str = "fake/0"
    send_resolved: bool = True
    channel: str = "fake"

    @property
    def target(self):
        return f"receiver/{self.receiver}/{self.name}"

    def render(self, notification):
        self.got.append(notification)
        return {"at": notification.now}


def sent_again(labels, at):
    """An alert as senders repeat it: something of it may have changed."""
    return st.builds(
        Alert,
        st.just(labels),
        st.sampled_from([Labels(), Labels.of(summary="bad"), Labels.of(summary="worse")]),
        st.sampled_from([at - HOUR, at - MINUTE, at]),
        st.sampled_from([None, at + MINUTE, at + HOUR, at + 2 * HOUR, at]),
        st.sampled_from(["", "http://p/graph"]),
    )


# Those with neither job nor instance come last, and equal ones by their other labels.
SETS = [
    Labels.of(alertname="A", job=job, instance=instance, x=x)
    for job in ("", "a", "b")
    for instance in ("", "1")
    for x in ("", "y")
]


@examples(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_told_is_what_was_received_last(data):
    got = []
    root = route("ops", group_by=("alertname",), group_wait=10 * SECOND, group_interval=30 * SECOND)
    house = House(settings(root, Whole("ops", got)))
    known = {}
    for _ in range(data.draw(st.integers(1, 5))):
        now = house.clock.now()
        alerts = [data.draw(sent_again(labels, now)) for labels in data.draw(st.lists(st.sampled_from(SETS)))]
        house.fire(*alerts, source="rules")
        for alert in alerts:
            old = known.get(alert.labels)
            if old is not None:
                known[alert.labels] = merge(old, alert, now, guessed_end=False)
            elif not alert.resolved_at(now):
                known[alert.labels] = alert
        told = len(got)
        house.run(data.draw(st.sampled_from([1, 10, 29, 61])) * SECOND)
        for notification in got[told:]:
            _check(notification, known)


def _check(notification, known):
    now = notification.now
    for alert in notification.alerts:
        expected = known[alert.labels]
        over = expected.resolved_at(now)
        assert alert == (expected if over else dataclasses.replace(expected, ends_at=None))
    plain = [(not (j := a.labels.get("job")), j, not (i := a.labels.get("instance")), i, a.labels.pairs)
             for a in notification.alerts]  # fmt: skip
    assert plain == sorted(plain)
    assert list(notification.alerts) == sorted(notification.alerts, key=alert_order)
    firing = {labels for labels, alert in known.items() if not alert.resolved_at(now)}
    assert {a.labels for a in notification.firing} == firing
    for labels in [labels for labels, alert in known.items() if alert.resolved_at(now)]:
        # It has left its group, and is unknown from now on.
        del known[labels]


def test_an_alert_that_was_held_back_and_passes_is_noted_once_in_each_group(tmp_path):
    root = route("ops", group_by=("alertname",), group_wait=0, group_interval=MINUTE)
    house = House(settings(root), tmp_path / "state.db")
    house.fire(house.alert("Down", "a"), house.alert("Down", "b"), house.alert("Slow", "a"))
    house.run(3 * MINUTE)
    assert all(not known for known in _held_back(house))
    until = house.clock.now() + 2 * MINUTE
    house.call(PutSilence(((matcher("instance=a"),),), 0, until))
    house.run(90 * SECOND)
    assert [len(known) for known in _held_back(house)] == [1, 1]
    house.run(10 * MINUTE)
    assert all(not known for known in _held_back(house))


def _held_back(house):
    index = house.routing._index
    return [Journal(index, group, house.clock.now()).held_back() for group in index.groups.values()]


def test_a_flush_at_the_very_instant_of_an_end_tells_it_though_the_end_is_not_published_yet():
    root = route("ops", group_by=("alertname",), group_wait=10 * SECOND, group_interval=MINUTE)
    house = House(settings(root))
    house.fire(house.alert("Down", "a"))
    house.run(20 * SECOND)
    # The group's timer is older than that of the end, so that it rings first.
    ending = dataclasses.replace(house.alert("Down", "b"), ends_at=house.clock.now() + 50 * SECOND)
    house.fire(ending, source="api")
    house.run(5 * MINUTE)
    assert house.story == ["10 ops +Down/a", "70 ops +Down/a -Down/b"]
    assert len(house.ended) == 1


@pytest.mark.parametrize(
    ("groups", "alerts", "steps"), [(1, 1, 1), (50, 1, 1), (51, 1, 2), (3, 2_000, 1), (4, 2_000, 2)]
)
def test_groups_that_are_due_at_once_share_steps_as_far_as_nobody_else_waits_long(groups, alerts, steps):
    house = House(settings(route("ops", group_by=("alertname",), group_wait=10 * SECOND, group_interval=HOUR)))
    fired = [house.alert(f"Down{group}", str(number)) for group in range(groups) for number in range(alerts)]
    house.fire(*fired)
    house.clock.advance_to(house.clock.now() + 10 * SECOND)
    taken = 0
    while len(house.notified) < groups:
        taken += 1
        house.kernel._handle_timer(house.clock.now(), *house.kernel.timers.pop())
    assert taken == steps
