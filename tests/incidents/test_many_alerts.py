"""Very many alerts at once: all are kept, the timeline stays readable."""

from __future__ import annotations

from desk_kit import NOON, Desk, alert

from hypercare.incidents.settings import IncidentSettings
from hypercare.incidents.store import load_alerts
from hypercare.model.time import MINUTE


def test_all_alerts_of_a_storm_are_kept_and_some_are_named():
    desk = Desk(settings=IncidentSettings(quiet_time=5 * MINUTE))
    many = [alert("Down", NOON, instance=str(i)) for i in range(1200)]
    desk.notify(*many)
    desk.wait(MINUTE)
    assert desk.one().firing == 1200
    assert sum("alert fires" in line for line in desk.story()) == 20
    assert "0s 1180 more alerts: fires" in desk.story()
    desk.end(*many[:1199])
    assert desk.one().firing == 1
    assert desk.one().alerts_cleared_at is None
    assert "1m 1179 more alerts: resolved" in desk.story()
    desk.end(many[-1])
    assert desk.kinds()[-1] == "alerts_clear"
    with desk.state.read() as db:
        alerts = load_alerts(db, desk.one().id)
    assert len(alerts) == 1200
    assert all(a.ends_at == NOON + MINUTE for a in alerts)
    desk.wait(6 * MINUTE)
    assert desk.one().status == "resolved"
