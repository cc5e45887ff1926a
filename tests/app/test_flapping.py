"""An alert that flaps, in a whole hypercare under the virtual clock: paged once, shown, explained."""

from __future__ import annotations

from hypercare.config import parse_matchers
from hypercare.model.time import HOUR, MINUTE
from hypercare.reports.why import why
from hypercare.routing.store import load_alerts

DAMPED = "flapping: {match: ['alertname=\"High\"'], window: 40m, high: 6, low: 2, damp: true}\n"


def test_a_critical_one_that_nobody_takes_is_paged_and_told_little(story, write):
    one = story(hypercare_yml=write.hypercare + DAMPED).run(MINUTE)
    for _ in range(6):
        one.load("a", 9).run(3 * MINUTE).load("a", 1).run(3 * MINUTE)
    one.load("a", 9).run(3 * MINUTE)
    assert one.paged()[0] == "ana", "never lost"
    assert len(one.incidents()) == 1
    told = one.chats()
    with one.app.state.read() as db:
        (view,) = [v for v in load_alerts(db, one.app.routing_settings, one.clock.now()) if v.alert.name == "High"]
        (found,) = why(one.app, db, tuple(parse_matchers("alertname=High")), one.clock.now())
    assert view.flapping_since is not None
    assert "it flaps since 2026-01-05T08:" in found.now
    assert any(line.text.startswith("begins to flap: 6 changes of state within 40m") for line in found.lines)
    assert any("is told (flapping)" in line.text for line in found.lines)
    one.run(20 * MINUTE)
    assert one.chats() == told, "nothing of it while it flaps"
    one.run(HOUR)
    assert one.chats()[len(told) :] == [("High", "a:80", "firing")], "that it has stopped, and fires"
