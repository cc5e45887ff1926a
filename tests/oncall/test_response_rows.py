"""The response rows that the reference platforms wrote down, each step at its time: R2.7, R4.10, R5.3, R5.5."""

from __future__ import annotations

import pytest
from desk_kit import NOON, alert
from response_kit import TEAM, desk_of, told, ways

from hypercare.model.events import ClockPassed, StatusPostWanted
from hypercare.model.time import DAY, HOUR, MINUTE, format_duration
from hypercare.oncall.clocks import MarkPhase, load_clocks

EVERY = "incidents: {open: ['alertname=~\".+\"'], severity: [{match: ['severity=\"emergency\"'], is: P0}]}\n"


def clock_events(desk):
    return [(format_duration(at - NOON), e.clock, e.level) for at, e in desk.events if isinstance(e, ClockPassed)]


def clocks(desk, ref=1):
    with desk.state.read() as db:
        return {c.clock: (c.state, c.took) for c in load_clocks(db, desk.one(ref).id)}


# R2.7: P0/P1 acknowledge < 5 min, assess < 15, investigate < 30, resolve < 2 h (P0) or < 4 h (P1);
# P2 respond < 1 h, investigate < 4 h, resolve < 24 h.
FAST = [
    ("4m", "acknowledge", "warning"), ("5m", "acknowledge", "breach"), ("12m", "assess", "warning"),
    ("15m", "assess", "breach"), ("24m", "investigate", "warning"), ("30m", "investigate", "breach"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ("emergency", [*FAST, ("1h36m", "resolve", "warning"), ("2h", "resolve", "breach")]),
        ("critical", [*FAST, ("3h12m", "resolve", "warning"), ("4h", "resolve", "breach")]),
        (
            "warning",
            [
                ("48m", "acknowledge", "warning"), ("1h", "acknowledge", "breach"),
                ("3h12m", "investigate", "warning"), ("4h", "investigate", "breach"),
                ("19h12m", "resolve", "warning"), ("1d", "resolve", "breach"),
            ],
        ),
        ("info", [("19h12m", "acknowledge", "warning"), ("1d", "acknowledge", "breach")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restart", [False, True])
def test_r2_7_every_clock_warns_and_is_breached(tmp_path, severity, expected, restart):
    desk = desk_of(TEAM + EVERY, tmp_path / "state.db")
    desk.notify(alert(severity=severity))
    if restart:
        for _ in range(7):
            desk.wait(11 * MINUTE)
            desk.restart()
    desk.wait(2 * DAY)
    assert clock_events(desk) == expected
    breaches = [text for _, text in told(desk, "clock_breach")]
    assert len(breaches) == len([e for e in expected if e[2] == "breach"])
    assert breaches[0].startswith("acknowledge clock (P")


def test_r2_7_in_time_nothing_is_breached():
    desk = desk_of(TEAM)
    desk.notify(alert())
    desk.wait(3 * MINUTE)
    desk.ack(by="bob")
    desk.wait(7 * MINUTE)
    desk.call(MarkPhase(desk.one().id, "assess", "bob"))
    desk.wait(10 * MINUTE)
    desk.call(MarkPhase(desk.one().id, "investigate", "bob", "the disk is full"))
    desk.wait(HOUR)
    desk.resolve(by="bob")
    desk.wait(DAY)
    assert clock_events(desk) == []
    assert clocks(desk) == {
        "acknowledge": ("met", 3 * MINUTE), "assess": ("met", 10 * MINUTE), "investigate": ("met", 20 * MINUTE),
        "resolve": ("met", 80 * MINUTE),
    }  # fmt: skip
    assert told(desk, "assessed", "investigating") == [
        ("10m", "assessed, says bob"), ("20m", "investigating, says bob: the disk is full"),
    ]  # fmt: skip


def test_whom_a_clock_tells():
    text = TEAM + "oncall: {clocks: {warn: role:assignee, tell: [role:assignee, dee]}}\n"
    desk = desk_of(text)
    desk.notify(alert())
    desk.wait(2 * MINUTE)
    desk.ack(by="bob")
    desk.wait(14 * MINUTE)
    notices = [(at, target) for at, target in ways(desk) if at != "0s"]
    assert notices == [("12m", "person/bob/0"), ("15m", "person/bob/0"), ("15m", "person/dee/0")]
    assert (
        desk.post.sent[-1].payload["title"]
        == "#1 assess clock (P1): not assessed after 15m, the limit of 15m is breached"
    )


def test_a_clock_tells_nobody_of_what_is_silenced_and_stands_still():
    from hypercare.model.decision import Decision, Reason
    from hypercare.model.events import SuppressionChanged

    text = TEAM + "oncall: {clocks: {warn: dee, tell: dee}}\nescalations: [{name: d, steps: [notify: ada]}]\n"
    desk = desk_of(text)
    a = alert()
    desk.notify(a)
    desk.wait(MINUTE)
    desk.publish(SuppressionChanged(((a.fingerprint, Decision(False, Reason.SILENCED, "s")),)))
    desk.wait(40 * MINUTE)
    assert ways(desk) == [("0s", "person/ada/0")]
    desk.publish(SuppressionChanged(((a.fingerprint, None),)))
    desk.wait(3 * MINUTE)
    # One minute had gone before, and four are the warning.
    assert ("44m", "person/dee/0") in ways(desk)
    assert clocks(desk)["acknowledge"][0] == "warned"


def test_a_worse_severity_has_faster_clocks():
    desk = desk_of(TEAM + EVERY)
    desk.notify(alert("A", severity="warning", service="api"))
    desk.wait(10 * MINUTE)
    desk.notify(alert("A", severity="critical", service="api"))
    desk.wait(MINUTE)
    assert clock_events(desk) == [("10m", "acknowledge", "breach")]
    with desk.state.read() as db:
        assert {(c.clock, c.breach_at - NOON) for c in load_clocks(db, desk.one().id)} == {
            ("acknowledge", 5 * MINUTE), ("assess", 15 * MINUTE), ("investigate", 30 * MINUTE), ("resolve", 4 * HOUR),
        }  # fmt: skip


def test_handing_back_starts_the_first_clock_anew():
    from hypercare.incidents.commands import Unacknowledge

    desk = desk_of(TEAM)
    desk.notify(alert())
    desk.wait(2 * MINUTE)
    desk.ack()
    desk.wait(8 * MINUTE)
    desk.call(Unacknowledge("1", "ada"))
    desk.wait(5 * MINUTE)
    assert [e for e in clock_events(desk) if e[1] == "acknowledge"] == [
        ("14m", "acknowledge", "warning"), ("15m", "acknowledge", "breach"),
    ]  # fmt: skip


# R4.10: 0-15 primary, 15-30 backup, 30-45 lead, 45+ manager.
LADDER = """
people: [{name: primary}, {name: backup}, {name: lead}, {name: manager}]
escalations:
  - name: default
    steps:
      - notify: primary
      - wait: 15m
      - notify: backup
      - wait: 15m
      - notify: lead
      - wait: 15m
      - notify: manager
"""


@pytest.mark.parametrize("answered", [None, *range(0, 60, 5)])
def test_r4_10_the_path_of_a_deployment_watch(answered):
    desk = desk_of(LADDER)
    desk.notify(alert())
    if answered is not None:
        desk.wait(answered * MINUTE)
        desk.ack()
    desk.wait(2 * HOUR)
    whole = [("0s", "primary"), ("15m", "backup"), ("30m", "lead"), ("45m", "manager")]
    assert desk.pages() == whole[: 4 if answered is None else answered // 15 + 1]


# R5.3: critical acknowledged in 2 min and answered in 5, warning in 1 h by e-mail and chat, info in 24 h as a ticket.
URGENT = """
people:
  - name: alex
    timezone: America/Los_Angeles
    email: alex@example.org
    quiet_hours: {from: "22:00", until: "07:00"}
    contact:
      - {channel: webhook, url: "http://push/", urgency: high}
      - {channel: webhook, url: "http://phone/", urgency: high, after: 2m}
      - {channel: webhook, url: "http://mail/", urgency: low}
      - {channel: webhook, url: "http://chat/", urgency: low}
  - {name: tickets, contact: {channel: webhook, url: "http://tickets/"}}
oncall:
  clocks:
    - {severity: [P0, P1], acknowledge: {warning: 90s, breach: 2m}, assess: 5m}
    - {severity: P2, acknowledge: 1h, investigate: off, resolve: off}
    - {severity: P3, acknowledge: 24h}
escalations:
  - {name: critical, severity: [P0, P1], steps: [notify: alex]}
  - {name: warning, severity: P2, steps: [notify: alex]}
  - {name: info, severity: P3, steps: [notify: tickets]}
"""
EVENING = NOON - 2 * HOUR  # 02:00 in Los Angeles


def test_r5_3_critical_rings_at_night_again_after_two_minutes_and_has_to_be_answered_in_five():
    desk = desk_of(URGENT + EVERY, at=EVENING)
    desk.notify(alert())
    desk.wait(HOUR)
    assert ways(desk) == [("0s", "person/alex/0"), ("2m", "person/alex/1")]
    assert told(desk, "page_planned") == [("0s", "page to alex via webhook follows in 2m unless somebody acknowledges")]
    events = [(format_duration(at - EVENING), e.clock, e.level) for at, e in desk.events if isinstance(e, ClockPassed)]
    assert events[:4] == [
        ("1m30s", "acknowledge", "warning"), ("2m", "acknowledge", "breach"), ("4m", "assess", "warning"),
        ("5m", "assess", "breach"),
    ]  # fmt: skip


@pytest.mark.parametrize("restart", [False, True])
def test_r5_3_an_answer_in_time_spares_the_phone(tmp_path, restart):
    desk = desk_of(URGENT + EVERY, tmp_path / "state.db", at=EVENING)
    desk.notify(alert())
    if restart:
        desk.restart(after=MINUTE)
    desk.wait(30_000)
    desk.ack(by="alex")
    desk.wait(HOUR)
    assert ways(desk) == [("0s", "person/alex/0")]
    assert told(desk, "page_withdrawn")[0][1] == (
        "page to alex via webhook is not sent any more: alex has acknowledged the incident"
    )
    assert clocks(desk)["acknowledge"][0] == "met"


@pytest.mark.parametrize("restart", [False, True])
def test_r5_3_a_warning_waits_for_the_morning_by_mail_and_chat(tmp_path, restart):
    desk = desk_of(URGENT + EVERY, tmp_path / "state.db", at=EVENING)
    desk.notify(alert(severity="warning"))
    desk.wait(2 * HOUR)
    assert ways(desk) == []
    assert told(desk, "page_held") == [
        ("0s", "page to alex is held until 2026-01-05 15:00 UTC: low urgency in their quiet hours")
    ]
    if restart:
        # Down until after the end of the quiet hours: the page is late, and not lost.
        desk.restart(after=4 * HOUR)
    desk.wait(4 * HOUR)
    when = "6h" if restart else "5h"
    assert ways(desk) == [(when, "person/alex/2"), (when, "person/alex/3")]


def test_r5_3_a_warning_by_day_goes_at_once_and_an_information_is_a_ticket():
    desk = desk_of(URGENT + EVERY, at=NOON + 6 * HOUR)
    desk.notify(alert("A", severity="warning"), alert("B", severity="info"))
    desk.wait(25 * HOUR)
    assert ways(desk) == [("0s", "person/alex/2"), ("0s", "person/alex/3"), ("0s", "person/tickets/0")]
    assert clocks(desk, 1) == {"acknowledge": ("breached", None)}
    assert clocks(desk, 2) == {"acknowledge": ("breached", None)}


# R5.5: escalation 5, 15, 30, 60, 120 min: primary, secondary, manager, executive, public status page.
STAGES = """
people: [{name: primary}, {name: secondary}, {name: manager}, {name: executive}]
escalations:
  - name: default
    steps:
      - notify: primary
      - {notify: primary, after: 5m}
      - {notify: secondary, after: 15m}
      - {notify: manager, after: 30m}
      - {notify: executive, after: 1h}
      - {status_page: We are looking into a disturbance., after: 2h}
"""


@pytest.mark.parametrize("restarts", [(), (3, 14, 31, 119)])
def test_r5_5_up_to_the_public_status_page(tmp_path, restarts):
    desk = desk_of(STAGES, tmp_path / "state.db")
    desk.notify(alert("Down", service="api"))
    for minute in restarts:
        desk.sim.run_until(NOON + minute * MINUTE)
        desk.restart()
    desk.sim.run_until(NOON + DAY)
    assert desk.pages() == [
        ("0s", "primary"), ("5m", "primary"), ("15m", "secondary"), ("30m", "manager"), ("1h", "executive"),
    ]  # fmt: skip
    ((at, post),) = [(at - NOON, e) for at, e in desk.events if isinstance(e, StatusPostWanted)]
    assert (at, post.service, post.text) == (2 * HOUR, "api", "We are looking into a disturbance.")
